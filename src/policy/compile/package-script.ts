/**
 * Shell programs for packages and patches, over apt-get and zypper; which of them is read from /etc/os-release, since a machine may
 * have both. A package file that the bundle carries (`packages/*.deb`, `*.rpm`) is taken before any repository: it works offline, and
 * its bytes were verified with the bundle. Next comes what was downloaded while the bundle was prepared (`fetchShell`). Never the network where the system is as wanted already. Conventions: script.ts.
 */
import { shellWord } from './quote.ts'
import type { PackageResource, PatchResource } from '../model.ts'

export function packageShell(resource: PackageResource, bundle: string): string {
  return `${head(resource, bundle, 'failed')}\n${choosing}${converge}`
}

/**
 * Downloads while a bundle is prepared what its apply would download: nothing where the system fits, or a file that the bundle carries does.
 * Skipped where no repository here knows the package yet, since the policy itself may add one.
 */
export function fetchShell(resource: PackageResource, bundle: string): string {
  return `${head(resource, bundle, 'skipped')}\n${choosing}${fetching}`
}

/** Where the packages that were downloaded for a resource lie; `SHA256SUMS` beside them, written last. */
const fetchedFolder = (bundle: string, id: string): string => `${bundle}/fetched/${Number.parseInt(id, 10)}`

function head({ id, name, state, version }: PackageResource, bundle: string, otherwise: 'failed' | 'skipped'): string {
  const relation = version === undefined ? 'any' : version.startsWith('>=') ? 'ge' : 'eq'
  return `name=${shellWord(name)} state=${state} relation=${relation} version=${shellWord((version ?? '').replace(/^>=/, ''))}
bundle=${shellWord(bundle)} fetched=${shellWord(fetchedFolder(bundle, id))}
${manager}
case $manager in
apt)
${apt}
  ;;
zypper)
${zypper}
  ;;
*) ${otherwise} 'neither apt-get nor zypper is here' ;;
esac`
}

export function patchShell({ patch }: PatchResource): string {
  return `patch=${shellWord(patch)}
${manager}
[ "$manager" = zypper ] || failed 'patches are a matter of zypper, which is not here: name packages instead'
status() { zypper --non-interactive info -t patch "$patch" 2>/dev/null | sed -n 's/^Status *: *//p' | head -n 1; }
before=$(status)
case $before in
[Aa]pplied* | [Nn]ot\\ [Nn]eeded* | [Ii]nstalled*) kept ;;
'') failed 'no repository here knows this patch' ;;
esac
drift "$before"
logged zypper --non-interactive install --auto-agree-with-licenses -t patch "$patch"
case $(status) in [Aa]pplied* | [Nn]ot\\ [Nn]eeded* | [Ii]nstalled*) repaired ;; esac
failed "zypper ended with $code"
`
}

const manager = `manager=none
system=$(. /etc/os-release 2>/dev/null; echo " $ID $ID_LIKE ")
case $system in
*debian* | *ubuntu*) quiet command -v apt-get && manager=apt ;;
*suse*) quiet command -v zypper && manager=zypper ;;
*) if quiet command -v zypper; then manager=zypper; elif quiet command -v apt-get; then manager=apt; fi ;;
esac`

/** Each manager gives: installed, compare A gt|ge|eq B, offered (a repository's version), carried VERSION FILE lines, add TARGET, remove. */
const apt = `  export DEBIAN_FRONTEND=noninteractive
  installed() { dpkg-query -W -f '\${db:Status-Status} \${Version}\\n' "$name" 2>/dev/null | sed -n 's/^installed //p' | head -n 1; }
  compare() { dpkg --compare-versions "$1" "$2" "$3"; }
  offered() { apt-cache policy "$name" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -v '^(none)$'; }
  refresh() { quiet timeout 120 apt-get -q update; }
  carried() {
    for file in "$bundle"/packages/*.deb; do
      [ -f "$file" ] && [ "$(dpkg-deb -f "$file" Package 2>/dev/null)" = "$name" ] || continue
      case $(dpkg-deb -f "$file" Architecture) in all | "$(dpkg --print-architecture)") ;; *) continue ;; esac
      printf '%s %s\\n' "$(dpkg-deb -f "$file" Version)" "$file"
    done
  }
  # After a power failure apt-get refuses everything until dpkg has come to its end.
  resume() {
    set -- "\${DPKG_ADMINDIR:-/var/lib/dpkg}"/updates/[0-9]*
    [ ! -e "$1" ] || quiet dpkg --force-confdef --force-confold --configure -a
  }
  get() { resume; logged apt-get -y -q -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"; }
  add() { if [ $relation = eq ]; then get install --allow-downgrades -- "$@"; else get install -- "$@"; fi; }
  # Hashes are checked as it comes; what lies in an archive folder apt would believe by its size alone.
  download() { mkdir -p "$fetched/partial" && get install --download-only --allow-downgrades -o Dir::Cache::archives="$fetched" -- "$1"; }
  remove() { get remove -- "$name"; }`

const zypper = `  installed() { quiet rpm -q -- "$name" && rpm -q --qf '%{VERSION}-%{RELEASE}\\n' -- "$name" | head -n 1; }
  compare() {
    case $2-$(zypper --terse versioncmp --match "$1" "$3" 2>/dev/null | tail -n 1) in
      gt-1 | ge-1 | ge-0 | eq-0) return 0 ;;
      *) return 1 ;;
    esac
  }
  offered() { zypper --non-interactive --no-refresh info -- "$name" 2>/dev/null | sed -n 's/^Version *: *//p' | head -n 1; }
  refresh() { quiet timeout 120 zypper --non-interactive refresh; }
  carried() {
    for file in "$bundle"/packages/*.rpm; do
      [ -f "$file" ] && [ "$(rpm -qp --qf '%{NAME}' "$file" 2>/dev/null)" = "$name" ] || continue
      case $(rpm -qp --qf '%{ARCH}' "$file" 2>/dev/null) in noarch | "$(uname -m)") ;; *) continue ;; esac
      printf '%s %s\\n' "$(rpm -qp --qf '%{VERSION}-%{RELEASE}' "$file" 2>/dev/null)" "$file"
    done
  }
  get() { logged zypper --non-interactive "$@"; }
  add() { if [ $relation = eq ]; then get install --oldpackage --allow-unsigned-rpm -- "$@"; else get install --allow-unsigned-rpm -- "$@"; fi; }
  download() { mkdir -p "$fetched" && logged zypper --non-interactive --pkg-cache-dir "$fetched/cache" install --oldpackage --download-only -- "$1" && find "$fetched/cache" -name '*.rpm' -exec mv {} "$fetched" \\;; }
  remove() { get remove -- "$name"; }`

const choosing = `fits() {
  [ -n "$1" ] || return 1
  [ $relation = any ] || compare "$1" $relation "$version"
}
# The newest carried file that fits.
choose() {
  carried_version= carried_file=
  list=$(carried)
  [ -n "$list" ] || return 0
  while read -r found file; do
    fits "$found" || continue
    if [ -z "$carried_version" ] || compare "$found" gt "$carried_version"; then carried_version=$found carried_file=$file; fi
  done <<LIST
$list
LIST
}
# The name of the package in a file.
named() { case $1 in *.deb) dpkg-deb -f "$1" Package ;; *) rpm -qp --qf '%{NAME}' "$1" ;; esac 2>/dev/null; }
versioned() { case $1 in *.deb) dpkg-deb -f "$1" Version ;; *) rpm -qp --qf '%{VERSION}-%{RELEASE}' "$1" ;; esac 2>/dev/null; }
# What was downloaded when this bundle was prepared, if it is all there and is still what it was: into fetched_version.
prepared() {
  fetched_version=
  [ -f "$fetched/SHA256SUMS" ] && (cd "$fetched" && quiet sha256sum --check --strict SHA256SUMS) || return 1
  for file in "$fetched"/*.deb "$fetched"/*.rpm; do
    [ -f "$file" ] && [ "$(named "$file")" = "$name" ] && fetched_version=$(versioned "$file")
  done
  fits "$fetched_version"
}
add_prepared() { set --; for file in "$fetched"/*.deb "$fetched"/*.rpm; do [ -f "$file" ] && set -- "$@" "$file"; done; add "$@"; }
before=$(installed)
`

const fetching = `case $state in
absent) kept ;;
latest)
  refresh
  choose
  newest=$(offered)
  if [ -n "$carried_version" ] && { [ -z "$newest" ] || compare "$carried_version" ge "$newest"; }; then kept; fi
  if [ -n "$before" ] && { [ -z "$newest" ] || compare "$before" ge "$newest"; }; then kept; fi
  ;;
*)
  fits "$before" && kept
  choose
  [ -z "$carried_file" ] || kept
  ;;
esac
prepared && kept
target=$name
[ $relation = eq ] && target=$name=$version
known() { newest=$(offered); [ -n "$newest" ] && { [ $relation = eq ] || fits "$newest"; }; }
known || { refresh; known; } || skipped "no repository here has it yet"
download "$target" || failed "download of $target ended with $code"
rm -rf "$fetched/partial" "$fetched/lock" "$fetched/cache"
(cd "$fetched" && sha256sum -- *.deb *.rpm 2>/dev/null >.sums; [ -s .sums ] && sync && mv .sums SHA256SUMS) || failed 'nothing was downloaded'
prepared && repaired
failed 'what was downloaded does not fit'
`

const converge = `case $state in
absent)
  [ -z "$before" ] && kept
  drift "$before"
  remove
  [ -z "$(installed)" ] && repaired
  failed "still there, remove ended with $code"
  ;;
latest)
  case $mode in apply | decide) refresh ;; esac
  choose
  newest=$(offered)
  target=$name
  if [ -n "$carried_version" ] && { [ -z "$newest" ] || compare "$carried_version" ge "$newest"; }; then
    newest=$carried_version target=$carried_file
  fi
  if [ -n "$before" ] && { [ -z "$newest" ] || compare "$before" ge "$newest"; }; then kept; fi
  drift "\${before:-not installed}"
  if [ "$target" = "$name" ] && prepared && { [ -z "$newest" ] || compare "$fetched_version" ge "$newest"; }; then add_prepared; else add "$target"; fi
  after=$(installed)
  [ -n "$after" ] && [ "$after" != "$before" ] && repaired
  failed "it is \${after:-not installed}, install ended with $code"
  ;;
*)
  fits "$before" && kept
  drift "\${before:-not installed}"
  choose
  target=$name
  [ $relation = eq ] && target=$name=$version
  if [ -z "$carried_file" ] && prepared; then add_prepared; fi
  fits "$(installed)" || add "\${carried_file:-$target}" || { [ -z "$carried_file" ] && refresh && add "$target"; }
  after=$(installed)
  fits "$after" && repaired
  failed "it is \${after:-not installed}, install ended with $code"
  ;;
esac
`

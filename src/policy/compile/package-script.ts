/**
 * Shell programs for packages and patches, over apt-get and zypper; which of them is read from /etc/os-release, since a machine may
 * have both. A package file that the bundle carries (`packages/*.deb`, `*.rpm`) is taken before any repository: it works offline, and
 * its bytes were verified with the bundle. Never the network where the system is as wanted already. Conventions: script.ts.
 */
import { shellWord } from './quote.ts'
import type { PackageResource, PatchResource } from '../model.ts'

export function packageShell({ name, state, version }: PackageResource, bundle: string): string {
  const relation = version === undefined ? 'any' : version.startsWith('>=') ? 'ge' : 'eq'
  return `name=${shellWord(name)} state=${state} relation=${relation} version=${shellWord((version ?? '').replace(/^>=/, ''))}
bundle=${shellWord(bundle)}
${manager}
case $manager in
apt)
${apt}
  ;;
zypper)
${zypper}
  ;;
*) failed 'neither apt-get nor zypper is here' ;;
esac
${converge}`
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
  add() { if [ $relation = eq ]; then get install --allow-downgrades -- "$1"; else get install -- "$1"; fi; }
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
  add() { if [ $relation = eq ]; then get install --oldpackage --allow-unsigned-rpm -- "$1"; else get install --allow-unsigned-rpm -- "$1"; fi; }
  remove() { get remove -- "$name"; }`

const converge = `fits() {
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
before=$(installed)
case $state in
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
  add "$target"
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
  add "\${carried_file:-$target}" || { [ -z "$carried_file" ] && refresh && add "$target"; }
  after=$(installed)
  fits "$after" && repaired
  failed "it is \${after:-not installed}, install ended with $code"
  ;;
esac
`

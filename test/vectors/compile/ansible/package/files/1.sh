#!/bin/sh
# The agent runs with 077, which is not what installers and commands expect.
umask 022
mode=${1:-observe}
kept() { exit 97; }
repaired() { exit 0; }
failed() { printf 'failed: %s\n' "$*"; exit 1; }
skipped() { printf 'skipped: %s\n' "$*"; exit 97; }
drift() { case $mode in apply | act) return 0 ;; esac; printf 'seen: %s\n' "$*"; exit 0; }
quiet() { "$@" >/dev/null 2>&1 </dev/null; }
# Through a file: a daemon that the command leaves behind must not hold the agent's pipe open, and the end is what tells.
logged() {
  log=$(mktemp "${GRAPEVINE_SCRATCH:-/tmp}/output.XXXXXX") || failed 'no room for its output'
  "$@" >"$log" 2>&1 </dev/null
  code=$?
  tail -c 2000 "$log"
  echo
  rm -f "$log"
  return $code
}
name='odd'\''name' state=absent relation=any version=''
bundle='/bundles/sample/1' fetched='/bundles/sample/1/fetched/1'
manager=none
system=$(. /etc/os-release 2>/dev/null; echo " $ID $ID_LIKE ")
case $system in
*debian* | *ubuntu*) quiet command -v apt-get && manager=apt ;;
*suse*) quiet command -v zypper && manager=zypper ;;
*) if quiet command -v zypper; then manager=zypper; elif quiet command -v apt-get; then manager=apt; fi ;;
esac
case $manager in
apt)
  export DEBIAN_FRONTEND=noninteractive
  installed() { dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$name" 2>/dev/null | sed -n 's/^installed //p' | head -n 1; }
  compare() { dpkg --compare-versions "$1" "$2" "$3"; }
  offered() { apt-cache policy "$name" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -v '^(none)$'; }
  refresh() { quiet timeout 120 apt-get -q update; }
  carried() {
    for file in "$bundle"/packages/*.deb; do
      [ -f "$file" ] && [ "$(dpkg-deb -f "$file" Package 2>/dev/null)" = "$name" ] || continue
      case $(dpkg-deb -f "$file" Architecture) in all | "$(dpkg --print-architecture)") ;; *) continue ;; esac
      printf '%s %s\n' "$(dpkg-deb -f "$file" Version)" "$file"
    done
  }
  # After a power failure apt-get refuses everything until dpkg has come to its end.
  resume() {
    set -- "${DPKG_ADMINDIR:-/var/lib/dpkg}"/updates/[0-9]*
    [ ! -e "$1" ] || quiet dpkg --force-confdef --force-confold --configure -a
  }
  get() { resume; logged apt-get -y -q -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"; }
  add() { if [ $relation = eq ]; then get install --allow-downgrades -- "$@"; else get install -- "$@"; fi; }
  # Hashes are checked as it comes; what lies in an archive folder apt would believe by its size alone.
  download() { mkdir -p "$fetched/partial" && get install --download-only --allow-downgrades -o Dir::Cache::archives="$fetched" -- "$1"; }
  remove() { get remove -- "$name"; }
  ;;
zypper)
  installed() { quiet rpm -q -- "$name" && rpm -q --qf '%{VERSION}-%{RELEASE}\n' -- "$name" | head -n 1; }
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
      printf '%s %s\n' "$(rpm -qp --qf '%{VERSION}-%{RELEASE}' "$file" 2>/dev/null)" "$file"
    done
  }
  get() { logged zypper --non-interactive "$@"; }
  add() { if [ $relation = eq ]; then get install --oldpackage --allow-unsigned-rpm -- "$@"; else get install --allow-unsigned-rpm -- "$@"; fi; }
  download() { mkdir -p "$fetched" && logged zypper --non-interactive --pkg-cache-dir "$fetched/cache" install --oldpackage --download-only -- "$1" && find "$fetched/cache" -name '*.rpm' -exec mv {} "$fetched" \;; }
  remove() { get remove -- "$name"; }
  ;;
*) failed 'neither apt-get nor zypper is here' ;;
esac
fits() {
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
  drift "${before:-not installed}"
  if [ "$target" = "$name" ] && prepared && { [ -z "$newest" ] || compare "$fetched_version" ge "$newest"; }; then add_prepared; else add "$target"; fi
  after=$(installed)
  [ -n "$after" ] && [ "$after" != "$before" ] && repaired
  failed "it is ${after:-not installed}, install ended with $code"
  ;;
*)
  fits "$before" && kept
  drift "${before:-not installed}"
  choose
  target=$name
  [ $relation = eq ] && target=$name=$version
  if [ -z "$carried_file" ] && prepared; then add_prepared; fi
  fits "$(installed)" || add "${carried_file:-$target}" || { [ -z "$carried_file" ] && refresh && add "$target"; }
  after=$(installed)
  fits "$after" && repaired
  failed "it is ${after:-not installed}, install ended with $code"
  ;;
esac

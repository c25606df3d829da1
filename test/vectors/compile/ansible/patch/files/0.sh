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
patch='SUSE-2026-1234'
manager=none
system=$(. /etc/os-release 2>/dev/null; echo " $ID $ID_LIKE ")
case $system in
*debian* | *ubuntu*) quiet command -v apt-get && manager=apt ;;
*suse*) quiet command -v zypper && manager=zypper ;;
*) if quiet command -v zypper; then manager=zypper; elif quiet command -v apt-get; then manager=apt; fi ;;
esac
[ "$manager" = zypper ] || failed 'patches are a matter of zypper, which is not here: name packages instead'
status() { zypper --non-interactive info -t patch "$patch" 2>/dev/null | sed -n 's/^Status *: *//p' | head -n 1; }
before=$(status)
case $before in
[Aa]pplied* | [Nn]ot\ [Nn]eeded* | [Ii]nstalled*) kept ;;
'') failed 'no repository here knows this patch' ;;
esac
drift "$before"
logged zypper --non-interactive install --auto-agree-with-licenses -t patch "$patch"
case $(status) in [Aa]pplied* | [Nn]ot\ [Nn]eeded* | [Ii]nstalled*) repaired ;; esac
failed "zypper ended with $code"

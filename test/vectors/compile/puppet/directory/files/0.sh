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
path='/srv/app' want_mode=0750 owner='app' group='app'
# What differs, in words.
look() {
  differs=
  if [ ! -d "$path" ]; then differs=missing; return; fi
  set -- $(stat -L -c '%a %u %U %g %G' -- "$path")
  [ -z "$want_mode" ] || [ $((0$1)) -eq $((0$want_mode)) ] || differs="$differs, mode $(printf '%04o' "0$1")"
  [ -z "$owner" ] || [ "$owner" = "$2" ] || [ "$owner" = "$3" ] || differs="$differs, another owner"
  [ -z "$group" ] || [ "$group" = "$4" ] || [ "$group" = "$5" ] || differs="$differs, another group"
  differs=${differs#, }
}
[ ! -e "$path" ] || [ -d "$path" ] || failed 'it is a file'
look
[ -z "$differs" ] && kept
drift "$differs"
[ -d "$path" ] || logged mkdir -p -- "$path"
[ -z "$owner" ] || logged chown -- "$owner" "$path"
[ -z "$group" ] || logged chgrp -- "$group" "$path"
[ -z "$want_mode" ] || logged chmod -- "$want_mode" "$path"
look
[ -z "$differs" ] && repaired
failed "$differs"

#!/bin/sh
# The agent runs with 077, which is not what installers and commands expect.
umask 022
mode=${1:-observe}
kept() { exit 97; }
repaired() { exit 0; }
failed() { printf 'failed: %s\n' "$*"; exit 1; }
skipped() { printf 'skipped: %s\n' "$*"; exit 97; }
drift() { [ "$mode" = apply ] && return 0; printf 'seen: %s\n' "$*"; exit 0; }
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
pattern='^app'
matching() {
  seen=$(ps -eo pid=,ppid=,args=)
  ours=" $$ 1 "
  above=$PPID
  while [ -n "$above" ] && [ "$above" -gt 1 ]; do
    ours="$ours$above "
    above=$(printf '%s\n' "$seen" | awk -v pid="$above" '$1 == pid { print $2; exit }')
  done
  printf '%s\n' "$seen" | sed 's/^ *[0-9]* *[0-9]* *//' | grep -nP -e "$pattern" | cut -d: -f1 | while read -r at; do
    printf '%s\n' "$seen" | awk -v at="$at" -v ours="$ours" -v ps="ps -eo pid=,ppid=,args=" '
      NR == at && !index(ours, " " $1 " ") && !index($0, ps) { print $1; exit }'
  done
}
[ -n "$(matching)" ] && kept
drift 'not running'
setsid sh -c 'app --daemon' >/dev/null 2>&1 </dev/null &
waited=0
until [ -n "$(matching)" ] || [ $waited -ge 25 ]; do sleep 0.2; waited=$((waited + 1)); done
[ -n "$(matching)" ] && repaired
failed 'started, but it does not run'

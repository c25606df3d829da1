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
pattern='telnetd'
table=$(mktemp "${GRAPEVINE_SCRATCH:-/tmp}/processes.XXXXXX") || failed 'no room for the list of processes'
trap 'rm -f "$table"' EXIT
look() {
  ps -eo pid=,ppid=,args= >"$table"
  rows=$(sed 's/^ *[0-9]* *[0-9]* *//' "$table" | grep -nP -e "$pattern")
  [ $? -le 1 ] || failed 'grep -P does not understand the pattern'
  pids=$(printf '%s\n' "$rows" | cut -d: -f1 | awk -v self=$$ -v ps="ps -eo pid=,ppid=,args=" '
    NR == FNR { matching[$1]; next }
    { row = ++rows; pid[row] = $1; above[$1] = $2; sub(/^ *[0-9]+ +[0-9]+ +/, ""); words[row] = $0; if (pid[row] == self) own = $0 }
    END {
      for (at = self; at > 1; at = above[at]) ours[at]
      for (row = 1; row <= rows; row++)
        if (row in matching && pid[row] > 1 && !(pid[row] in ours) && words[row] != own && words[row] != ps) print pid[row]
    }' - "$table")
}
look
[ -n "$pids" ] || kept
drift "running as $(echo $pids)"
quiet kill -TERM $pids
waited=0
while look && [ -n "$pids" ] && [ $waited -lt 25 ]; do sleep 0.2; waited=$((waited + 1)); done
[ -z "$pids" ] || { quiet kill -KILL $pids; sleep 0.2; look; }
[ -z "$pids" ] && repaired
failed "still running as $(echo $pids)"

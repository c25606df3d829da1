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
if [ "$mode" != act ]; then
quiet sh -c 'true' || skipped 'onlyIf does not hold'
quiet sh -c 'test -e /x' && kept
fi
drift 'unless does not hold'
logged sh -c 'echo it'\''s $(x)' && repaired
failed "exit code $code"

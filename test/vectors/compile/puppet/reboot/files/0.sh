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
reboot_soon() {
  if [ -d /run/systemd/system ]; then logged shutdown -r +1 'Grapevine: the policy wants a reboot'
  else quiet command -v shutdown || return 1; setsid shutdown -r +1 'Grapevine: the policy wants a reboot' >/dev/null 2>&1 </dev/null & fi
}
needed() {
  [ -e /var/run/reboot-required ] && return 0
  if quiet command -v needs-restarting; then quiet needs-restarting -r; [ $? = 1 ] && return 0; fi
  if quiet command -v zypper; then quiet zypper needs-rebooting; [ $? = 102 ] && return 0; fi
  return 1
}
needed || kept
[ -e /run/systemd/shutdown/scheduled ] && kept
drift 'a reboot is outstanding'
reboot_soon && repaired
failed 'shutdown refused'

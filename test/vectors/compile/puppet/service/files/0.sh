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
name='nginx' want_state=running want_enabled=true
if [ -d /run/systemd/system ]; then
  running() { quiet systemctl is-active -- "$name"; }
  enabled() { quiet systemctl is-enabled -- "$name"; }
  to_state() { logged systemctl "$1" -- "$name"; }
  to_enabled() { logged systemctl "$1" -- "$name"; }
else
  running() { quiet service "$name" status; }
  enabled() { for link in /etc/rc[2345].d/S??"$name"; do [ -e "$link" ] && return 0; done; return 1; }
  to_state() { logged service "$name" "$1"; }
  to_enabled() {
    if quiet command -v update-rc.d; then logged update-rc.d "$name" defaults; logged update-rc.d "$name" "$1"
    else logged chkconfig "$name" "$([ "$1" = enable ] && echo on || echo off)"; fi
  }
fi
fits() {
  case $want_state in running) running || return 1 ;; stopped) running && return 1 ;; esac
  case $want_enabled in true) enabled || return 1 ;; false) enabled && return 1 ;; esac
  return 0
}
change() {
  case $want_enabled in
    true) enabled || to_enabled enable ;;
    false) enabled && to_enabled disable ;;
  esac
  case $want_state in
    running) running || to_state start ;;
    stopped) running && to_state stop ;;
  esac
}
fits && kept
drift "$(running && echo running || echo stopped), $(enabled && echo enabled || echo disabled)"
change
fits && repaired
failed "it is $(running && echo running || echo stopped), $(enabled && echo enabled || echo disabled)"

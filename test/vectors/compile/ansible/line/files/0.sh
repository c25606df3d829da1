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
path='/etc/ssh/sshd_config' line='PermitRootLogin no' pattern='^#?PermitRootLogin'
export LC_ALL=C
[ -d "$path" ] && failed 'it is a directory'
[ ! -e "$path" ] || { [ -f "$path" ] && [ -r "$path" ]; } || failed 'it is no file that can be read'
work=$(mktemp -d "${GRAPEVINE_SCRATCH:-/tmp}/line.XXXXXX") || failed 'no room for its work'
new=
trap 'rm -rf "$work" ${new:+"$new"}' EXIT
# Numbers of lines, into same: those that are as wanted; into others: those that must go.
look() {
  : >"$work/same"
  : >"$work/others"
  [ -e "$path" ] || return 0
  grep -naxF -e "$line" -- "$path" >"$work/found"
  [ $? -le 1 ] || failed 'it cannot be read'
  cut -d: -f1 "$work/found" >"$work/same"
  [ -n "$pattern" ] || return 0
  grep -naP -e "$pattern" -- "$path" >"$work/found"
  [ $? -le 1 ] || failed 'grep -P does not understand the pattern'
  cut -d: -f1 "$work/found" | grep -vxF -f "$work/same" >"$work/others"
}
fits() { look; [ -s "$work/same" ] && [ ! -s "$work/others" ]; }
fits && kept
if [ -e "$path" ]; then drift 'the line is not there, or others match'; else drift 'missing'; fi
real=$(readlink -f -- "$path") || real=$path
folder=$(dirname -- "$real")
[ -d "$folder" ] || quiet mkdir -p -- "$folder" || failed "its folder $folder cannot be made"
new=$(mktemp "$folder/.grapevine.XXXXXX" 2>/dev/null) || failed "nothing can be written in $folder"
before=/dev/null
if [ -e "$real" ]; then
  before=$real
  quiet cp -p --attributes-only --preserve=all -- "$real" "$new" || failed 'its owner and mode cannot be kept'
else
  chmod 644 "$new"
fi
LINE=$line awk '
  FILENAME == ARGV[1] { put = 1; next }
  FILENAME == ARGV[2] { gone[$1]; next }
  !(FNR in gone) { print; next }
  !put { print ENVIRON["LINE"]; put = 1 }
  END { if (!put) print ENVIRON["LINE"] }' "$work/same" "$work/others" "$before" >"$new" || failed 'no room for the file'
# A file that is mounted alone, as containers have some, cannot be replaced.
quiet mv -f -- "$new" "$real" || cat "$new" 2>/dev/null >"$real" || failed 'it cannot be written'
fits && repaired
failed 'the line is not there after it was written'

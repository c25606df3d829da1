/**
 * A shell program for one line of a file, for engines whose own means do something else: Ansible's replace the last line that matches
 * and leave the others, Puppet brings none. CFEngine edits by its own. Patterns are read by PCRE over bytes, as CFEngine reads them
 * (`cfPattern`), so that a policy means the same everywhere. Conventions: script.ts.
 *
 * A file is replaced whole, by one beside it with the same owner, mode and labels; through a link it is the file behind it.
 */
import { assert } from '#base/assert.ts'
import { cfPattern, shellWord } from './quote.ts'
import type { LineResource } from '../model.ts'

export function lineShell({ path, line, match }: LineResource): string {
  const pattern = match === undefined ? undefined : cfPattern(match)
  assert(match === undefined || pattern !== undefined, 'a pattern that the compiler should have refused')
  return `path=${shellWord(path)} line=${shellWord(line)} pattern=${shellWord(pattern ?? '')}\n${body}`
}

const body = `export LC_ALL=C
[ -d "$path" ] && failed 'it is a directory'
[ ! -e "$path" ] || { [ -f "$path" ] && [ -r "$path" ]; } || failed 'it is no file that can be read'
work=$(mktemp -d "\${GRAPEVINE_SCRATCH:-/tmp}/line.XXXXXX") || failed 'no room for its work'
new=
trap 'rm -rf "$work" \${new:+"$new"}' EXIT
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
`

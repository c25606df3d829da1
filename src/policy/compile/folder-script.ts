/**
 * Shell programs for directories, for Puppet: its own would take the place of a file that is there, and a directory that fails would keep
 * Puppet from everything below it. CFEngine and Ansible make them by their own means. Conventions: script.ts.
 */
import { shellWord } from './quote.ts'
import type { DirectoryResource } from '../model.ts'

export function directoryShell({ path, mode, owner, group }: DirectoryResource): string {
  return `path=${shellWord(path)} want_mode=${mode ?? ''} owner=${shellWord(owner ?? '')} group=${shellWord(group ?? '')}\n${directory}`
}

/** For a file that is written by another: its folder is made, and a link to a directory, whose mode Puppet would give it, goes. */
export function placeShell(path: string): string {
  return `path=${shellWord(path)} folder=${shellWord(folderOf(path))}
[ -d "$folder" ] || logged mkdir -p -- "$folder" || failed 'its folder cannot be made'
[ ! -h "$path" ] || [ ! -d "$path" ] || logged rm -f -- "$path" || failed 'the link in its place cannot be removed'
repaired
`
}

export const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'

/** Owner before mode: who changes it takes the set-user bit away. */
const directory = `# What differs, in words.
look() {
  differs=
  if [ ! -d "$path" ]; then differs=missing; return; fi
  set -- $(stat -L -c '%a %u %U %g %G' -- "$path")
  [ -z "$want_mode" ] || [ $((0$1)) -eq $((0$want_mode)) ] || differs="$differs, mode $(printf '%04o' "0$1")"
  [ -z "$owner" ] || [ "$owner" = "$2" ] || [ "$owner" = "$3" ] || differs="$differs, another owner"
  [ -z "$group" ] || [ "$group" = "$4" ] || [ "$group" = "$5" ] || differs="$differs, another group"
  differs=\${differs#, }
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
`

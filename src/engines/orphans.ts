/**
 * Ends what a killed daemon left running: its programs have process groups of their own and go on without it, and two engines must
 * never run at a time. Only a group whose leader bears the name and the variable is ended, so that nobody else's process is.
 */
import { readFile, readdir } from 'node:fs/promises'
import { endGroup, groupsBelow } from './process-tree.ts'

/** Ends the groups led by programs called `name` (at most 15 characters) that have `variable` (NAME=VALUE) in their environment. */
export async function endOrphans(name: string, variable: string): Promise<void> {
  for (const pid of await processesOf(name, variable))
    await Promise.all([pid, ...groupsBelow(pid)].map((group) => endGroup(group)))
}

async function processesOf(name: string, variable: string): Promise<number[]> {
  const found: number[] = []
  for (const entry of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(entry)) continue
    if ((await textOf(`/proc/${entry}/comm`)) !== `${name}\n`) continue
    if ((await textOf(`/proc/${entry}/environ`)).split('\0').includes(variable)) found.push(Number(entry))
  }
  return found
}

/** Empty for a process that has ended, or is another user's. */
const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')

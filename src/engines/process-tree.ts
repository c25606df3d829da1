/**
 * The processes below a program, read from /proc, and how a group of them is ended. A program that gives its children sessions of their
 * own (Puppet does) is not ended with its group alone. What left the tree on purpose, as daemons do, is nobody's descendant and stays.
 */
import { readFileSync, readdirSync } from 'node:fs'

const termMs = 2000
const pollMs = 50

/** The groups led by descendants of a process, without its own. To be asked while it lives: afterwards nobody knows whose they were. */
export function groupsBelow(pid: number): number[] {
  const children = new Map<number, number[]>()
  const leaders = new Set<number>()
  for (const entry of readdirSync('/proc')) {
    const [, above, group] = /^\d+ .*\) . (\d+) (\d+) /s.exec(statusOf(entry)) ?? []
    if (above === undefined) continue
    const child = Number(entry)
    children.set(Number(above), [...(children.get(Number(above)) ?? []), child])
    if (Number(group) === child) leaders.add(child)
  }
  const below: number[] = [...(children.get(pid) ?? [])]
  for (const child of below) below.push(...(children.get(child) ?? []))
  return below.filter((child) => leaders.has(child))
}

/** SIGTERM, and SIGKILL for who does not listen within two seconds. */
export async function endGroup(pid: number): Promise<void> {
  for (let waitedMs = 0; signalGroup(pid, waitedMs === 0 ? 'SIGTERM' : 0); waitedMs += pollMs) {
    if (waitedMs >= termMs) break
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
  signalGroup(pid, 'SIGKILL')
}

/** Whether somebody of the group is left. */
function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL' | 0): boolean {
  try {
    return process.kill(-pid, signal)
  } catch {
    return false
  }
}

/** Empty for a process that has ended, and for what is none. */
function statusOf(entry: string): string {
  try {
    return /^\d+$/.test(entry) ? readFileSync(`/proc/${entry}/stat`, 'latin1') : ''
  } catch {
    return ''
  }
}

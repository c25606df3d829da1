/**
 * The folder in which one run of an engine works: of its own, beside the versions of the bundle, gone when the run has ended. What
 * the run of a killed daemon left there is ended and removed before the next begins.
 */
import { mkdtemp, readdir, rm, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { heedClosing } from './closing.ts'
import { endOrphans } from './orphans.ts'
import type { EngineName, EngineRun } from './engine.ts'

export interface Worker {
  readonly name: EngineName
  /** The name of the process that leads a run, as the kernel has it: at most 15 characters. */
  readonly leader: string
  /** What its environment holds for a work folder: NAME=VALUE. */
  readonly mark: (path: string) => string
}

export async function inWorkFolder<T>(
  { name, leader, mark }: Worker,
  { bundle, closing }: EngineRun,
  act: (path: string) => Promise<T>,
): Promise<T> {
  const beside = dirname(bundle)
  // Of this process and no earlier one: in a container a daemon may have the same number each time.
  const own = `.${name}-${process.pid}-${Math.trunc(performance.timeOrigin).toString(36)}-`
  // A home has one owner, so work folders that are not ours are those of a daemon that was killed, and its engine may still run.
  for (const stale of await readdir(beside)) {
    if (!stale.startsWith(`.${name}-`) || stale.startsWith(own)) continue
    await endOrphans(leader, mark(join(beside, stale)))
    await rm(join(beside, stale), { recursive: true, force: true })
  }
  const path = await mkdtemp(join(beside, own))
  const heed = heedClosing(path, closing)
  try {
    return await act(path)
  } finally {
    heed.end()
    await rm(path, { recursive: true, force: true })
  }
}

/** Whether there is less room for a run than this. */
export async function isFull(folder: string, bytesMin: number): Promise<boolean> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize < bytesMin
}

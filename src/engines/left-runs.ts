/**
 * Ends the engines that a killed daemon left running, before anything else is done on this machine: they go on without it, and would
 * change what is looked at, applied again or put back. Their work folders are removed.
 */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { EngineName } from './engine.ts'
import { endOrphans } from './orphans.ts'

/** Who leads the processes of a run, by the name that the kernel has for it. The pretend engine starts none. */
const leaders: Readonly<Record<Exclude<EngineName, 'pretend'>, string>> = {
  cfengine: 'cf-agent',
  ansible: 'ansible-playboo',
  puppet: 'puppet',
}

/** `bundles` is the folder of all bundles of a home, whose lock the caller holds. Resolves when all of them have ended. */
export async function endLeftRuns(bundles: string): Promise<void> {
  for (const bundle of await readdir(bundles).catch(() => []))
    for (const name of await readdir(join(bundles, bundle)).catch(() => [])) {
      const leader = Object.entries(leaders).find(([engine]) => name.startsWith(`.${engine}-`))?.[1]
      if (leader === undefined) continue
      const path = join(bundles, bundle, name)
      await endOrphans(leader, `GRAPEVINE_SCRATCH=${path}`)
      await rm(path, { recursive: true, force: true })
    }
}

/** A folder for one test, and homes in it. Everything made here is removed after the test. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'

const made: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const remove of made.splice(0).toReversed()) await remove()
})

export async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'grapevine-test-'))
  made.push(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Runs after the test, before the folder is removed. */
export function atEnd(act: () => Promise<void>): void {
  made.push(act)
}

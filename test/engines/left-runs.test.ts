import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endLeftRuns } from '#engines/left-runs.ts'
import { gone } from './processes.ts'

let folder: string
const started: number[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grapevine-left-runs-'))
})
afterEach(async () => {
  for (const pid of started.splice(0)) {
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // Ended by the test.
    }
  }
  await rm(folder, { recursive: true, force: true })
})

/** A group led by a shell of this name, in this work folder. */
async function run(name: string, scratch: string): Promise<number> {
  await symlink('/bin/sh', join(folder, name)).catch(() => {})
  const child = spawn(join(folder, name), ['-c', 'sleep 60 & echo; wait; :'], {
    detached: true,
    env: { PATH: process.env['PATH'], GRAPEVINE_SCRATCH: scratch },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  started.push(child.pid ?? 0)
  return new Promise((resolve) => child.stdout.once('data', () => resolve(child.pid ?? 0)))
}

describe('at the start of a daemon', () => {
  it.each([
    ['cfengine', 'cf-agent'],
    ['ansible', 'ansible-playboo'],
    ['puppet', 'puppet'],
  ])(
    'a run of %s that was left is ended, its folder removed, and what it started as a daemon stays',
    async (engine, leader) => {
      const bundles = join(folder, 'bundles')
      const work = join(bundles, 'web', `.${engine}-1-x-abc`)
      await mkdir(work, { recursive: true })
      await mkdir(join(bundles, 'web', '1'))
      const left = await run(leader, work)
      const daemon = await run('nginx', work)
      const elsewhere = await run(leader, join(folder, 'another-home'))
      await endLeftRuns(bundles)
      expect(await gone(left)).toBe(true)
      for (const pid of [daemon, elsewhere]) expect(process.kill(pid, 0)).toBe(true)
      expect(await readdir(join(bundles, 'web'))).toEqual(['1'])
    },
  )

  it('a home without bundles has none', async () => {
    await expect(endLeftRuns(join(folder, 'none'))).resolves.toBeUndefined()
  })
})

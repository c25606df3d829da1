import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endOrphans } from '#engines/orphans.ts'
import { gone } from './processes.ts'

let folder: string
const started: number[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grapevine-orphans-test-'))
  for (const name of ['orphan', 'other']) await symlink('/bin/sh', join(folder, name))
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

/** A group of its own: a shell called `name` and what it waits for. Resolves when its words show that it runs. */
function leader(name: string, script: string, mark: string): Promise<number> {
  const child = spawn(join(folder, name), ['-c', `${script}; echo; sleep 60; :`], {
    detached: true,
    env: { PATH: process.env['PATH'], MARK: mark },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const pid = child.pid ?? 0
  started.push(pid)
  return new Promise((resolve) => child.stdout.once('data', () => resolve(pid)))
}

describe('programs of a daemon that was killed', () => {
  it('are ended with their groups, and nobody else is', async () => {
    const orphan = await leader('orphan', ':', folder)
    const otherName = await leader('other', ':', folder)
    const otherMark = await leader('orphan', ':', `${folder}/x`)
    await endOrphans('orphan', `MARK=${folder}`)
    expect(await gone(orphan)).toBe(true)
    for (const pid of [otherName, otherMark]) expect(process.kill(pid, 0)).toBe(true)
  })

  it('are ended with the sessions that they gave to their children', async () => {
    const file = join(folder, 'pid')
    const orphan = await leader(
      'orphan',
      `setsid -w sh -c 'echo $$ >${file}; sleep 60; :' & while [ ! -s ${file} ]; do sleep 0.05; done`,
      folder,
    )
    await endOrphans('orphan', `MARK=${folder}`)
    expect(await gone(orphan, Number(await readFile(file, 'utf8')))).toBe(true)
  })

  it('are ended even where they do not listen', async () => {
    const orphan = await leader('orphan', "trap '' TERM", folder)
    await endOrphans('orphan', `MARK=${folder}`)
    expect(await gone(orphan)).toBe(true)
  })
})

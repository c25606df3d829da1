/**
 * What somebody could lay in the way of an engine: links where a policy expects files and folders, and programs that hang, fork, flood or
 * die. CFEngine for the first, programs in its place for the second.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chmod, chown, lchown, lstat, mkdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CfengineEngine } from '#engines/cfengine.ts'
import { Scratch } from '../contracts/engine.ts'
import { isInstalled } from '../support/tool.ts'
import { gone } from './processes.ts'

let scratch: Scratch
beforeEach(async () => {
  scratch = await Scratch.make()
})
afterEach(() => scratch.remove())
const at = (...parts: string[]): string => join(scratch.root, ...parts)
const nobody = 65_534

describe.skipIf(!isInstalled('cf-agent'))('a link in the way of CFEngine (apt-get install cfengine3)', () => {
  const engine = new CfengineEngine()
  const outcomeOf = async (...wanted: Parameters<Scratch['compiled']>[1]): Promise<string> =>
    (await engine.apply(await scratch.compiled(engine, wanted))).map(({ outcome }) => outcome).join()
  const text = { type: 'text', text: 'ours' } as const

  beforeEach(async () => {
    await mkdir(at('etc'))
    await writeFile(at('etc', 'passwd'), 'root:x:0:0\n', { mode: 0o640 })
    await mkdir(at('srv', 'app'), { recursive: true })
  })
  const victim = async (): Promise<[string, number]> => [
    await readFile(at('etc', 'passwd'), 'utf8'),
    (await stat(at('etc', 'passwd'))).mode & 0o777,
  ]

  it('a whole file takes the place of the link, and what the link points to stays as it was', async () => {
    await symlink(at('etc', 'passwd'), at('srv', 'app', 'x'))
    expect(
      await outcomeOf({ kind: 'file', path: at('srv', 'app', 'x'), state: 'present', from: text, mode: '0666' }),
    ).toBe('repaired')
    expect((await lstat(at('srv', 'app', 'x'))).isFile()).toBe(true)
    expect(await victim()).toEqual(['root:x:0:0\n', 0o640])
  })

  it('an absent file removes the link alone', async () => {
    await symlink(at('etc', 'passwd'), at('srv', 'app', 'x'))
    expect(await outcomeOf({ kind: 'file', path: at('srv', 'app', 'x'), state: 'absent' })).toBe('repaired')
    await expect(lstat(at('srv', 'app', 'x'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await victim()).toEqual(['root:x:0:0\n', 0o640])
  })

  it.skipIf(process.getuid?.() !== 0)(
    "a folder that another user made a link is not followed to files that are not that user's (as root; apt-get install cfengine3)",
    async () => {
      await chown(at('srv', 'app'), nobody, nobody)
      await symlink(at('etc'), at('srv', 'app', 'conf'))
      await lchown(at('srv', 'app', 'conf'), nobody, nobody)
      for (const wanted of [
        { kind: 'file', path: at('srv', 'app', 'conf', 'passwd'), state: 'present', from: text } as const,
        { kind: 'line', path: at('srv', 'app', 'conf', 'passwd'), line: 'evil' } as const,
      ])
        expect(await outcomeOf(wanted)).toBe('failed')
      expect(await victim()).toEqual(['root:x:0:0\n', 0o640])
      expect(await readlink(at('srv', 'app', 'conf'))).toBe(at('etc'))
    },
  )
})

describe('a program in the place of cf-agent', () => {
  /** Whatever it does; cf-promises says yes. */
  async function engineOf(program: string): Promise<CfengineEngine> {
    const folder = join(scratch.folder, 'programs')
    await mkdir(folder)
    for (const [name, body] of [
      ['cf-promises', 'exit 0'],
      ['cf-agent', program],
    ] as const) {
      await writeFile(join(folder, name), `#!/bin/sh\n${body}\n`)
      await chmod(join(folder, name), 0o755)
    }
    return new CfengineEngine([folder])
  }
  const run = async (program: string, timeoutMs = 20_000): Promise<unknown> => {
    const engine = await engineOf(program)
    const compiled = await scratch.compiled(engine, [{ kind: 'directory', path: at('a') }])
    return engine.apply({ ...compiled, timeoutMs })
  }

  it('that hangs and does not listen is ended, and what it started as well: ENGINE_TIMEOUT', async () => {
    const program = `trap '' TERM; sh -c 'trap "" TERM; echo $$ >${join(scratch.folder, 'child')}; while :; do sleep 1; done' & while :; do sleep 1; done`
    await expect(run(program, 700)).rejects.toMatchObject({ code: 'ENGINE_TIMEOUT' })
    expect(await gone(Number(await readFile(join(scratch.folder, 'child'), 'utf8')))).toBe(true)
  }, 20_000)

  it('that forks without end is ended with all of them: ENGINE_TIMEOUT', async () => {
    const pids = join(scratch.folder, 'pids')
    const program = `for i in 1 2 3 4 5 6 7 8; do (sh -c 'echo $$ >>${pids}; sleep 60 & sleep 60 & wait') & done; wait`
    await expect(run(program, 1_000)).rejects.toMatchObject({ code: 'ENGINE_TIMEOUT' })
    for (const pid of (await readFile(pids, 'utf8')).trim().split('\\n').map(Number)) expect(await gone(pid)).toBe(true)
  }, 20_000)

  it('that floods its output costs a bounded amount of memory, and tells no result', async () => {
    const before = process.memoryUsage().rss
    let most = 0
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20)
    const result = await run('head -c 300000000 /dev/zero | tr "\\\\0" x; exit 0')
    clearInterval(watch)
    expect(most - before).toBeLessThan(120 * 2 ** 20)
    expect(result).toEqual([
      { id: '0:directory', kind: 'directory', outcome: 'failed', reason: 'no result: cf-agent does not say why' },
    ])
  }, 60_000)

  it.each(['KILL', 'SEGV', 'BUS'])('that dies of SIG%s is told by that: ENGINE_FAILED', async (signal) => {
    await expect(run(`kill -${signal} $$; sleep 5`)).rejects.toMatchObject({
      code: 'ENGINE_FAILED',
      message: expect.stringContaining(`ended by SIG${signal}`) as string,
    })
  })

  it('that writes what steers a terminal is told without it', async () => {
    await expect(run("printf ' error: \\\\033[2J\\\\033]0;owned\\\\007bad\\\\n'; exit 1")).rejects.toMatchObject({
      message: expect.not.stringMatching(/\p{Cc}/u) as string,
    })
  })
})

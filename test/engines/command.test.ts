import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { access, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { runCommand, type Command } from '#engines/command.ts'
import { gone } from './processes.ts'

const sh = (script: string, more: Partial<Command> = {}): Command => ({
  file: 'sh',
  args: ['-c', script],
  timeoutMs: 10_000,
  outputBytesMax: 1000,
  ...more,
})

describe('a command', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'grapevine-command-test-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  /** The pids that the script wrote, once it wrote them all. */
  const pidsIn = async (file: string, count: number): Promise<number[]> => {
    for (let turn = 0; turn < 200; turn += 1) {
      const text = await readFile(file, 'utf8').catch(() => '')
      const pids = text.split('\n').filter(Boolean).map(Number)
      if (pids.length >= count) return pids
      await wait(20)
    }
    throw new Error('the script did not begin')
  }
  const tree = (file: string): string =>
    `trap '' TERM; echo $$ >>${file}; (trap '' TERM; sh -c 'echo $$ >>${file}; sleep 60'; sleep 60) & sleep 60; sleep 60`

  it('gives its exit code and both its outputs', async () => {
    expect(await runCommand(sh('echo out; echo err >&2; exit 3'))).toEqual({
      exitCode: 3,
      output: 'out\nerr\n',
      killedBy: undefined,
      timedOut: false,
      cancelled: false,
      missing: false,
    })
  })

  it('that a signal ended is told by that signal, and has no exit code', async () => {
    expect(await runCommand(sh('kill -BUS $$'))).toMatchObject({ exitCode: undefined, killedBy: 'SIGBUS' })
  })

  it('sees a clean environment and nothing on stdin', async () => {
    process.env['LEAKED_SECRET'] = 'x'
    const { output } = await runCommand(sh('env; wc -c', { env: { GIVEN: 'yes' } }))
    delete process.env['LEAKED_SECRET']
    expect(output).not.toContain('LEAKED')
    expect(output).toContain('GIVEN=yes')
    expect(output).toContain('LANG=C.UTF-8')
    expect(output.trimEnd().endsWith('0')).toBe(true)
  })

  it('that is not there is told as missing', async () => {
    expect(await runCommand(sh('', { file: 'grapevine-no-such-program' }))).toMatchObject({ missing: true })
  })

  it('that says too much keeps the beginning and the end of it', async () => {
    const { output, exitCode } = await runCommand(sh('echo first; yes middle | head -c 3000000; echo last'))
    expect(exitCode).toBe(0)
    expect(output.length).toBeLessThan(2100)
    expect(output.startsWith('first\n')).toBe(true)
    expect(output.endsWith('last\n')).toBe(true)
    expect(output).toMatch(/\[\d+ bytes left out\]/)
  })

  it('that takes too long is ended with all its descendants, even those that ignore SIGTERM', async () => {
    const file = join(folder, 'pids')
    const result = await runCommand(sh(tree(file), { timeoutMs: 400 }))
    expect(result).toMatchObject({ timedOut: true, cancelled: false })
    expect(await gone(...(await pidsIn(file, 2)))).toBe(true)
  })

  it('is ended with all its descendants at the signal of the caller', async () => {
    const file = join(folder, 'pids')
    const controller = new AbortController()
    const running = runCommand(sh(tree(file), { signal: controller.signal }))
    const pids = await pidsIn(file, 2)
    controller.abort()
    expect(await running).toMatchObject({ timedOut: false, cancelled: true })
    expect(await gone(...pids)).toBe(true)
  })

  it('that gave its children sessions of their own takes them along, and leaves what left the tree', async () => {
    const file = join(folder, 'pids')
    const left = `(setsid sh -c 'echo $$ >>${file}; exec sleep 60' >/dev/null 2>&1 &)`
    const own = `setsid -w sh -c 'trap "" TERM; echo $$ >>${file}; sleep 60; sleep 60'`
    const result = await runCommand(
      sh(`${left}; while [ ! -s ${file} ]; do sleep 0.05; done; ${own}`, { timeoutMs: 700 }),
    )
    expect(result).toMatchObject({ timedOut: true })
    const [daemon = 0, child = 0] = await pidsIn(file, 2)
    expect(await gone(child)).toBe(true)
    expect(process.kill(-daemon, 'SIGKILL')).toBe(true)
  })

  it('is not begun where the signal came before', async () => {
    const result = await runCommand(sh(`touch ${folder}/ran`, { signal: AbortSignal.abort() }))
    expect(result.cancelled).toBe(true)
    await expect(access(join(folder, 'ran'))).rejects.toThrow('ENOENT')
  })
})

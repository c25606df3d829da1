import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readFile, readdir, lstat, rm, statfs, writeFile, mkdir, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { CfengineEngine } from '#engines/cfengine.ts'
import { gone } from './processes.ts'
import { Scratch, engineContract, policyOf } from '../contracts/engine.ts'

const installed = (await new CfengineEngine().version()) !== undefined

describe.skipIf(!installed)('CFEngine (needs cf-agent: apt-get install cfengine3)', () => {
  engineContract(
    () => new CfengineEngine(),
    (root, path) => join(root, path),
  )

  const engine = new CfengineEngine()
  let scratch: Scratch
  beforeEach(async () => {
    scratch = await Scratch.make()
  })
  afterEach(() => scratch.remove())
  const at = (name: string): string => join(scratch.root, name)
  /** What runs left behind beside the bundle. */
  const leftovers = async (): Promise<string[]> =>
    (await readdir(dirname(scratch.bundle))).filter((name) => name !== '1')

  it('finishes the resource that runs when the window closes, and begins no other', async () => {
    const run = await scratch.compiled(engine, [
      { kind: 'command', run: `touch '${at('begun')}'; sleep 1; touch '${at('ended')}'` },
      { kind: 'command', run: `touch '${at('never')}'` },
      { kind: 'file', path: at('never-too'), state: 'present', from: { type: 'text', text: 'x' } },
    ])
    const closing = new AbortController()
    const results = engine.apply({ ...run, closing: closing.signal })
    while (!(await readdir(scratch.root)).includes('begun')) await wait(20)
    closing.abort()
    expect((await results).map(({ outcome }) => outcome)).toEqual(['repaired', 'skipped', 'skipped'])
    expect(await readdir(scratch.root)).toEqual(['begun', 'ended'])
  })

  describe('commands', () => {
    it('run unless their guard holds, and tell why they did not', async () => {
      const run = await scratch.compiled(engine, [
        { kind: 'command', run: `echo "it's" >'${at('made')}'`, unless: `test -e '${at('made')}'` },
        { kind: 'command', run: `echo x >>'${at('often')}'`, onlyIf: `test -e '${at('made')}'` },
        { kind: 'command', run: `touch '${at('never')}'`, onlyIf: 'false' },
      ])
      expect(await engine.apply(run)).toEqual([
        { id: '0:command', kind: 'command', outcome: 'repaired' },
        { id: '1:command', kind: 'command', outcome: 'repaired' },
        { id: '2:command', kind: 'command', outcome: 'skipped', reason: 'onlyIf does not hold' },
      ])
      expect((await engine.apply(run)).map(({ outcome }) => outcome)).toEqual(['kept', 'repaired', 'skipped'])
      expect(await scratch.state()).toEqual(["made 644 it's\n", 'often 644 x\nx\n'])
    })

    it('that fail are told with exit code and last words, and the rest goes on', async () => {
      const run = await scratch.compiled(engine, [
        { kind: 'command', run: 'echo "R: GRAPEVINE 0 kept"; echo no such luck >&2; exit 3' },
        { kind: 'command', run: '$(touch owned) "; unbalanced \'' },
        { kind: 'directory', path: at('after') },
      ])
      const results = await engine.apply(run)
      expect(results.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'repaired'])
      expect(results[0]?.reason).toBe('exit code 3: R: GRAPEVINE 0 kept | no such luck')
      expect(results[1]?.reason).toMatch(/^exit code 2: /)
    })

    it('are not run by an observation: a guard that does not hold is drift, no guard tells nothing', async () => {
      const run = await scratch.compiled(engine, [
        { kind: 'command', run: `touch '${at('a')}'`, unless: `test -e '${at('a')}'` },
        { kind: 'command', run: `touch '${at('b')}'` },
        { kind: 'command', run: `touch '${at('c')}'`, onlyIf: 'false' },
      ])
      expect(await engine.observe(run, 5)).toEqual([
        {
          bundle: 'sample',
          resource: '0:command',
          wanted: `success of test -e '${at('a')}'`,
          seen: 'unless does not hold',
          since: 5,
        },
      ])
      expect(await scratch.state()).toEqual([])
    })

    it('that leave a daemon behind do not hold the run up, and the daemon stays', async () => {
      const run = await scratch.compiled(engine, [{ kind: 'command', run: `sleep 30 & echo $! >'${at('pid')}'` }])
      const begin = performance.now()
      expect((await engine.apply(run)).map(({ outcome }) => outcome)).toEqual(['repaired'])
      expect(performance.now() - begin).toBeLessThan(5000)
      expect(process.kill(Number(await readFile(at('pid'), 'utf8')))).toBe(true)
    })

    it('that wait too long are ended with all their processes: ENGINE_TIMEOUT', async () => {
      const run = await scratch.compiled(engine, [
        { kind: 'command', run: `echo $$ >'${at('pid')}'; sleep 60; sleep 60` },
      ])
      await expect(engine.apply({ ...run, timeoutMs: 1500 })).rejects.toMatchObject({ code: 'ENGINE_TIMEOUT' })
      expect(await gone(Number(await readFile(at('pid'), 'utf8')))).toBe(true)
      expect(await leftovers()).toEqual([])
    })

    it('end when the caller stops the run: ENGINE_STOPPED', async () => {
      const run = await scratch.compiled(engine, [
        { kind: 'command', run: `echo $$ >'${at('pid')}'; sleep 60; sleep 60` },
      ])
      const controller = new AbortController()
      const stopWhenBegun = async (): Promise<void> => {
        while ((await readFile(at('pid'), 'utf8').catch(() => '')) === '') await wait(20)
        controller.abort()
      }
      const running = engine.apply({ ...run, signal: controller.signal })
      const [outcome] = await Promise.allSettled([running, stopWhenBegun()])
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ENGINE_STOPPED' } })
      expect(await gone(Number(await readFile(at('pid'), 'utf8')))).toBe(true)
    })
  })

  describe.skipIf(process.getuid?.() !== 0)('a full disk (run as root, with: apt-get install mount)', () => {
    let beside: string
    beforeEach(() => {
      beside = dirname(scratch.bundle)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', beside])
    })
    afterEach(() => execFileSync('umount', ['-l', beside]))
    const fill = async (leaving: number): Promise<void> => {
      const { bavail, bsize } = await statfs(beside)
      await writeFile(join(beside, 'filler'), new Uint8Array((bavail - leaving) * bsize))
    }

    // Seen with CFEngine 3.21: killed by SIGBUS; "No space left"; an LMDB file that is none; not a word.
    it.each([0, 1, 2, 4])('is named, whatever becomes of cf-agent on it: %s pages left', async (leaving) => {
      const run = await scratch.compiled(engine, [{ kind: 'directory', path: at('made') }])
      await fill(leaving)
      const told = { code: 'ENGINE_FAILED', message: expect.stringMatching(/^The disk is full: /) as string }
      await expect(engine.apply(run)).rejects.toMatchObject(told)
      await rm(join(beside, 'filler'))
      expect(await engine.apply(run)).toMatchObject([{ outcome: expect.stringMatching(/kept|repaired/) as string }])
    })

    it('is named by the check before it, too', async () => {
      const run = await scratch.compiled(engine, [{ kind: 'directory', path: at('made') }])
      await fill(0)
      await expect(engine.check(run)).rejects.toMatchObject({
        code: 'ENGINE_FAILED',
        message: expect.stringContaining('The disk is full') as string,
      })
    })

    it('does not hide a fault of the policy', async () => {
      const run = await scratch.compiled(engine, [{ kind: 'directory', path: at('made') }])
      await writeFile(join(run.directory, 'policy.cf'), 'bundle agent main { nonsense }')
      await fill(8)
      await expect(engine.check(run)).rejects.toMatchObject({ code: 'ENGINE_SYNTAX' })
    })
  })

  describe('other resources', () => {
    it('start a process that must run, find it the next time, and end one that must not', async () => {
      const name = `grapevine-test-${process.pid}`
      const match = `^sh -c : ${name}; while`
      const run = await scratch.compiled(engine, [
        { kind: 'process', match, state: 'running', start: `exec sh -c ': ${name}; while sleep 0.1; do :; done'` },
      ])
      expect(await engine.observe(run, 1)).toMatchObject([{ wanted: 'running', seen: 'not running' }])
      expect(await engine.apply(run)).toMatchObject([{ outcome: 'repaired' }])
      expect(await engine.apply(run)).toMatchObject([{ outcome: 'kept' }])
      const end = await scratch.compiled(engine, [{ kind: 'process', match: name, state: 'absent' }])
      const [finding] = await engine.observe(end, 1)
      expect(finding?.seen).toMatch(/^running as \d+$/)
      expect(await engine.apply(end)).toMatchObject([{ outcome: 'repaired' }])
      expect(await engine.apply(end)).toMatchObject([{ outcome: 'kept' }])
    })

    it('never end the agent itself, or those that started it', async () => {
      const run = await scratch.compiled(engine, [{ kind: 'process', match: 'cf-agent.*policy\\.cf', state: 'absent' }])
      expect(await engine.apply(run)).toMatchObject([{ outcome: 'kept' }])
    })

    it('run in the order of the policy', async () => {
      const run = await scratch.compiled(engine, [
        { kind: 'command', run: `mkdir '${at('d')}' && echo k=2 >'${at('d/f')}'`, unless: `test -e '${at('d')}'` },
        { kind: 'line', path: at('d/f'), line: 'k=1', match: '^k=' },
        { kind: 'command', run: `cp '${at('d/f')}' '${at('copy')}'`, unless: `test -e '${at('copy')}'` },
        { kind: 'file', path: at('d/f'), state: 'absent' },
      ])
      expect((await engine.apply(run)).map(({ outcome }) => outcome)).toEqual(run.resources.map(() => 'repaired'))
      expect(await scratch.state()).toEqual(['copy 644 k=1\n', 'd 755 /'])
    })

    it('with an owner that does not exist fail, and say it', async () => {
      const run = await scratch.compiled(engine, [
        { kind: 'file', path: at('f'), state: 'present', from: { type: 'text', text: 'x' }, owner: 'grapevine-nobody' },
      ])
      const [result] = await engine.apply(run)
      expect(result?.outcome).toBe('failed')
      expect(result?.reason).toMatch(/owners/)
    })

    it('count in hundreds', async () => {
      const run = await scratch.compiled(
        engine,
        Array.from({ length: 300 }, (_, index) => ({
          kind: 'file' as const,
          path: at(`f${index}`),
          state: 'present' as const,
          from: { type: 'text' as const, text: String(index) },
        })),
      )
      expect(new Set((await engine.apply(run)).map(({ outcome }) => outcome))).toEqual(new Set(['repaired']))
      expect(await scratch.state()).toHaveLength(300)
    })
  })

  describe("CFEngine's own policy", () => {
    const raw = policyOf({ engine: 'cfengine', raw: { engine: 'cfengine', entry: 'files/main.cf' } })
    const withEntry = async (text: string): Promise<Awaited<ReturnType<Scratch['compiled']>>> => {
      await mkdir(join(scratch.bundle, 'files'), { recursive: true })
      await writeFile(join(scratch.bundle, 'files', 'main.cf'), text, { mode: 0o444 })
      return scratch.compiled(engine, [], raw)
    }
    const made = (): string => `bundle agent __main__ {\nfiles:\n "${at('raw')}" create => "true";\n}\n`

    it('is run as it is, and its outcome is one result', async () => {
      const run = await withEntry(made())
      await engine.check(run)
      const [finding] = await engine.observe(run, 1)
      expect(finding).toMatchObject({ resource: '0:raw:files/main.cf', wanted: 'every promise kept' })
      expect(await scratch.state()).toEqual([])
      const result = { id: '0:raw:files/main.cf', kind: 'raw' }
      expect(await engine.apply(run)).toEqual([{ ...result, outcome: 'repaired' }])
      expect(await engine.apply(run)).toEqual([{ ...result, outcome: 'kept' }])
    })

    it('that is faulty is refused with the place, and never becomes the failsafe policy', async () => {
      const run = await withEntry(made().replace('create', 'craete'))
      await expect(engine.check(run)).rejects.toMatchObject({
        code: 'ENGINE_SYNTAX',
        message: expect.stringContaining('main.cf:3'),
      })
      await expect(engine.apply(run)).rejects.toMatchObject({ code: 'ENGINE_FAILED' })
      expect(await leftovers()).toEqual([])
    })

    it('is checked without running the programs that its functions name', async () => {
      const run = await withEntry(
        `bundle agent __main__ {\nvars:\n "x" string => execresult("/usr/bin/touch '${at('ran')}'", "useshell");\n}\n`,
      )
      await engine.check(run)
      expect(await scratch.state()).toEqual([])
    })

    it('that fails tells why', async () => {
      const run = await withEntry(`bundle agent __main__ {\ncommands:\n "/bin/false";\n}\n`)
      const [result] = await engine.apply(run)
      expect(result?.outcome).toBe('failed')
      expect(result?.reason).toMatch(/\w/)
    })
  })

  it("leaves no trace in CFEngine's own folder, and none of its own", async () => {
    const folder = '/var/lib/cfengine3'
    const traces = async (): Promise<string[]> => {
      const found: string[] = []
      for (const part of ['.', 'inputs', 'state', 'outputs', 'reports'])
        for (const name of await readdir(join(folder, part)).catch(() => []))
          found.push(`${part}/${name} ${(await lstat(join(folder, part, name))).mtimeMs}`)
      return found
    }
    const before = await traces()
    const run = await scratch.compiled(engine, [{ kind: 'directory', path: at('d') }])
    await engine.check(run)
    await engine.apply(run)
    await engine.observe(run, 1)
    expect(await traces()).toEqual(before)
    expect(await leftovers()).toEqual([])
  })

  it('clears away what a run left behind whose daemon was killed', async () => {
    await mkdir(join(dirname(scratch.bundle), '.cfengine-1-dead', 'state'), { recursive: true })
    await engine.check(await scratch.compiled(engine, [{ kind: 'directory', path: at('d') }]))
    expect(await leftovers()).toEqual([])
  })

  it('ends a cf-agent that a killed daemon left running before it begins', async () => {
    const stale = join(dirname(scratch.bundle), '.cfengine-1-dead')
    await mkdir(stale)
    await symlink('/bin/sleep', at('cf-agent'))
    const left = spawn(at('cf-agent'), ['60'], { detached: true, env: { CFENGINE_TEST_OVERRIDE_WORKDIR: stale } })
    await once(left, 'spawn')
    await engine.apply(await scratch.compiled(engine, [{ kind: 'directory', path: at('d') }]))
    expect(await gone(left.pid ?? 0)).toBe(true)
    expect(await leftovers()).toEqual([])
  })

  it('begins nothing below a path that CFEngine would give to a shell', async () => {
    const bundle = join(scratch.folder, 'a $(touch owned)', '1')
    await cp(scratch.bundle, bundle, { recursive: true })
    const run = await scratch.compiled(engine, [{ kind: 'directory', path: at('d') }])
    await expect(engine.check({ ...run, bundle })).rejects.toMatchObject({ code: 'ENGINE_FAILED' })
    await expect(engine.apply({ ...run, bundle })).rejects.toMatchObject({ code: 'ENGINE_FAILED' })
    expect(await readdir(dirname(bundle))).toEqual(['1'])
  })

  it('runs side by side for members on one machine', async () => {
    const run = await scratch.compiled(engine, [
      { kind: 'command', run: `sleep 0.5; echo x >>'${at('f')}'` },
      { kind: 'directory', path: at('d') },
    ])
    const results = await Promise.all([engine.apply(run), engine.apply(run), engine.apply(run)])
    expect(results.flat().filter(({ outcome }) => outcome === 'failed')).toEqual([])
    expect(await readFile(at('f'), 'utf8')).toBe('x\nx\nx\n')
  })
})

describe('CFEngine where it is not installed', () => {
  it('has no version, and its runs are unavailable: ENGINE_MISSING', async () => {
    const scratch = await Scratch.make()
    const engine = new CfengineEngine([scratch.root])
    const run = await scratch.compiled(engine, [])
    expect(await engine.version()).toBeUndefined()
    for (const act of [() => engine.check(run), () => engine.apply(run), () => engine.observe(run, 1)])
      await expect(act()).rejects.toMatchObject({ code: 'ENGINE_MISSING', exitCode: 3 })
    await scratch.remove()
  })
})

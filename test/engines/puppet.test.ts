import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstat, mkdir, readFile, readdir, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { PuppetEngine } from '#engines/puppet.ts'
import { gone } from './processes.ts'
import { Scratch, engineContract, type Wanted } from '../contracts/engine.ts'

// A run of Puppet takes seconds, and many times that on a machine that has other things to do.
vi.setConfig({ testTimeout: 240_000 })

const installed = (await new PuppetEngine().version()) !== undefined

describe.skipIf(!installed)('Puppet (needs puppet: apt-get install puppet-agent)', () => {
  engineContract(
    () => new PuppetEngine(),
    (root, path) => join(root, path),
  )

  const engine = new PuppetEngine()
  let scratch: Scratch
  beforeEach(async () => {
    scratch = await Scratch.make()
  })
  afterEach(() => scratch.remove())
  const at = (name: string): string => join(scratch.root, name)
  const file = (name: string, more: Partial<Extract<Wanted, { kind: 'file' }>> = {}): Wanted => ({
    kind: 'file',
    path: at(name),
    state: 'present',
    from: { type: 'text', text: 'x' },
    ...more,
  })
  /** What runs left behind beside the bundle. */
  const leftovers = async (): Promise<string[]> =>
    (await readdir(dirname(scratch.bundle))).filter((name) => name !== '1')

  describe('commands', () => {
    it('that fail are told with exit code and last words, and the rest goes on; those without a guard are not observed', async () => {
      const run = await scratch.compiled(engine, [
        { kind: 'command', run: 'echo "failed: x"; echo no such luck >&2; exit 3' },
        { kind: 'command', run: '$(touch owned) "; unbalanced \'' },
        { kind: 'command', run: 'exit 127', unless: 'exit 127' },
        { kind: 'command', run: `env >'${at('env')}'; sleep 30 & echo $! >'${at('pid')}'` },
        { kind: 'command', run: `echo x >>'${at('often')}'`, onlyIf: `echo y >>'${at('asked')}'` },
        file('f', { owner: 'grapevine-nobody' }),
      ])
      expect((await engine.observe(run, 1)).map(({ resource, seen }) => [resource, seen])).toEqual([
        ['2:command', 'unless does not hold'],
        ['4:command', 'onlyIf holds'],
        ['5:file', 'missing'],
      ])
      expect(await scratch.state()).toEqual(['asked 644 y\n'])
      const results = await engine.apply(run)
      expect(results.map(({ outcome }) => outcome)).toEqual([
        'failed',
        'failed',
        'failed',
        'repaired',
        'repaired',
        'failed',
      ])
      expect(results.map(({ reason }) => reason)).toEqual([
        'exit code 3: no such luck',
        expect.stringMatching(/^exit code 2: /),
        'exit code 127',
        undefined,
        undefined,
        'Could not find user grapevine-nobody',
      ])
      // A daemon that a command leaves behind stays. A guard is asked once a run.
      expect(process.kill(Number(await readFile(at('pid'), 'utf8')))).toBe(true)
      expect(await readFile(at('asked'), 'utf8')).toBe('y\ny\n')
      expect(await readFile(at('env'), 'utf8')).toMatch(new RegExp(`^HOME=${process.env['HOME'] ?? ''}$`, 'm'))
    })

    it('that wait too long are ended with all their processes: ENGINE_TIMEOUT', async () => {
      const run = await scratch.compiled(engine, [
        { kind: 'command', run: `echo $$ >'${at('pid')}'; sleep 60; sleep 60` },
      ])
      await expect(engine.apply({ ...run, timeoutMs: 15_000 })).rejects.toMatchObject({ code: 'ENGINE_TIMEOUT' })
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
      const [outcome] = await Promise.allSettled([engine.apply({ ...run, signal: controller.signal }), stopWhenBegun()])
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ENGINE_STOPPED' } })
      expect(await gone(Number(await readFile(at('pid'), 'utf8')))).toBe(true)
    })
  })

  it("leaves no trace in Puppet's own folders or those of its user, and none of its own", async () => {
    const home = join(scratch.folder, 'home')
    await mkdir(home)
    const traces = async (): Promise<string[]> => {
      const found: string[] = []
      for (const folder of ['/etc/puppet', '/var/cache/puppet', '/var/lib/puppet', '/var/log/puppet', '/run/puppet'])
        for (const name of ['', ...(await readdir(folder, { recursive: true }).catch(() => []))]) {
          const there = await lstat(join(folder, name)).catch(() => undefined)
          if (there) found.push(`${folder}/${name} ${there.mtimeMs}`)
        }
      return found
    }
    const before = await traces()
    vi.stubEnv('HOME', home)
    try {
      const own = new PuppetEngine()
      expect(await own.version()).toMatch(/^\d+\.\d+\.\d+$/)
      const run = await scratch.compiled(own, [{ kind: 'directory', path: at('d') }])
      await own.check(run)
      expect(await own.apply(run)).toMatchObject([{ outcome: 'repaired' }])
      expect(await readdir(home)).toEqual([])
      expect(await traces()).toEqual(before)
      expect(await leftovers()).toEqual([])
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it('ends a puppet that a killed daemon left running before it begins, and clears away its folder', async () => {
    const stale = join(dirname(scratch.bundle), '.puppet-1-dead')
    await mkdir(join(stale, 'var/state'), { recursive: true })
    const left = spawn('puppet', ['apply', '--confdir', stale, '--vardir', stale, '-e', `exec { '/bin/sleep 60': }`], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env['PATH'], GRAPEVINE_SCRATCH: stale, LANG: 'C.UTF-8' },
    })
    await once(left.stdout, 'data')
    await engine.check(await scratch.compiled(engine, []))
    expect(await gone(left.pid ?? 0)).toBe(true)
    expect(await leftovers()).toEqual([])
  })

  it('begins nothing below a path that Puppet would find variables or other folders in', async () => {
    const run = await scratch.compiled(engine, [{ kind: 'directory', path: at('d') }])
    for (const name of ['a $vardir', 'a:b']) {
      const bundle = join(scratch.folder, name, '1')
      for (const act of [() => engine.check({ ...run, bundle }), () => engine.apply({ ...run, bundle })])
        await expect(act()).rejects.toMatchObject({ code: 'ENGINE_FAILED' })
    }
  })

  describe.skipIf(process.getuid?.() !== 0)('a full disk (run as root, with: apt-get install mount)', () => {
    let beside: string
    beforeEach(() => {
      beside = dirname(scratch.bundle)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', beside])
    })
    afterEach(() => execFileSync('umount', ['-l', beside]))

    it.each([0, 4])('is named, whatever becomes of puppet on it: %s pages left', async (leaving) => {
      const run = await scratch.compiled(engine, [{ kind: 'directory', path: at('made') }])
      const { bavail, bsize } = await statfs(beside)
      await writeFile(join(beside, 'filler'), new Uint8Array((bavail - leaving) * bsize))
      const told = { code: 'ENGINE_FAILED', message: expect.stringMatching(/^The disk is full: /) as string }
      await expect(engine.apply(run)).rejects.toMatchObject(told)
      expect(await leftovers()).toEqual(['filler'])
    })
  })
})

describe('Puppet where it is not installed', () => {
  it('has no version, and its runs are unavailable: ENGINE_MISSING', async () => {
    const scratch = await Scratch.make()
    const engine = new PuppetEngine([scratch.root])
    const run = await scratch.compiled(engine, [])
    expect(await engine.version()).toBeUndefined()
    for (const act of [() => engine.check(run), () => engine.apply(run), () => engine.observe(run, 1)])
      await expect(act()).rejects.toMatchObject({ code: 'ENGINE_MISSING', exitCode: 3 })
    await scratch.remove()
  })
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, readdir, rm, statfs, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { AnsibleEngine } from '#engines/ansible.ts'
import { gone } from './processes.ts'
import { Scratch, engineContract, type Wanted } from '../contracts/engine.ts'

// A run of Ansible takes seconds, and many times that on a machine that has other things to do.
vi.setConfig({ testTimeout: 240_000 })

const installed = (await new AnsibleEngine().version()) !== undefined

describe.skipIf(!installed)('Ansible (needs ansible-playbook: apt-get install ansible-core)', () => {
  engineContract(
    () => new AnsibleEngine(),
    (root, path) => join(root, path),
  )

  const engine = new AnsibleEngine()
  let scratch: Scratch
  beforeEach(async () => {
    scratch = await Scratch.make()
  })
  afterEach(() => scratch.remove())
  const at = (name: string): string => join(scratch.root, name)
  /** What runs left behind beside the bundle. */
  const leftovers = async (): Promise<string[]> =>
    (await readdir(dirname(scratch.bundle))).filter((name) => name !== '1')

  it('finishes the resource that runs when the window closes, all its tasks, and begins no other', async () => {
    const run = await scratch.compiled(engine, [
      { kind: 'command', run: `touch '${at('begun')}'; sleep 3; touch '${at('ended')}'` },
      { kind: 'command', run: `touch '${at('never')}'` },
      { kind: 'file', path: at('never-too/x'), state: 'present', from: { type: 'text', text: 'x' } },
    ])
    const closing = new AbortController()
    const results = engine.apply({ ...run, closing: closing.signal })
    while (!(await readdir(scratch.root)).includes('begun')) await wait(20)
    closing.abort()
    expect((await results).map(({ outcome }) => outcome)).toEqual(['repaired', 'skipped', 'skipped'])
    expect(await readdir(scratch.root)).toEqual(['begun', 'ended'])
  })

  describe('commands', () => {
    it('that fail are told with exit code and last words, and the rest goes on; those without a guard are not observed', async () => {
      const run = await scratch.compiled(engine, [
        { kind: 'command', run: 'echo "3 program"; echo no such luck >&2; exit 3' },
        { kind: 'command', run: '$(touch owned) "; unbalanced \' {{ x' },
        { kind: 'command', run: `env >'${at('env')}'; sleep 30 & echo $! >'${at('pid')}'` },
        {
          kind: 'file',
          path: at('f'),
          state: 'present',
          from: { type: 'text', text: 'x' },
          owner: 'grapevine-nobody',
        },
      ])
      expect((await engine.observe(run, 1)).map(({ resource }) => resource)).toEqual(['3:file'])
      expect(await scratch.state()).toEqual([])
      const begin = performance.now()
      const results = await engine.apply(run)
      // A daemon that a command leaves behind does not hold the run up.
      expect(performance.now() - begin).toBeLessThan(20_000)
      expect(process.kill(Number(await readFile(at('pid'), 'utf8')))).toBe(true)
      expect(results.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'repaired', 'failed'])
      expect(results[0]?.reason).toBe('exit code 3: 3 program | no such luck')
      expect(results[1]?.reason).toMatch(/^exit code 2: /)
      expect(results[3]?.reason).toMatch(/grapevine-nobody/)
      expect(await readFile(at('env'), 'utf8')).not.toMatch(/ANSIBLE_CONFIG/)
    })

    it('that wait too long are ended with all their processes: ENGINE_TIMEOUT', async () => {
      const run = await scratch.compiled(engine, [
        { kind: 'command', run: `echo $$ >'${at('pid')}'; sleep 60; sleep 60` },
      ])
      await expect(engine.apply({ ...run, timeoutMs: 4000 })).rejects.toMatchObject({ code: 'ENGINE_TIMEOUT' })
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
    const full = { code: 'ENGINE_FAILED', message: expect.stringMatching(/^The disk is full: /) as string }

    it('is named: by the error where there is no room for results, else as the reason of what failed', async () => {
      const run = await scratch.compiled(engine, [{ kind: 'directory', path: at('made') }])
      await fill(0)
      await expect(engine.check(run)).rejects.toMatchObject(full)
      await expect(engine.apply(run)).rejects.toMatchObject(full)
      await rm(join(beside, 'filler'))
      await fill(4)
      expect(await engine.apply(run)).toMatchObject([
        { outcome: 'failed', reason: expect.stringContaining('No space left on device') as string },
      ])
      await writeFile(join(run.directory, 'playbook.yml'), 'nonsense: [')
      await expect(engine.check(run)).rejects.toMatchObject({ code: 'ENGINE_SYNTAX' })
      expect((await leftovers()).filter((name) => name !== 'filler')).toEqual([])
    })
  })

  it('takes no path or text for its own language: neither Jinja, nor variables of modules, nor YAML', async () => {
    const names = ['{{ 7*7 }}', '$home $x $', '~ - @x: #y', '%s%%', '\'"`\\', 'é\u2028\ud83d\ude00']
    await writeFile(join(scratch.bundle, '$x {{ x }}'), '{{ 7*7 }}')
    const run = await scratch.compiled(engine, [
      ...names.map((name): Wanted => ({ kind: 'directory', path: at(name), mode: '0700' })),
      {
        kind: 'file',
        path: at('{{ 7*7 }}/$x/f'),
        state: 'present',
        from: { type: 'copy', path: join(scratch.bundle, '$x {{ x }}') },
        mode: '0600',
      },
      { kind: 'line', path: at('$HOME {{ l'), line: '{{ 7*7 }} $HOME' },
    ])
    expect((await engine.apply(run)).filter(({ outcome }) => outcome !== 'repaired')).toEqual([])
    const state = [
      ...names.map((name) => `${name} 700 /`),
      '{{ 7*7 }}/$x 755 /',
      '{{ 7*7 }}/$x/f 600 {{ 7*7 }}',
      '$HOME {{ l 644 {{ 7*7 }} $HOME\n',
    ]
    expect((await scratch.state()).sort()).toEqual(state.sort())
    expect(await engine.observe(run, 1)).toEqual([])
  })

  it('replaces a link by the file, also one to a directory, and tells other content from another mode', async () => {
    await mkdir(at('d'))
    await writeFile(at('real'), 'r')
    await symlink('d', at('to-d'))
    await symlink('real', at('to-real'))
    await writeFile(at('both'), 'y', { mode: 0o644 })
    const file = (name: string): Wanted => ({
      kind: 'file',
      path: at(name),
      state: 'present',
      from: { type: 'text', text: 'x' },
      mode: '0600',
    })
    const run = await scratch.compiled(engine, ['to-d', 'to-real', 'both', 'd/new'].map(file))
    expect((await engine.observe(run, 1)).map(({ seen }) => seen)).toEqual([
      'other content',
      'other content',
      'mode 0644, other content',
      'missing',
    ])
    await engine.apply(run)
    expect(await scratch.state()).toEqual([
      'both 600 x',
      'd 755 /',
      'd/new 600 x',
      'real 644 r',
      'to-d 600 x',
      'to-real 600 x',
    ])
  })

  it('leaves no trace in the home of its user, and none of its own; what others left there is not heeded', async () => {
    const home = join(scratch.folder, 'home')
    await mkdir(home)
    await writeFile(join(home, '.ansible.cfg'), '[defaults]\ninventory = /nowhere\nstdout_callback = none\n')
    vi.stubEnv('HOME', home)
    try {
      const own = new AnsibleEngine()
      expect(await own.version()).toMatch(/^2\./)
      const run = await scratch.compiled(own, [{ kind: 'directory', path: at('d') }])
      await own.check(run)
      expect(await own.apply(run)).toMatchObject([{ outcome: 'repaired' }])
      expect(await readdir(home)).toEqual(['.ansible.cfg'])
      expect(await leftovers()).toEqual([])
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it('ends an ansible-playbook that a killed daemon left running before it begins, and clears away its folder', async () => {
    const stale = join(dirname(scratch.bundle), '.ansible-1-dead')
    await mkdir(join(stale, 'callbacks'), { recursive: true })
    await symlink('/bin/sleep', at('ansible-playbook'))
    const left = spawn(at('ansible-playbook'), ['60'], { detached: true, env: { GRAPEVINE_SCRATCH: stale } })
    await once(left, 'spawn')
    await engine.check(await scratch.compiled(engine, []))
    expect(await gone(left.pid ?? 0)).toBe(true)
    expect(await leftovers()).toEqual([])
  })

  it('begins nothing below a path that Ansible would give to a shell or a template', async () => {
    const run = await scratch.compiled(engine, [{ kind: 'directory', path: at('d') }])
    for (const name of ['a $(touch owned)', '{{ x }}', 'a  b', '100%']) {
      const bundle = join(scratch.folder, name, '1')
      for (const act of [() => engine.check({ ...run, bundle }), () => engine.apply({ ...run, bundle })])
        await expect(act()).rejects.toMatchObject({ code: 'ENGINE_FAILED' })
    }
  })
})

describe('Ansible where it is not installed', () => {
  it('has no version, and its runs are unavailable: ENGINE_MISSING', async () => {
    const scratch = await Scratch.make()
    const engine = new AnsibleEngine([scratch.root])
    const run = await scratch.compiled(engine, [])
    expect(await engine.version()).toBeUndefined()
    for (const act of [() => engine.check(run), () => engine.apply(run), () => engine.observe(run, 1)])
      await expect(act()).rejects.toMatchObject({ code: 'ENGINE_MISSING', exitCode: 3 })
    await scratch.remove()
  })
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstat, mkdir, readFile, readdir, statfs, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { PuppetEngine } from '#engines/puppet.ts'
import { everyKindSuite } from './every-kind.ts'
import { gone } from './processes.ts'
import { Scratch, engineContract, policyOf, type Wanted } from '../contracts/engine.ts'

const installed = (await new PuppetEngine().version()) !== undefined

describe.skipIf(!installed)('Puppet (needs puppet: apt-get install puppet-agent)', () => {
  engineContract(
    () => new PuppetEngine(),
    (root, path) => join(root, path),
  )
  everyKindSuite((programs) => new PuppetEngine(programs), 'puppet')

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
      await expect(engine.apply({ ...run, timeoutMs: 10_000 })).rejects.toMatchObject({ code: 'ENGINE_TIMEOUT' })
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

  it('takes no path, name or text for its own language: neither variables, nor escapes, nor URLs', async () => {
    const names = [
      '${facts}',
      '$files $',
      "\\' => 'x', \\\\",
      '"#{1}"',
      '%20 %s',
      'Exec[a] <| |>',
      'é\u2028\ud83d\ude00',
      '~ -x',
    ]
    await writeFile(join(scratch.bundle, '${files} %41 \'"\\#é'), '${files} <%= x %>\r\n\0')
    await writeFile(join(scratch.bundle, 'a[b]?c ${x}'), Buffer.from([0, 255, 10, 13, 36, 123]))
    const run = await scratch.compiled(engine, [
      ...names.map((name): Wanted => ({ kind: 'directory', path: at(name), mode: '0700' })),
      file('${facts}/\\/f\\', { from: { type: 'copy', path: join(scratch.bundle, '${files} %41 \'"\\#é') } }),
      file('odd', { from: { type: 'copy', path: join(scratch.bundle, 'a[b]?c ${x}') } }),
      file("'${x}'", { mode: '0600' }),
      { kind: 'line', path: at('$HOME \\'), line: '${facts} \\1 & $HOME' },
      { kind: 'file', path: at("it's"), state: 'absent' },
    ])
    await writeFile(at("it's"), 'x')
    expect((await engine.apply(run)).filter(({ outcome }) => outcome !== 'repaired')).toEqual([])
    const state = [
      ...names.map((name) => `${name} 700 /`),
      '${facts}/\\ 755 /',
      '${facts}/\\/f\\ 644 ${files} <%= x %>\r\n\0',
      `odd 644 ${Buffer.from([0, 255, 10, 13, 36, 123]).toString('utf8')}`,
      "'${x}' 600 x",
      '$HOME \\ 644 ${facts} \\1 & $HOME\n',
    ]
    expect((await scratch.state()).sort()).toEqual(state.sort())
    expect(await engine.observe(run, 1)).toEqual([])
  })

  it('goes in the order of the policy, and does what comes after a failure', async () => {
    await writeFile(at('file'), 'x')
    const run = await scratch.compiled(engine, [
      { kind: 'command', run: `mkdir '${at('d')}' && echo k=2 >'${at('d/f')}'`, unless: `test -e '${at('d')}'` },
      { kind: 'line', path: at('d/f'), line: 'k=1', match: '^k=' },
      { kind: 'command', run: `cp '${at('d/f')}' '${at('copy')}'`, unless: `test -e '${at('copy')}'` },
      { kind: 'file', path: at('d/f'), state: 'absent' },
      file('file/below'),
      { kind: 'directory', path: at('d'), owner: 'grapevine-nobody' },
      file('d/g'),
    ])
    const results = await engine.apply(run)
    expect(results.map(({ outcome }) => outcome)).toEqual([
      ...Array.from({ length: 4 }, () => 'repaired'),
      'failed',
      'failed',
      'repaired',
    ])
    expect(results[4]?.reason).toMatch(/^its folder cannot be made: mkdir: .*File exists/)
    expect(results[5]?.reason).toMatch(/^another owner: chown: invalid user: /)
    expect(await scratch.state()).toEqual(['copy 644 k=1\n', 'd 755 /', 'd/g 644 x', 'file 644 x'])
  })

  it('replaces a link by the file, also one to a directory, and tells other content from another mode', async () => {
    await mkdir(at('d'))
    await writeFile(at('real'), 'r')
    for (const name of ['d', 'real']) await symlink(name, at(`to-${name}`))
    await writeFile(at('both'), 'y', { mode: 0o644 })
    const names = ['to-d', 'to-real', 'both', 'd/new']
    const run = await scratch.compiled(engine, [
      ...names.map((name) => file(name, { mode: '0600' })),
      { kind: 'directory', path: at('real') },
      { kind: 'directory', path: at('d'), mode: '4755' },
    ])
    expect((await engine.observe(run, 1)).map(({ seen }) => seen)).toEqual([
      'other content',
      'other content',
      'other content, mode 0644',
      'missing',
      'it is a file',
      'mode 0755',
    ])
    await engine.apply(run)
    expect(await scratch.state()).toEqual([
      'both 600 x',
      'd 4755 /',
      'd/new 600 x',
      'real 644 r',
      'to-d 600 x',
      'to-real 600 x',
    ])
  })

  describe("Puppet's own policy", () => {
    const raw = policyOf({ engine: 'puppet', raw: { engine: 'puppet', entry: 'files/site.pp' } })
    const withEntry = async (text: string): Promise<Awaited<ReturnType<Scratch['compiled']>>> => {
      await mkdir(join(scratch.bundle, 'files/modules/web/manifests'), { recursive: true })
      await writeFile(join(scratch.bundle, 'files/site.pp'), text, { mode: 0o444 })
      return scratch.compiled(engine, [], raw)
    }
    const module = (text: string): Promise<void> =>
      writeFile(join(scratch.bundle, 'files/modules/web/manifests/init.pp'), text)

    it('is run as it is, with the modules and facts that it needs, and each of its resources is a result', async () => {
      const run = await withEntry(`class { 'web': greeting => 'hello' }
exec { 'breaks': command => "/bin/sh -c 'echo no luck; exit 3'" }
file { '${at('later')}': content => 'x', require => Exec['breaks'] }
exec { 'done': command => '/bin/true', unless => '/bin/true' }
`)
      await module(`class web($greeting) {
  file { '${at('conf')}': ensure => file, content => "\${greeting} \${facts['kernel']}\\n", mode => '0640' }
}
`)
      await engine.check(run)
      const found = { bundle: 'sample', since: 1 }
      expect(await engine.observe(run, 1)).toEqual([
        {
          ...found,
          resource: `0:raw:File[${at('conf')}]`,
          path: at('conf'),
          wanted: 'ensure file',
          seen: 'ensure absent',
        },
        { ...found, resource: '1:raw:Exec[breaks]', wanted: 'returns ["0"]', seen: 'returns notrun' },
        {
          ...found,
          resource: `2:raw:File[${at('later')}]`,
          path: at('later'),
          wanted: 'ensure file',
          seen: 'ensure absent',
        },
      ])
      expect(await scratch.state()).toEqual([])
      const results = await engine.apply(run)
      expect(results).toEqual([
        { id: `0:raw:File[${at('conf')}]`, kind: 'raw', outcome: 'repaired' },
        {
          id: '1:raw:Exec[breaks]',
          kind: 'raw',
          outcome: 'failed',
          reason: expect.stringMatching(/returned 3.*no luck/),
        },
        {
          id: `2:raw:File[${at('later')}]`,
          kind: 'raw',
          outcome: 'skipped',
          reason: expect.stringMatching(/^Dependency Exec\[breaks\] has failures/),
        },
        { id: '3:raw:Exec[done]', kind: 'raw', outcome: 'kept' },
      ])
      expect(await scratch.state()).toEqual(['conf 640 hello Linux\n'])
    })

    it('that is faulty, itself or in a module, is refused with the place; so is one that does not compile', async () => {
      const run = await withEntry(`file { '${at('f')}':\n  ensure => file\n  mode => '0600' }\n`)
      const words = (place: RegExp): string => expect.stringMatching(place) as string
      await expect(engine.check(run)).rejects.toMatchObject({
        code: 'ENGINE_SYNTAX',
        message: words(/Syntax error at 'mode' \(file: .*site\.pp, line: 3/),
      })
      await expect(engine.apply(run)).rejects.toMatchObject({
        code: 'ENGINE_FAILED',
        message: words(/site\.pp, line: 3/),
      })
      await module("class web { file { 'x' } }\n")
      const other = await withEntry("include web\ninclude nothing\nfile { 'x': }\n")
      await expect(engine.check(other)).rejects.toMatchObject({
        code: 'ENGINE_SYNTAX',
        message: words(/init\.pp, line: 1/),
      })
      await module('class web { }\n')
      await engine.check(other)
      const told = words(/^puppet did not run the policy: exit code 1: .*nothing/)
      await expect(engine.apply(other)).rejects.toMatchObject({ code: 'ENGINE_FAILED', message: told })
      expect(await leftovers()).toEqual([])
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

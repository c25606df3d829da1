import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, readdir, rm, statfs, symlink, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { AnsibleEngine } from '#engines/ansible.ts'
import { programFolders } from '#engines/command.ts'
import { isInstalled } from '../support/tool.ts'
import { AptRoot } from './apt-root.ts'
import { gone } from './processes.ts'
import { Scratch, engineContract, policyOf, type Wanted } from '../contracts/engine.ts'

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

  describe.skipIf(!isInstalled('apt-get'))(
    'every kind of resource (needs apt and dpkg: apt-get install apt dpkg)',
    () => {
      const name = `grapevine-test-${process.pid}`
      /** A device whose packages, services and shutdown are the test's own. */
      const device = async (): Promise<AnsibleEngine> => {
        const bin = join(scratch.folder, 'bin')
        const apt = await AptRoot.make(scratch.folder)
        await mkdir(join(scratch.bundle, 'packages'))
        for (const version of ['1.9', '1.10']) await apt.build(version, join(scratch.bundle, 'packages'))
        const env = Object.entries(apt.env).map(([key, value]) => `export ${key}='${value}'\n`)
        const runs = `'${join(scratch.folder, 'runs')}'`
        const service = `case "$*" in\n*status* | *is-active*) [ -e ${runs} ] ;;\n*start*) touch ${runs} ;;\n*is-enabled*) false ;;\nesac`
        const stubs = {
          dpkg: apt.dpkg,
          ...Object.fromEntries(
            ['apt-get', 'apt-cache', 'dpkg-query'].map((tool) => [tool, `${env.join('')}exec /usr/bin/${tool} "$@"`]),
          ),
          service,
          systemctl: service,
          shutdown: `echo "$*" >>'${join(scratch.folder, 'shutdowns')}'`,
        }
        await mkdir(bin)
        for (const [tool, script] of Object.entries(stubs)) {
          await writeFile(join(bin, tool), `#!/bin/sh\n${script}\n`)
          await chmod(join(bin, tool), 0o755)
        }
        return new AnsibleEngine([bin, ...programFolders])
      }
      const wanted = (): Wanted[] => [
        { kind: 'package', name: 'grapevine-sample', state: 'present', version: '1.9' },
        { kind: 'package', name: 'grapevine-absent', state: 'absent' },
        { kind: 'file', path: at('conf/made'), state: 'present', from: { type: 'text', text: 'x' }, mode: '0640' },
        { kind: 'file', path: at('gone'), state: 'absent' },
        { kind: 'line', path: at('conf/lines'), line: 'k=1', match: '^k=' },
        { kind: 'directory', path: at('made/d'), mode: '0700', owner: userInfo().username },
        { kind: 'service', name: 'grapevine-sample', state: 'running' },
        {
          kind: 'process',
          match: `^sh -c : ${name}; while`,
          state: 'running',
          start: `exec sh -c ': ${name}; while sleep 0.1; do :; done'`,
        },
        { kind: 'command', run: `echo "it's {{ done }}" >'${at('done')}'`, unless: `test -e '${at('done')}'` },
        { kind: 'command', run: `touch '${at('never')}'`, onlyIf: 'false' },
        { kind: 'reboot', when: 'once' },
        { kind: 'patch', patch: 'SUSE-2026-1234' },
      ]

      it('is told by an observation, made so by an apply, and left alone by the next', async () => {
        const own = await device()
        await writeFile(at('gone'), 'x')
        const run = await scratch.compiled(own, wanted())
        const before = await scratch.state()
        const findings = await own.observe(run, 1)
        expect(await scratch.state()).toEqual(before)
        const patch = { outcome: 'failed', reason: expect.stringMatching(/^patches are a matter of zypper/) as string }
        expect(findings.map(({ resource, wanted: what, seen }) => [resource, what, seen])).toEqual([
          ['0:package', 'present 1.9', 'not installed'],
          ['2:file', 'the content of the policy, mode 0640', 'missing'],
          ['3:file', 'absent', 'present'],
          ['4:line', 'k=1', 'missing'],
          ['5:directory', expect.stringMatching(/^a directory, mode 0700, owner /), 'missing'],
          ['6:service', 'running', 'stopped, disabled'],
          ['7:process', 'running', 'not running'],
          ['8:command', `success of test -e '${at('done')}'`, 'unless does not hold'],
          ['10:reboot', 'one reboot', 'not rebooted yet'],
          ['11:patch', 'applied', patch.reason],
        ])
        const outcomes = async (): Promise<unknown[]> =>
          (await own.apply(run)).map(({ outcome, reason }) => (reason === undefined ? outcome : { outcome, reason }))
        const skipped = { outcome: 'skipped', reason: 'onlyIf does not hold' }
        expect(await outcomes()).toEqual([
          'repaired',
          'kept',
          ...Array.from({ length: 7 }, () => 'repaired'),
          skipped,
          'repaired',
          patch,
        ])
        const state = await scratch.state()
        expect(state).toEqual([
          'conf 755 /',
          'conf/lines 644 k=1\n',
          'conf/made 640 x',
          "done 644 it's {{ done }}\n",
          'made 755 /',
          'made/d 700 /',
        ])
        expect(await readFile(join(scratch.folder, 'root/opt/sample'), 'utf8')).toBe('1.9')
        expect(await outcomes()).toEqual([...Array.from({ length: 9 }, () => 'kept'), skipped, 'kept', patch])
        expect(await scratch.state()).toEqual(state)
        expect(await readFile(join(scratch.folder, 'shutdowns'), 'utf8')).toMatch(/^-r \+1 .*\n$/)
        // And the other way: what must not be there any more.
        const end = await scratch.compiled(own, [
          { kind: 'package', name: 'grapevine-sample', state: 'latest' },
          { kind: 'process', match: name, state: 'absent' },
          { kind: 'process', match: 'ansible-playbook', state: 'absent' },
          { kind: 'package', name: 'grapevine-sample', state: 'absent' },
        ])
        expect((await own.apply(end)).map(({ outcome }) => outcome)).toEqual([
          'repaired',
          'repaired',
          'kept',
          'repaired',
        ])
      })
    },
  )

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

  describe("Ansible's own playbook", () => {
    const raw = policyOf({ engine: 'ansible', raw: { engine: 'ansible', entry: 'files/site.yml' } })
    const withEntry = async (text: string): Promise<Awaited<ReturnType<Scratch['compiled']>>> => {
      await mkdir(join(scratch.bundle, 'files'), { recursive: true })
      await writeFile(join(scratch.bundle, 'files', 'site.yml'), text, { mode: 0o444 })
      return scratch.compiled(engine, [], raw)
    }

    it('is run as it is, with the roles beside it, and each task is a result', async () => {
      const tasks = join(scratch.bundle, 'files', 'roles', 'web', 'tasks')
      await mkdir(tasks, { recursive: true })
      await writeFile(
        join(tasks, 'main.yml'),
        `- name: conf\n  copy: { content: "{{ greeting }}", dest: '${at('conf')}', mode: '0640' }\n`,
      )
      const run = await withEntry(`- hosts: all
  gather_facts: false
  vars: { greeting: hello }
  roles: [web]
  tasks:
    - { name: ignored, command: /bin/false, ignore_errors: true }
    - name: loop
      command: { cmd: "touch '{{ item }}'", creates: "{{ item }}" }
      loop: ['${at('a')}', '${at('b')}']
    - block: [{ name: breaks, command: /bin/false }]
      rescue: [{ name: mends, debug: { msg: x } }]
    - { name: elsewhere, command: /bin/true, when: false }
`)
      await engine.check(run)
      expect(await engine.observe(run, 1)).toEqual([
        {
          bundle: 'sample',
          resource: '0:raw:web : conf',
          path: at('conf'),
          wanted: 'nothing to change',
          seen: 'would change',
          since: 1,
        },
        { bundle: 'sample', resource: '2:raw:loop', wanted: 'nothing to change', seen: 'would change', since: 1 },
      ])
      expect(await scratch.state()).toEqual([])
      const told = async (): Promise<string[]> =>
        (await engine.apply(run)).map(
          ({ id, outcome, reason }) => `${id} ${outcome}${reason === undefined ? '' : `: ${reason}`}`,
        )
      const rest = [
        '1:raw:ignored skipped: failed, which the playbook ignores: non-zero return code',
        '3:raw:breaks skipped: failed, and was rescued: non-zero return code',
        '4:raw:mends kept',
        '5:raw:elsewhere skipped: Conditional result was False',
      ]
      expect(await told()).toEqual(['0:raw:web : conf repaired', '2:raw:loop repaired', ...rest].sort())
      expect(await scratch.state()).toEqual(['a 644 ', 'b 644 ', 'conf 640 hello'])
      expect(await told()).toEqual(['0:raw:web : conf kept', '2:raw:loop kept', ...rest].sort())
      expect(await readdir(join(scratch.bundle, 'files'))).toEqual(['roles', 'site.yml'])
    })

    it('that fails tells which task and why, and what came before it', async () => {
      const run = await withEntry(`- hosts: localhost
  gather_facts: false
  tasks:
    - { name: first, command: /bin/true }
    - { name: second, shell: "echo no such luck >&2; exit 3" }
    - { name: third, command: /bin/true }
`)
      expect(await engine.apply(run)).toEqual([
        { id: '0:raw:first', kind: 'raw', outcome: 'repaired' },
        { id: '1:raw:second', kind: 'raw', outcome: 'failed', reason: 'non-zero return code | no such luck' },
      ])
    })

    it('that is faulty, or for other machines only, is refused with the place', async () => {
      const run = await withEntry('- hosts: all\n  tasks:\n    - { nonsense: x }\n')
      const words = expect.stringMatching(/site\.yml:3:7: .*nonsense/) as string
      await expect(engine.check(run)).rejects.toMatchObject({ code: 'ENGINE_SYNTAX', message: words })
      await expect(engine.apply(run)).rejects.toMatchObject({ code: 'ENGINE_FAILED', message: words })
      const other = await withEntry('- hosts: webservers\n  tasks: [{ command: /bin/true }]\n')
      await expect(engine.apply(other)).rejects.toMatchObject({
        code: 'ENGINE_FAILED',
        message: expect.stringMatching(/hosts: localhost/) as string,
      })
    })
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
      for (const act of [engine.check({ ...run, bundle }), engine.apply({ ...run, bundle })])
        await expect(act).rejects.toMatchObject({ code: 'ENGINE_FAILED' })
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

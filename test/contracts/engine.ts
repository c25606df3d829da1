/**
 * What every Engine promises (src/engines/engine.ts), as tests that each engine runs over policies compiled by its own compiler.
 * Paths of the device lie below `root`, a scratch folder that is `/` for an engine that has one.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chmod, mkdir, mkdtemp, readFile, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Engine, EngineRun } from '#engines/engine.ts'
import { windowClosed } from '#facts/report.ts'
import { compilerFor } from '#policy/compile/compile.ts'
import type { Policy, RenderedPolicy, RenderedResource } from '#policy/model.ts'

type Unnamed<T> = T extends unknown ? Omit<T, 'id'> : never
/** A resource without its id, which comes from its place. */
export type Wanted = Unnamed<RenderedResource>

export const policyOf = (parts: Partial<Policy> = {}): Policy => ({
  name: 'sample',
  windows: [],
  parameters: {},
  resources: [],
  monitors: [],
  engine: 'auto',
  ...parts,
})

export function renderedOf(wanted: readonly Wanted[], bundle: string, policy: Policy = policyOf()): RenderedPolicy {
  const resources = wanted.map((item, index) => ({ ...item, id: `${index}:${item.kind}` }))
  return { policy, bundle, resources }
}

/** A scratch device: a bundle folder, and a root for what policies manage. */
export class Scratch {
  readonly folder: string
  readonly bundle: string
  readonly root: string

  private constructor(folder: string) {
    this.folder = folder
    this.bundle = join(folder, 'bundles', 'sample', '1')
    this.root = join(folder, 'a root')
  }

  static async make(): Promise<Scratch> {
    const scratch = new Scratch(await mkdtemp(join(tmpdir(), 'grapevine-engine-test-')))
    await mkdir(scratch.bundle, { recursive: true })
    await mkdir(scratch.root)
    return scratch
  }

  async compiled(engine: Engine, wanted: readonly Wanted[], policy?: Policy): Promise<EngineRun> {
    const rendered = renderedOf(wanted, this.bundle, policy)
    const directory = join(this.bundle, 'compiled', engine.name)
    await rm(directory, { recursive: true, force: true })
    for (const file of compilerFor(engine.name)?.compile(rendered) ?? []) {
      const path = join(directory, file.path)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, file.text, { mode: file.mode })
    }
    const resources = rendered.resources.map(({ id, kind }) => ({ id, kind }))
    return { directory, bundle: this.bundle, name: 'sample', resources, timeoutMs: 60_000 }
  }

  /** What every path below the root holds, with its mode. */
  async state(): Promise<string[]> {
    const names = (await readdir(this.root, { recursive: true })).sort()
    return Promise.all(
      names.map(async (name) => {
        const path = join(this.root, name)
        const { mode } = await stat(path)
        const text = (mode & 0o040000) === 0 ? await readFile(path, 'utf8') : '/'
        return `${name} ${(mode & 0o7777).toString(8)} ${text}`
      }),
    )
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** `engineFor` takes the root; `pathOf` says where a path of the device is for a policy of this engine. */
export function engineContract(
  engineFor: (root: string) => Engine,
  pathOf: (root: string, path: string) => string,
): void {
  let scratch: Scratch
  let engine: Engine
  const at = (path: string): string => pathOf(scratch.root, path)
  const outcomes = async (run: EngineRun): Promise<string[]> => (await engine.apply(run)).map(({ outcome }) => outcome)

  beforeEach(async () => {
    scratch = await Scratch.make()
    engine = engineFor(scratch.root)
  })
  afterEach(() => scratch.remove())

  describe('applying', () => {
    it('makes files, lines and directories as wanted, and a second time changes nothing', async () => {
      await writeFile(join(scratch.bundle, 'whole.bin'), Buffer.from([0, 255, 10, 13, 36, 40]))
      await writeFile(join(scratch.root, 'sshd'), 'a\n#PermitRootLogin yes\nb\nPermitRootLogin maybe\nc')
      await writeFile(join(scratch.root, 'gone'), 'x')
      const run = await scratch.compiled(engine, [
        {
          kind: 'file',
          path: at('/new/deep/issue'),
          state: 'present',
          from: { type: 'text', text: 'Ünï\n\ncode' },
          mode: '0640',
        },
        {
          kind: 'file',
          path: at('/whole'),
          state: 'present',
          from: { type: 'copy', path: join(scratch.bundle, 'whole.bin') },
        },
        { kind: 'file', path: at('/empty'), state: 'present', from: { type: 'text', text: '' } },
        { kind: 'file', path: at('/gone'), state: 'absent' },
        { kind: 'line', path: at('/sshd'), line: 'PermitRootLogin no', match: '^#?PermitRootLogin' },
        { kind: 'line', path: at('/conf.d/added'), line: 'greeting on' },
        { kind: 'directory', path: at('/srv/app'), mode: '0750' },
        { kind: 'directory', path: at('/srv/open') },
      ])
      await engine.check(run)
      expect(await outcomes(run)).toEqual(Array.from({ length: 8 }, () => 'repaired'))
      const state = await scratch.state()
      expect(state).toEqual([
        'conf.d 755 /',
        'conf.d/added 644 greeting on\n',
        'empty 644 ',
        'new 755 /',
        'new/deep 755 /',
        'new/deep/issue 640 Ünï\n\ncode',
        'srv 755 /',
        'srv/app 750 /',
        'srv/open 755 /',
        'sshd 644 a\nPermitRootLogin no\nb\nc\n',
        `whole 644 ${Buffer.from([0, 255, 10, 13, 36, 40]).toString('utf8')}`,
      ])
      expect(await outcomes(run)).toEqual(Array.from({ length: 8 }, () => 'kept'))
      expect(await scratch.state()).toEqual(state)
    })

    it('gives each resource of the run exactly one result, in its order, under its own id', async () => {
      const run = await scratch.compiled(engine, [
        { kind: 'directory', path: at('/a') },
        { kind: 'directory', path: at('/b') },
      ])
      expect((await engine.apply(run)).map(({ id, kind }) => ({ id, kind }))).toEqual(run.resources)
      const more = { ...run, resources: [...run.resources, { id: '2:file', kind: 'file' }] }
      expect((await engine.apply(more)).at(-1)).toEqual({
        id: '2:file',
        kind: 'file',
        outcome: 'failed',
        reason: 'not compiled',
      })
    })

    it('leaves the mode of a file alone where the policy says none', async () => {
      await writeFile(join(scratch.root, 'secret'), 'old')
      await chmod(join(scratch.root, 'secret'), 0o600)
      const run = await scratch.compiled(engine, [
        { kind: 'file', path: at('/secret'), state: 'present', from: { type: 'text', text: 'new' } },
      ])
      expect(await outcomes(run)).toEqual(['repaired'])
      expect(await scratch.state()).toEqual(['secret 600 new'])
    })

    it('repairs a mode alone, and says so', async () => {
      await writeFile(join(scratch.root, 'f'), 'x', { mode: 0o644 })
      await mkdir(join(scratch.root, 'd'), { mode: 0o755 })
      const run = await scratch.compiled(engine, [
        { kind: 'file', path: at('/f'), state: 'present', from: { type: 'text', text: 'x' }, mode: '0600' },
        { kind: 'directory', path: at('/d'), mode: '0700' },
      ])
      expect(await outcomes(run)).toEqual(['repaired', 'repaired'])
      expect(await scratch.state()).toEqual(['d 700 /', 'f 600 x'])
    })

    it('fails, with a reason, on a directory where a file must be and the other way round, and goes on', async () => {
      for (const name of ['folder', 'other']) await mkdir(join(scratch.root, name, 'full'), { recursive: true })
      await writeFile(join(scratch.root, 'file'), 'x')
      const run = await scratch.compiled(engine, [
        { kind: 'file', path: at('/folder'), state: 'present', from: { type: 'text', text: 'x' }, mode: '0600' },
        { kind: 'file', path: at('/other'), state: 'absent' },
        { kind: 'directory', path: at('/file') },
        { kind: 'directory', path: at('/after') },
      ])
      const results = await engine.apply(run)
      expect(results.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'failed', 'repaired'])
      for (const { reason } of results.slice(0, 3)) expect(reason).toMatch(/\w{3}/)
      expect(await scratch.state()).toEqual([
        'after 755 /',
        'file 644 x',
        'folder 755 /',
        'folder/full 755 /',
        'other 755 /',
        'other/full 755 /',
      ])
    })

    it('appends a line where nothing matches, and leaves one line where the wanted one and others are there', async () => {
      await writeFile(join(scratch.root, 'append'), 'a\n')
      await writeFile(join(scratch.root, 'both'), 'k=2\nother\nk=1\nk=3\n')
      const run = await scratch.compiled(engine, [
        { kind: 'line', path: at('/append'), line: 'k=1', match: '^k=' },
        { kind: 'line', path: at('/both'), line: 'k=1', match: '^k=' },
      ])
      expect(await outcomes(run)).toEqual(['repaired', 'repaired'])
      expect(await scratch.state()).toEqual(['append 644 a\nk=1\n', 'both 644 other\nk=1\n'])
      expect(await outcomes(run)).toEqual(['kept', 'kept'])
    })

    it('edits a line through a link: the link stays, and the other file keeps its mode', async () => {
      const real = join(scratch.folder, 'real')
      await writeFile(real, 'k=2\n', { mode: 0o600 })
      await symlink(real, join(scratch.root, 'link'))
      const run = await scratch.compiled(engine, [{ kind: 'line', path: at('/link'), line: 'k=1', match: '^k=' }])
      expect(await outcomes(run)).toEqual(['repaired'])
      expect(await readlink(join(scratch.root, 'link'))).toBe(real)
      expect([await readFile(real, 'utf8'), (await stat(real)).mode & 0o777]).toEqual(['k=1\n', 0o600])
      expect(await outcomes(run)).toEqual(['kept'])
    })

    it('takes no text of a policy for its own language', async () => {
      const hostile = [
        '$(sys.host) ${sys.host} @(x) @{y} $$(a)',
        '"; reports: "owned',
        'a\\\\b\\',
        "'; touch owned; '",
        '`touch owned` $(touch owned)',
        '@(x)',
        '%s %n {{x}} # no comment',
        '"$(const.dollar)(x)"',
      ]
      const wanted = hostile.flatMap((text, index): Wanted[] => [
        { kind: 'file', path: at(`/f${index}`), state: 'present', from: { type: 'text', text } },
        { kind: 'line', path: at(`/l${index}`), line: text, match: `^never${index}[$(]|\\$(x)|@(y)` },
      ])
      const odd = 'odd "name" \'q\' $x [a-z]* \\ #;|&'
      const run = await scratch.compiled(engine, [
        ...wanted,
        { kind: 'file', path: at(`/${odd}`), state: 'present', from: { type: 'text', text: 'x' } },
        { kind: 'directory', path: at(`/${odd} d`) },
      ])
      await engine.check(run)
      expect(await outcomes(run)).toEqual(run.resources.map(() => 'repaired'))
      const state = await scratch.state()
      expect(state).toEqual(
        [
          ...hostile.flatMap((text, index) => [`f${index} 644 ${text}`, `l${index} 644 ${text}\n`]),
          `${odd} 644 x`,
          `${odd} d 755 /`,
        ].sort(),
      )
      expect(await outcomes(run)).toEqual(run.resources.map(() => 'kept'))
    })
  })

  describe('when the window has closed', () => {
    it('begins nothing more: each resource is skipped with that reason, and nothing is changed', async () => {
      await writeFile(join(scratch.root, 'line'), 'k=2\n')
      await writeFile(join(scratch.root, 'gone'), 'x')
      const run = await scratch.compiled(engine, [
        { kind: 'file', path: at('/f'), state: 'present', from: { type: 'text', text: 'x' }, mode: '0600' },
        { kind: 'file', path: at('/g/f'), state: 'present', from: { type: 'text', text: 'x' } },
        { kind: 'file', path: at('/gone'), state: 'absent' },
        { kind: 'line', path: at('/line'), line: 'k=1', match: '^k=' },
        { kind: 'directory', path: at('/d') },
      ])
      const before = await scratch.state()
      const results = await engine.apply({ ...run, closing: AbortSignal.abort() })
      expect(results.map(({ outcome, reason }) => `${outcome} ${reason}`)).toEqual(
        run.resources.map(() => `skipped ${windowClosed}`),
      )
      expect(await scratch.state()).toEqual(before)
      expect(await outcomes({ ...run, closing: new AbortController().signal })).toEqual(
        run.resources.map(() => 'repaired'),
      )
    })
  })

  describe('observing', () => {
    const drifting = (): Wanted[] => [
      { kind: 'file', path: at('/missing/f'), state: 'present', from: { type: 'text', text: 'x' } },
      { kind: 'file', path: at('/other'), state: 'present', from: { type: 'text', text: 'x' } },
      { kind: 'file', path: at('/mode'), state: 'present', from: { type: 'text', text: 'x' }, mode: '0600' },
      { kind: 'file', path: at('/gone'), state: 'absent' },
      { kind: 'line', path: at('/line'), line: 'k=1', match: '^k=' },
      { kind: 'directory', path: at('/d') },
      { kind: 'file', path: at('/right'), state: 'present', from: { type: 'text', text: 'x' } },
    ]

    it('tells what is not as wanted and changes nothing', async () => {
      for (const [name, text] of Object.entries({ other: 'y', mode: 'x', gone: 'x', line: 'k=2\n', right: 'x' }))
        await writeFile(join(scratch.root, name), text)
      const run = await scratch.compiled(engine, drifting())
      const before = await scratch.state()
      const findings = await engine.observe(run, 1234)
      expect(await scratch.state()).toEqual(before)
      expect(findings.map(({ resource, seen }) => `${resource} ${seen}`)).toEqual([
        '0:file missing',
        '1:file other content',
        '2:file mode 0644',
        '3:file present',
        '4:line the line is not there, or others match',
        '5:directory missing',
      ])
      expect(findings[4]).toEqual({
        bundle: 'sample',
        resource: '4:line',
        path: at('/line'),
        wanted: 'k=1',
        seen: 'the line is not there, or others match',
        since: 1234,
      })
    })

    it('tells nothing after an apply', async () => {
      const run = await scratch.compiled(engine, drifting())
      await engine.apply(run)
      expect(await engine.observe(run, 1)).toEqual([])
    })
  })

  describe('a compiled policy that is damaged', () => {
    it('is not checked as good and gives no results: ENGINE_SYNTAX, ENGINE_FAILED', async () => {
      const run = await scratch.compiled(engine, [{ kind: 'directory', path: at('/a') }])
      for (const { name } of (await readdir(run.directory, { withFileTypes: true })).filter((entry) => entry.isFile()))
        if (name !== 'resources.json') await writeFile(join(run.directory, name), 'bundle agent broken { files: ')
      await expect(engine.check(run)).rejects.toMatchObject({ code: 'ENGINE_SYNTAX', exitCode: 1 })
      await expect(engine.apply(run)).rejects.toMatchObject({ code: 'ENGINE_FAILED', exitCode: 3 })
      await expect(engine.observe(run, 1)).rejects.toMatchObject({ code: 'ENGINE_FAILED' })
      expect(await scratch.state()).toEqual([])
    })
  })
}

/** Every kind of resource by a real puppet, its order, and what it must not take for its own. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PuppetEngine } from '#engines/puppet.ts'
import { everyKindSuite } from './every-kind.ts'
import { Scratch, type Wanted } from '../contracts/engine.ts'

// A run of Puppet takes seconds, and many times that on a machine that has other things to do.
vi.setConfig({ testTimeout: 240_000 })

const installed = (await new PuppetEngine().version()) !== undefined

describe.skipIf(!installed)('Puppet (needs puppet: apt-get install puppet-agent)', () => {
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
})

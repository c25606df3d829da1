/** A policy that is Puppet's own, with its modules. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PuppetEngine } from '#engines/puppet.ts'
import { Scratch, policyOf } from '../contracts/engine.ts'

// A run of Puppet takes seconds, and many times that on a machine that has other things to do.
vi.setConfig({ testTimeout: 240_000 })

const installed = (await new PuppetEngine().version()) !== undefined

describe.skipIf(!installed)("Puppet's own policy (needs puppet: apt-get install puppet-agent)", () => {
  const engine = new PuppetEngine()
  let scratch: Scratch
  beforeEach(async () => {
    scratch = await Scratch.make()
  })
  afterEach(() => scratch.remove())
  const at = (name: string): string => join(scratch.root, name)
  /** What runs left behind beside the bundle. */
  const leftovers = async (): Promise<string[]> =>
    (await readdir(dirname(scratch.bundle))).filter((name) => name !== '1')

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

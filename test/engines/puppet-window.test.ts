/** A run of Puppet whose window closes: what has begun comes to its end, and nothing else begins. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { PuppetEngine } from '#engines/puppet.ts'
import { policyOf, Scratch } from '../contracts/engine.ts'

vi.setConfig({ testTimeout: 240_000 })

const installed = (await new PuppetEngine().version()) !== undefined

describe.skipIf(!installed)('a window that closes under Puppet (needs puppet: apt-get install puppet-agent)', () => {
  const engine = new PuppetEngine()
  let scratch: Scratch
  beforeEach(async () => {
    scratch = await Scratch.make()
  })
  afterEach(() => scratch.remove())
  const at = (name: string): string => join(scratch.root, name)
  const closeOnce = async (name: string, closing: AbortController): Promise<void> => {
    for (let tries = 0; tries < 3000 && !(await readdir(scratch.root)).includes(name); tries++) await wait(20)
    closing.abort()
  }

  it('finishes the resource that runs and begins no other; programs inherit nothing of it', async () => {
    const run = await scratch.compiled(engine, [
      { kind: 'command', run: `touch '${at('begun')}'; sleep 2; test -z "$RUBYOPT$RUBYLIB" && touch '${at('ended')}'` },
      { kind: 'command', run: `touch '${at('never')}'` },
      { kind: 'file', path: at('never-too/x'), state: 'present', from: { type: 'text', text: 'x' } },
    ])
    const closing = new AbortController()
    const results = engine.apply({ ...run, closing: closing.signal })
    await closeOnce('begun', closing)
    expect((await results).map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['repaired', undefined],
      ['skipped', 'the window closed'],
      ['skipped', 'the window closed'],
    ])
    expect(await readdir(scratch.root)).toEqual(['begun', 'ended'])
  })

  it("does the same with a policy of Puppet's own", async () => {
    const first = `/bin/sh -c "touch \\'${at('begun')}\\'; sleep 2"`
    await mkdir(join(scratch.bundle, 'files'), { recursive: true })
    await writeFile(
      join(scratch.bundle, 'files/site.pp'),
      `exec { 'first': command => '${first}' }\n-> file { '${at('never')}': content => 'x' }\n`,
    )
    const raw = policyOf({ engine: 'puppet', raw: { engine: 'puppet', entry: 'files/site.pp' } })
    const run = await scratch.compiled(engine, [], raw)
    const closing = new AbortController()
    const results = engine.apply({ ...run, closing: closing.signal })
    await closeOnce('begun', closing)
    expect((await results).map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['repaired', undefined],
      ['skipped', 'the window closed'],
    ])
    expect(await readdir(scratch.root)).toEqual(['begun'])
  })
})

import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { encodeManifest } from '#content/manifest.ts'
import { FileStore } from '#disk/file-store.ts'
import { Home } from '#disk/home.ts'
import { packTree, readTree, writeTree } from '#disk/tree.ts'
import { AnsibleEngine } from '#engines/ansible.ts'
import { CfengineEngine } from '#engines/cfengine.ts'
import { PretendEngine } from '#engines/pretend.ts'
import { PuppetEngine } from '#engines/puppet.ts'
import type { Engine } from '#engines/engine.ts'
import { Workshop } from '#node/workshop.ts'

let folder: string
let home: Home
let store: FileStore
const hasAnsible = (await new AnsibleEngine().version()) !== undefined
const hasPuppet = (await new PuppetEngine().version()) !== undefined
const never = { signal: new AbortController().signal, closing: new AbortController().signal }

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grapevine-workshop-'))
  home = await Home.create(join(folder, 'home'))
  store = await FileStore.open(home.contents, home.index)
})
afterEach(async () => {
  await home.close()
  await rm(folder, { recursive: true, force: true })
})

const workshop = (engines: readonly Engine[] = [new PretendEngine(join(folder, 'root'))]): Workshop =>
  new Workshop({
    home,
    store,
    engines,
    facts: () => ({ hostname: 'web-01' }),
    labels: { role: 'web' },
    timeoutMs: 60_000,
    now: () => 7,
  })

/** Packs a policy as `publish` does; the digest of its manifest. */
async function packed(files: Readonly<Record<string, string>>): Promise<Digest> {
  const dir = join(folder, 'policy')
  await writeTree(
    dir,
    Object.entries(files).map(([path, text]) => ({ path, mode: 0o644, text })),
  )
  const { manifest } = await packTree(dir, await readTree(dir), store, { name: 'web', version: 1 })
  return (await store.add([encodeManifest(manifest)])).digest
}

const policy = 'policy: web\nresources:\n  - file: { path: /etc/motd, template: motd.mustache }\n'
const good = { 'policy.yaml': policy, 'files/motd.mustache': 'I am {{facts.hostname}}, {{labels.role}}\n' }

describe('preparing and applying', () => {
  it('makes a read-only folder with the policy, its files and what the engine takes, and applies from it', async () => {
    const work = workshop()
    expect(await work.prepare('web', 1, await packed(good), never.signal)).toEqual({
      type: 'prepared',
      engine: 'pretend',
    })
    const current = join(home.bundle('web'), 'current')
    expect(await readFile(join(current, 'policy.yaml'), 'utf8')).toBe(policy)
    expect((await stat(join(current, 'files/motd.mustache'))).mode & 0o777).toBe(0o444)
    expect(await work.apply('web', 1, never)).toMatchObject({ type: 'results', results: [{ outcome: 'repaired' }] })
    expect(await readFile(join(folder, 'root/etc/motd'), 'utf8')).toBe('I am web-01, web\n')
    expect(await work.apply('web', 1, never)).toMatchObject({ type: 'results', results: [{ outcome: 'kept' }] })
  })

  it('an engine that was installed since then finds its policy compiled all the same', async () => {
    expect(await workshop([]).prepare('web', 1, await packed(good), never.signal)).toMatchObject({
      type: 'engine-missing',
    })
    expect(await workshop().apply('web', 1, never)).toMatchObject({ results: [{ outcome: 'repaired' }] })
  })

  it.skipIf(!hasAnsible)(
    'a device that has Ansible alone applies what leaves the engine open (needs: apt-get install ansible-core)',
    async () => {
      const path = join(folder, 'motd')
      const files = { ...good, 'policy.yaml': policy.replace('/etc/motd', path) }
      const work = workshop([new CfengineEngine(['/nowhere']), new AnsibleEngine()])
      expect(await work.prepare('web', 1, await packed(files), never.signal)).toEqual({
        type: 'prepared',
        engine: 'ansible',
      })
      expect(await work.apply('web', 1, never)).toMatchObject({ type: 'results', results: [{ outcome: 'repaired' }] })
      expect(await readFile(path, 'utf8')).toBe('I am web-01, web\n')
    },
  )

  it('runs all monitors of a prepared bundle once when asked', async () => {
    const monitors = '[{ name: a, every: 1h, command: "true" }, { name: b, every: 1h, command: "exit 2" }]'
    const work = workshop()
    await work.prepare(
      'web',
      1,
      await packed({ ...good, 'policy.yaml': `${policy}monitor: ${monitors}\n` }),
      never.signal,
    )
    expect(await work.checkMonitors('web', 1, { timeoutMs: 10_000, signal: never.signal })).toEqual([
      { name: 'a', outcome: 'pass', said: '' },
      { name: 'b', outcome: 'fail', said: 'exit code 2' },
    ])
    await expect(work.checkMonitors('web', 2, { timeoutMs: 10_000, signal: never.signal })).rejects.toMatchObject({
      code: 'BUNDLE_UNPREPARED',
    })
  })

  it('says what is to be watched, looks for drift and makes one check, without the text of the policy', async () => {
    const work = workshop()
    const text = `${policy}drift: { every: 30m }\nmonitor: [{ name: a, every: 1h, command: "exit 2", react: apply }]\n`
    const watch = {
      drift: { everyMs: 1_800_000, mode: 'report', outside: false },
      monitors: [{ name: 'a', everyMs: 3_600_000, fails: 3, passes: 2, react: 'apply' }],
    }
    const digest = await packed({ ...good, 'policy.yaml': text })
    expect(await work.prepare('web', 1, digest, never.signal)).toEqual({ type: 'prepared', engine: 'pretend', watch })
    await rm(join(home.bundle('web', 1), 'policy.yaml'), { force: true })
    const missing = { bundle: 'web', resource: '0:file:/etc/motd', path: '/etc/motd', seen: 'missing', since: 7 }
    expect(await work.observe('web', 1, never.signal)).toMatchObject({ type: 'findings', findings: [missing] })
    expect(await work.check('web', 1, 'a', never.signal)).toEqual({ name: 'a', outcome: 'fail', said: 'exit code 2' })
    expect(await work.check('web', 1, 'b', never.signal)).toMatchObject({ outcome: 'unknown' })
    expect(await work.check('web', 2, 'a', never.signal)).toMatchObject({
      outcome: 'unknown',
      said: 'BUNDLE_UNPREPARED',
    })
  })

  it('a look where the engine is gone says what to install', async () => {
    await workshop().prepare('web', 1, await packed(good), never.signal)
    expect(await workshop([]).observe('web', 1, never.signal)).toMatchObject({
      type: 'failed',
      code: 'ENGINE_MISSING',
      next: expect.stringContaining('apt-get install cfengine3') as string,
    })
  })

  it.skipIf(!hasPuppet)(
    'a device that has Puppet alone applies what leaves the engine open (needs: apt-get install puppet-agent)',
    async () => {
      const path = join(folder, 'motd')
      const files = { ...good, 'policy.yaml': policy.replace('/etc/motd', path) }
      const work = workshop([new CfengineEngine(['/nowhere']), new AnsibleEngine(['/nowhere']), new PuppetEngine()])
      expect(await work.prepare('web', 1, await packed(files), never.signal)).toEqual({
        type: 'prepared',
        engine: 'puppet',
      })
      expect(await work.apply('web', 1, never)).toMatchObject({ type: 'results', results: [{ outcome: 'repaired' }] })
      expect(await readFile(path, 'utf8')).toBe('I am web-01, web\n')
    },
  )

  it('without an engine the folder is prepared, and the apply is blocked', async () => {
    const outcome = await workshop([]).prepare('web', 1, await packed(good), never.signal)
    expect(outcome).toEqual({ type: 'engine-missing', reason: 'no engine: auto is not installed here' })
    expect(await readFile(join(home.bundle('web', 1), 'policy.yaml'), 'utf8')).toBe(policy)
  })

  it('what is missing on this device is told as the reason', async () => {
    const digest = await packed({ ...good, 'files/motd.mustache': '{{facts.local.rack}}' })
    expect(await workshop().prepare('web', 1, digest, never.signal)).toMatchObject({
      type: 'failed',
      reason: expect.stringContaining('POLICY_FACT_MISSING') as string,
    })
  })

  it('a policy of a newer program is not understood, and says so', async () => {
    const digest = await packed({ ...good, 'policy.yaml': `${policy}quantum: true\n` })
    expect(await workshop().prepare('web', 1, digest, never.signal)).toMatchObject({
      type: 'failed',
      reason: expect.stringContaining('BUNDLE_NOT_UNDERSTOOD') as string,
    })
  })

  it('a prepared folder that somebody removed is noticed, so that it is prepared again', async () => {
    const work = workshop()
    expect(await work.prepare('web', 1, sha256(utf8('nothing')), never.signal)).toMatchObject({
      reason: expect.stringContaining('BUNDLE_UNPREPARED') as string,
    })
    expect(await work.apply('web', 7, never)).toMatchObject({ type: 'failed', unprepared: true })
  })
})

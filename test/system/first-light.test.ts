/** The main job from end to end, with real processes, sockets, folders and the installed engine. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DeviceDocument } from '#node/fleet-device.ts'
import type { FactsDocument } from '#node/self-portrait.ts'
import type { SiteDocument } from '#node/site.ts'
import type { FleetDocument } from '#node/status.ts'
import type { WhyDocument } from '#node/why.ts'
import { Bench, until } from '../support/program.ts'
import { isInstalled } from '../support/tool.ts'

/** A policy whose every path lies in the device's scratch folder. */
const policyText = (extra = ''): string => `policy: banner
parameters: { banner: Authorised use only }
resources:
  - directory: { path: "{{facts.local.scratch}}/etc", mode: "0755" }
  - file: { path: "{{facts.local.scratch}}/etc/issue.net", template: issue.net.mustache, mode: "0644" }
  - file: { path: "{{facts.local.scratch}}/data.bin", source: packages/data.bin }
${extra}`
const files = (extra?: string): Record<string, string | Uint8Array> => ({
  'policy.yaml': policyText(extra),
  'files/issue.net.mustache': '{{banner}} on {{facts.hostname}}\n',
  'packages/data.bin': Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7919) % 251),
})

let bench: Bench
beforeEach(async () => {
  bench = await Bench.make()
})
afterEach(() => bench.end())

const scratchConfig = (home: string): string =>
  `listen: ["/ip4/127.0.0.1/tcp/0"]\nfacts: { scratch: ${bench.path(home, 'scratch')} }\n`

describe('first light', () => {
  it.skipIf(!isInstalled('cf-agent'))(
    'a client that only knows its neighbours gets all through them, applies and reports (apt-get install cfengine3)',
    async () => {
      await bench.origin()
      const origin = await bench.daemon('origin')
      await bench.member('relay', 'berlin', { role: 'relay', addresses: [origin.address] })
      await bench.daemon('relay')
      await bench.member('client', 'berlin', { config: scratchConfig('client') })
      await bench.daemon('client')
      const policy = await bench.policy('banner', files())
      const published = await bench.ask('origin', ['publish', policy])
      expect(published).toMatchObject({ release: 2, bundles: [{ name: 'banner', version: 1, files: 3 }] })
      const waited = await bench.run([
        'wait',
        '--home',
        bench.path('client'),
        '--state',
        'applied',
        '--release',
        '2',
        '--timeout',
        '30s',
      ])
      expect(waited.code, waited.stderr).toBe(0)
      expect(await readFile(bench.path('client', 'scratch/etc/issue.net'), 'utf8')).toMatch(
        /^Authorised use only on \S+\n$/,
      )
      const status = await bench.status('client')
      expect(status.peers.map((peer) => peer.name)).toEqual(['relay'])
      expect(status.wan.downBytes).toBe(0)
      const bundle = bench.path('client', 'bundles/banner/current')
      expect((await stat(join(bundle, 'packages/data.bin'))).mode & 0o777).toBe(0o444)
      const device = await until('the report of the client', async () => {
        const fleet = (await bench.ask('origin', ['fleet'])) as unknown as FleetDocument
        return fleet.devices.find(({ name, bundles }) => name === 'client' && bundles[0]?.state === 'applied')
      })
      expect(device.bundles[0]?.results.map(({ outcome }) => outcome)).toEqual(['repaired', 'repaired', 'repaired'])
      const facts = (await bench.ask('client', ['facts'])) as unknown as FactsDocument
      expect(facts.packages.map(({ name }) => name)).toContain('dpkg')
      const packages = await until('the packages of the client', async () => {
        const { devices } = (await bench.ask('origin', ['fleet', 'client', '--packages'])) as unknown as {
          devices: DeviceDocument[]
        }
        return devices[0]?.packages ?? undefined
      })
      expect(packages).toEqual(facts.packages)
      expect(facts.bytes.first).toBeLessThan(40_000 / 1.1)
      await until(
        'empty outboxes',
        async () => (await bench.status('client')).outbox + (await bench.status('relay')).outbox === 0,
      )
    },
    60_000,
  )

  it('publishing the same folder again makes no new bundle; a changed one makes the next version', async () => {
    await bench.origin()
    const policy = await bench.policy('banner', files())
    expect(await bench.ask('origin', ['publish', policy])).toMatchObject({
      release: 2,
      bundles: [{ version: 1, changed: true }],
    })
    expect(await bench.ask('origin', ['publish', policy])).toMatchObject({
      release: 2,
      bundles: [{ version: 1, newBytes: 0, changed: false }],
    })
    await bench.policy('banner', files('  - file: { path: /tmp/never, state: absent }\n'))
    const third = await bench.ask('origin', ['publish', policy])
    expect(third).toMatchObject({ release: 3, bundles: [{ version: 2, changed: true }] })
    expect((third['bundles'] as unknown as { newBytes: number }[])[0]?.newBytes).toBeLessThan(10_000)
    const text = 'policy: small\nresources:\n  - file: { path: /tmp/never-small, content: "of the files alone" }\n'
    expect(await bench.ask('origin', ['publish', await bench.policy('small', { 'policy.yaml': text })])).toMatchObject({
      bundles: [{ files: 1, bytes: text.length, newBytes: text.length }],
    })
  })

  it('a token that brings more devices than it was made for is named by the origin: list, log, doctor', async () => {
    await bench.origin()
    const origin = await bench.daemon('origin')
    const token = await bench.ask('origin', ['token', 'create', '--site', 'berlin', '--address', origin.address])
    for (const name of ['first', 'second']) {
      await bench.ask(name, ['join', String(token['token']), '--name', name, '--listen', '/ip4/127.0.0.1/tcp/0'])
      // Each greets the origin itself: a report by way of the other may take its time on a busy machine.
      await bench.daemon(name, ['--bootstrap', origin.address])
    }
    const listed = await until('both devices are counted', async () => {
      const [use] = (await bench.ask('origin', ['token', 'list']))['tokens'] as unknown as { used: number }[]
      return use?.used === 2 && use
    })
    expect(listed).toMatchObject({ id: token['id'], site: 'berlin', role: 'client', max: 1, expires: token['expires'] })
    expect(origin.words.match(/"event":"token.exceeded"/g)).toHaveLength(1)
    const { checks } = (await bench.run(['doctor', '--home', bench.path('origin'), '--json'])).json
    expect(checks).toContainEqual(
      expect.objectContaining({
        name: 'tokens',
        result: 'warn',
        text: expect.stringContaining('first, second') as string,
      }),
    )
    const { devices } = (await bench.ask('origin', ['fleet'])) as unknown as FleetDocument
    expect(devices.map((device) => device.token)).toEqual([token['id'], token['id']])
  }, 60_000)

  it('with the origin killed, a member that joins now gets everything from its neighbours, and reports when it is back', async () => {
    await bench.origin()
    const origin = await bench.daemon('origin')
    await bench.member('first', 'berlin', { addresses: [origin.address], config: scratchConfig('first') })
    await bench.member('late', 'berlin', { addresses: [origin.address], config: scratchConfig('late') })
    await bench.daemon('first')
    await bench.ask('origin', ['publish', await bench.policy('banner', files())])
    await bench.ask('first', ['wait', '--state', 'prepared', '--release', '2', '--timeout', '30s'])
    await origin.stop('SIGKILL')
    await bench.daemon('late')
    await bench.ask('late', ['wait', '--state', 'prepared', '--release', '2', '--timeout', '30s'])
    expect((await bench.status('late')).release).toBe(2)
  }, 60_000)

  it('a member killed at any moment has a folder from which it goes on', async () => {
    await bench.origin()
    const origin = await bench.daemon('origin')
    await bench.member('client', 'berlin', { addresses: [origin.address], config: scratchConfig('client') })
    await bench.ask('origin', ['publish', await bench.policy('banner', files())])
    for (const pauseMs of [0, 150, 400, 800, 1300]) {
      const daemon = await bench.daemon('client')
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
      await daemon.stop('SIGKILL')
    }
    const last = await bench.daemon('client')
    await bench.ask('client', ['wait', '--state', 'prepared', '--release', '2', '--timeout', '30s'])
    await last.stop()
    // Beside no daemon the same is read from the folder.
    expect(await bench.status('client')).toMatchObject({
      release: 2,
      contents: { partial: 0 },
      bundles: [{ prepared: true }],
    })
    await bench.ask('client', ['wait', '--state', 'prepared', '--timeout', '1s'])
  }, 60_000)

  it('site says whether all are ready, why where each byte on the line went, also after a restart', async () => {
    await bench.origin()
    const origin = await bench.daemon('origin')
    await bench.member('relay', 'berlin', { role: 'relay', addresses: [origin.address] })
    const relay = await bench.daemon('relay')
    await bench.member('client', 'berlin', { config: scratchConfig('client') })
    await bench.daemon('client')
    await bench.ask('origin', ['publish', await bench.policy('banner', files())])
    await bench.ask('client', ['wait', '--state', 'prepared', '--release', '2', '--timeout', '30s'])
    const asked = async (home: string, ...args: string[]): Promise<Awaited<ReturnType<Bench['run']>>> =>
      bench.run([...args, '--home', bench.path(home), '--json'])
    const ready = await until('a site that is ready', async () => {
      const answer = await asked('client', 'site')
      return answer.code === 0 && answer
    })
    expect(ready.json).toMatchObject({ site: 'berlin', ready: true, limit: null, release: 2, window: null })
    expect((ready.json as unknown as SiteDocument).members.map(({ name, state }) => [name, state])).toEqual([
      ['client', 'ready'],
      ['relay', 'ready'],
    ])
    const before = (await asked('relay', 'why')).json as unknown as WhyDocument
    const lines = [...before.contents, ...before.control, before.older]
    expect(lines.reduce((sum, line) => sum + line.downBytes, 0)).toBe(before.downBytes)
    expect(before.contents[0]?.name).toBe('banner 1: packages/data.bin')
    const opens = new Date(Date.now() + 7_200_000).toISOString().slice(0, 19)
    const later = `windows: [{ start: "${opens}", duration: PT1H, zone: UTC }]\nprepare: { ahead: PT1H }\n`
    await bench.ask('origin', ['publish', await bench.policy('banner', files(later))])
    const waiting = await until('a site that waits', async () => {
      const answer = await asked('client', 'site')
      return answer.code === 1 && answer.json['limit'] === 'waiting-for-window' && answer
    })
    expect(waiting.json).toMatchObject({ ready: false, readyAt: null, window: { bundle: 'banner' } })
    await relay.stop()
    expect((await asked('relay', 'site')).json).toMatchObject({ error: { code: 'DAEMON_MISSING' } })
    const largest = before.contents[0]?.content ?? ''
    const one = (await asked('relay', 'why', '--content', largest.slice(0, 12))).json as unknown as WhyDocument
    expect(one.contents).toEqual(before.contents.slice(0, 1))
    expect(one.downBytes).toBeGreaterThanOrEqual(before.downBytes)
  }, 60_000)

  it('SIGTERM ends every daemon cleanly in under 5 s', async () => {
    await bench.origin()
    const origin = await bench.daemon('origin')
    await bench.member('client', 'berlin', { addresses: [origin.address] })
    const client = await bench.daemon('client')
    await until('the first release', async () => (await bench.status('client')).release === 1)
    for (const daemon of [client, origin]) {
      expect(await daemon.stop()).toBeLessThan(5_000)
      expect(await daemon.exited).toBe(0)
    }
    expect(await bench.status('client')).toMatchObject({ running: false, release: 1, peers: [] })
  })
})

describe('finding neighbours: each path alone is enough', () => {
  const publishAndWait = async (home: string): Promise<void> => {
    await bench.ask('origin', ['publish', await bench.policy('banner', files())])
    await bench.ask(home, ['wait', '--state', 'prepared', '--release', '2', '--timeout', '30s'])
    expect((await bench.status(home)).bundles.map(({ name }) => name)).toEqual(['banner'])
  }
  const noDiscovery = (home: string): string => `${scratchConfig(home)}lan: { discovery: false }\n`

  it('LAN discovery', async () => {
    await bench.origin('origin', ['--site', 'berlin'])
    await bench.daemon('origin')
    await bench.member('client', 'berlin', { config: scratchConfig('client') })
    await bench.daemon('client')
    await publishAndWait('client')
  }, 45_000)

  it("the token's addresses", async () => {
    await bench.origin()
    const origin = await bench.daemon('origin')
    await bench.member('client', 'berlin', { addresses: [origin.address], config: noDiscovery('client') })
    await bench.daemon('client')
    await publishAndWait('client')
  }, 45_000)

  it('the roster that members hand out, and addresses learned survive a restart', async () => {
    await bench.origin()
    const origin = await bench.daemon('origin')
    await bench.member('relay', 'berlin', { role: 'relay', addresses: [origin.address], config: noDiscovery('relay') })
    const relay = await bench.daemon('relay')
    for (const name of ['anna', 'ben']) {
      await bench.member(name, 'berlin', { config: noDiscovery(name) })
      await bench.daemon(name, ['--bootstrap', relay.address])
    }
    await until('anna and ben know each other', async () =>
      (await bench.status('anna')).peers.some((peer) => peer.name === 'ben'),
    )
    await publishAndWait('ben')
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    await relay.stop()
    const saved = await bench.daemon('relay')
    const found = await until('the relay finds its origin again', async () =>
      (await bench.status('relay')).peers.find((peer) => peer.role === 'origin'),
    )
    expect(found.direction).toBe('out')
    await saved.stop()
  }, 60_000)
})

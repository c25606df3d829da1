/** What is taken back, put off and left, with real processes: an origin, a relay and a client that applies into a scratch folder. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FleetDocument, StatusDocument } from '#node/status.ts'
import { madeBytes } from '../contracts/chunk-store.ts'
import { Bench, until, type RunningDaemon } from '../support/program.ts'

let bench: Bench
let origin: RunningDaemon
let client: RunningDaemon
beforeEach(async () => {
  bench = await Bench.make()
  await bench.origin()
  origin = await bench.daemon('origin')
})
afterEach(() => bench.end())

type Bundle = StatusDocument['bundles'][number]
type Device = FleetDocument['devices'][number]

/** A client that pretends to apply, and a relay between it and the origin. */
async function site(more = ''): Promise<void> {
  await bench.member('relay', 'berlin', { role: 'relay', addresses: [origin.address] })
  await bench.daemon('relay')
  const config = `listen: ["/ip4/127.0.0.1/tcp/0"]\nengine: { pretendRoot: ${bench.path('scratch')} }\n${more}`
  await bench.member('client', 'berlin', { config })
  client = await bench.daemon('client')
}

async function publish(text: string, more: readonly string[] = [], windows = ''): Promise<number> {
  const policy = await bench.policy('web', {
    'policy.yaml': `policy: web\n${windows}resources:\n  - file: { path: /etc/motd, content: "${text}" }\n`,
    'packages/tool.deb': madeBytes(text, 200_000),
  })
  const { bundles } = (await bench.ask('origin', ['publish', policy, ...more])) as unknown as {
    readonly bundles: readonly { readonly version: number }[]
  }
  return bundles[0]?.version ?? 0
}
const bundleIs = (home: string, is: (bundle: Bundle) => boolean): Promise<Bundle> =>
  until(`the bundle of ${home}`, async () => (await bench.status(home)).bundles.find(is))
const applied = (version: number): Promise<Bundle> =>
  bundleIs('client', (bundle) => bundle.version === version && bundle.state === 'applied')
const deviceIs = (name: string, is: (device: Device) => boolean): Promise<Device> =>
  until(`the device ${name} at the origin`, async () => {
    const { devices } = (await bench.ask('origin', ['fleet'])) as unknown as FleetDocument
    return devices.find((device) => device.name === name && is(device))
  })
const fetched = async (): Promise<number> => {
  const [relay, mine] = [await bench.status('relay'), await bench.status('client')]
  return relay.wan.neededBytes + mine.wan.neededBytes + mine.lan.downBytes
}
const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

describe('an origin that thinks again', () => {
  it('goes back to older content, which costs a site the release alone, and withdraws it, which undoes nothing', async () => {
    await site()
    await publish('one')
    await applied(1)
    await publish('two')
    await applied(2)
    await deviceIs('client', ({ bundles }) => bundles[0]?.version === 2 && bundles[0].state === 'applied')
    const before = await fetched()
    expect(await bench.ask('origin', ['rollback', 'web', '--to', '1'])).toMatchObject({ version: 3, from: 1 })
    await applied(3)
    // Signed metadata and words take 7 to 9 kB; the package would be 200.
    expect((await fetched()) - before).toBeLessThan(40_000)
    expect(await readFile(bench.path('scratch/etc/motd'), 'utf8')).toBe('one')
    expect(await bench.ask('origin', ['unpublish', 'web'])).toEqual({ release: 5, withdrawn: ['web'] })
    const gone = await bundleIs('client', ({ state }) => state === 'withdrawn')
    expect(Date.parse(gone.withdrawnAt ?? '')).toBeGreaterThan(Date.now() - 60_000)
    const device = await deviceIs('client', ({ bundles }) => bundles[0]?.state === 'withdrawn')
    expect(device.bundles).toMatchObject([{ name: 'web', version: 3, state: 'withdrawn' }])
    expect(await readFile(bench.path('scratch/etc/motd'), 'utf8')).toBe('one')
    const waited = await bench.run(['wait', '--home', bench.path('client'), '--state', 'applied', '--timeout', '0s'])
    expect([waited.code, waited.stderr]).toEqual([1, expect.stringContaining('no bundle is meant for this member')])
  }, 120_000)

  it('has what is urgent applied outside the window, where the device allows it', async () => {
    await site('urgent: any\n')
    const windows = 'windows:\n  - { start: "2040-01-01T00:00", duration: PT1H }\n'
    await publish('usual', [], windows)
    await bundleIs('client', ({ state }) => state === 'prepared')
    expect(await publish('urgent', ['--urgent'], windows)).toBe(2)
    expect(await applied(2)).toMatchObject({ urgent: true, windowOpens: '2040-01-01T00:00:00.000Z' })
    const device = await deviceIs('client', ({ bundles }) => bundles[0]?.state === 'applied')
    expect(device.bundles[0]).toMatchObject({ urgent: true })
  }, 120_000)
})

describe('a device', () => {
  it('that is paused prepares and does not apply, also after a restart, and tells the origin why', async () => {
    await site()
    const pause = ['pause', '--until', '4h', '--reason', 'stocktaking']
    expect(await bench.ask('client', pause)).toMatchObject({ pauses: [{ bundle: null, reason: 'stocktaking' }] })
    await publish('one')
    await bundleIs('client', ({ state }) => state === 'prepared')
    const asked = await bench.run(['apply', '--now', '--home', bench.path('client')])
    expect([asked.code, asked.stdout]).toEqual([1, expect.stringMatching(/^not web: this machine is paused until/)])
    expect((await deviceIs('client', ({ pauses }) => pauses.length > 0)).pauses).toMatchObject([
      { bundle: null, reason: 'stocktaking', until: expect.any(String) },
    ])
    expect((await bench.run(['fleet', '--home', bench.path('origin')])).stdout).toMatch(
      /paused, ends in 4 h: stocktaking/,
    )
    await client.stop()
    client = await bench.daemon('client')
    await bundleIs('client', ({ state }) => state === 'prepared')
    expect((await bench.status('client')).pauses).toMatchObject([{ reason: 'stocktaking' }])
    expect(await bench.ask('client', ['resume'])).toMatchObject({ pauses: [] })
    await applied(1)
    await deviceIs('client', ({ pauses }) => pauses.length === 0)
  }, 120_000)

  it('that leaves tells the origin by its neighbour, ends, and leaves no file of ours behind', async () => {
    await site()
    await publish('one')
    await applied(1)
    const unsure = await bench.run(['leave', '--home', bench.path('client'), '--json'])
    expect([unsure.code, unsure.json]).toEqual([2, { error: expect.objectContaining({ code: 'UNCONFIRMED' }) }])
    const left = await bench.ask('client', ['leave', '--yes'])
    expect(left).toMatchObject({ name: 'client', told: 'origin', unreceipted: 0, stays: [] })
    expect(await client.exited).toBe(0)
    expect(await isThere(bench.path('client'))).toBe(false)
    expect(await readdir(bench.path('scratch/etc'))).toEqual(['motd'])
    const device = await deviceIs('client', (one) => one.left !== null)
    expect(Date.parse(device.left ?? '')).toBeGreaterThan(Date.now() - 60_000)
    expect((await bench.run(['fleet', '--home', bench.path('origin')])).stdout).toMatch(
      /client +client +berlin +\d+ +left /,
    )
  }, 120_000)
})

describe('a device that leaves while the origin is away', () => {
  it('hands the word to its neighbour, who carries it', async () => {
    await site()
    await deviceIs('client', ({ lastReport }) => lastReport !== null)
    await origin.stop()
    await until('the relay knows', async () => (await bench.status('relay')).peers.every(({ inside }) => inside))
    const before = (await bench.status('relay')).outbox
    const left = await bench.ask('client', ['leave', '--yes', '--wait', '2s'])
    expect(left).toMatchObject({ told: 'neighbour', stays: [] })
    expect((await bench.status('relay')).outbox).toBeGreaterThan(before)
    expect(await client.exited).toBe(0)
  }, 120_000)
})

describe('an origin', () => {
  it('leaves only where it is told that this is meant, and then with its keys', async () => {
    const refused = await bench.run(['leave', '--yes', '--home', bench.path('origin'), '--json'])
    expect([refused.code, refused.json]).toEqual([2, { error: expect.objectContaining({ code: 'LEAVE_ORIGIN' }) }])
    expect(await bench.ask('origin', ['leave', '--yes', '--origin'])).toMatchObject({ told: 'nobody', stays: [] })
    expect(await origin.exited).toBe(0)
    expect(await isThere(bench.path('origin'))).toBe(false)
  }, 30_000)
})

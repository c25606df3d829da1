/** `grapevine site` in a made-up world: what it says half-way, compared with what then happens. */
import { describe, expect, it } from 'vitest'
import { siteDocument, type SiteDocument } from '#node/site.ts'
import { SimulatedFleet, type FleetPlan } from '#sim/fleet.ts'
import type { Device } from '#sim/device.ts'

const line = { downBps: 8_000_000, upBps: 2_000_000, latencyUs: 20_000 }
const bytes = 16 * 1_048_576
const siteOf = (relays: number, clients: number, more: Partial<typeof line> = {}): FleetPlan => ({
  seed: 11,
  sites: [{ name: 'berlin', relays, clients, line: { ...line, ...more } }],
})

const documentOf = (fleet: SimulatedFleet, device: Device): SiteDocument => siteDocument(device.member, fleet.world.now)

/** Runs until the site has half of what is published. */
function atHalf(plan: FleetPlan, contents: readonly number[]): SimulatedFleet {
  const fleet = new SimulatedFleet(plan)
  fleet.start()
  const start = new Date(fleet.world.now + 7_200_000).toISOString().slice(0, 19)
  fleet.publish([{ name: 'web', contents, custom: { windows: [{ start, durationMs: 3_600_000, zone: 'UTC' }] } }])
  const total = contents.reduce((sum, length) => sum + length, 0)
  const isHalf = (): boolean => (fleet.network.uplinkBytes.get('berlin')?.downBytes ?? 0) > total / 2
  expect(fleet.run(600_000, isHalf)).toBe(true)
  return fleet
}

const isReady = (fleet: SimulatedFleet) => (): boolean =>
  fleet.devices.every((device) => {
    const readiness = device.member.agent?.readiness()
    return readiness?.bundles === 1 && readiness.prepared === 1
  })

describe('the forecast of a site', () => {
  it.each([
    ['with a relay', siteOf(1, 7), [bytes]],
    ['without a relay', siteOf(0, 8), [bytes]],
    [
      'of many contents on a thin line',
      siteOf(1, 4, { downBps: 1_000_000 }),
      Array.from({ length: 24 }, () => 150_000),
    ],
    ['of twenty-one', siteOf(1, 20, { downBps: 2_000_000 }), [bytes / 2]],
  ] as const)(
    'half-way is within 10 % of the truth, whoever of the site is asked: %s',
    (_what, plan, contents) => {
      const fleet = atHalf(plan, contents)
      const { now } = fleet.world
      const said = fleet.devices.map((device) => documentOf(fleet, device))
      expect(fleet.run(600_000, isReady(fleet))).toBe(true)
      const truthMs = fleet.world.now - now
      for (const document of said) {
        expect(document).toMatchObject({ ready: false, limit: 'line', window: { bundle: 'web' } })
        const forecastMs = Date.parse(document.readyAt ?? '') - now
        expect(forecastMs / truthMs).toBeGreaterThan(0.9)
        expect(forecastMs / truthMs).toBeLessThan(1.1)
      }
      // What was told last is heard some seconds later.
      fleet.run(5_000)
      for (const device of fleet.devices)
        expect(documentOf(fleet, device)).toMatchObject({ ready: true, limit: null, missingBytes: 0 })
    },
    60_000,
  )

  it('in a large site hears, on a question, of those too that it has no link with', () => {
    const fleet = atHalf(siteOf(1, 20), [50_000])
    fleet.run(20_000)
    const unheard = (): number => Math.max(...fleet.devices.map((device) => documentOf(fleet, device).unheard))
    expect(unheard()).toBeGreaterThan(0)
    for (const device of fleet.devices) device.feed({ type: 'survey' })
    fleet.run(500)
    expect(unheard()).toBe(0)
    for (const device of fleet.devices) {
      const { ready, members } = documentOf(fleet, device)
      expect([ready, members.map(({ state }) => state)]).toEqual([true, fleet.devices.map(() => 'ready')])
    }
  }, 60_000)

  it('says that nobody has it once the origin is gone, and when what is there has spread', () => {
    const fleet = atHalf(siteOf(1, 4), [bytes])
    fleet.origin.crash()
    fleet.run(60_000)
    for (const device of fleet.devices)
      expect(documentOf(fleet, device)).toMatchObject({ ready: false, limit: 'nobody-has-it', readyAt: null })
  })

  it('what is not to be fetched yet leaves the site waiting for its window', () => {
    const fleet = new SimulatedFleet(siteOf(1, 2))
    fleet.start()
    const start = new Date(fleet.world.now + 7_200_000).toISOString().slice(0, 19)
    const custom = { windows: [{ start, durationMs: 3_600_000, zone: 'UTC' }], aheadMs: 3_600_000 }
    fleet.publish([{ name: 'web', contents: [50_000], custom }])
    const states = (): unknown[] => fleet.devices.map((device) => documentOf(fleet, device).limit)
    fleet.run(60_000)
    expect(states()).toEqual(['waiting-for-window', 'waiting-for-window', 'waiting-for-window'])
    fleet.run(3_600_000)
    expect(states()).toEqual([null, null, null])
  })

  it('costs the line nothing', () => {
    const fleet = atHalf(siteOf(1, 4), [bytes])
    fleet.run(600_000, isReady(fleet))
    for (const { member, init } of [fleet.origin, ...fleet.devices])
      expect(member.protocol.ledger.control.other, init.name).toMatchObject({ downBytes: 0, upBytes: 0 })
  })
})

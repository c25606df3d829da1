/** Sites with a budget: the line never carries more, whoever acts, and a change of the budget loses nothing. */
import { describe, expect, it } from 'vitest'
import { after, instant, type Instant } from '#base/time.ts'
import { noBudget, type Budget } from '#protocol/budget.ts'
import { SimulatedFleet, type FleetPlan } from '#sim/fleet.ts'

const line = { downBps: 8_000_000, upBps: 2_000_000, latencyUs: 20_000 }
const contentBytes = 12 * 1_048_576
const start = instant(Date.UTC(2026, 2, 6, 16))
const capOf = 250_000
/** Two chunks, of which the last may be begun when there is room for its beginning only, and a second's gossip. */
const burst = 100_000

const always = (rates: Partial<Budget>) => (): Budget => ({ ...noBudget, ...rates })

/** Bytes over the line of a site, second by second, until every client has applied the bundle. */
function seconds(
  plan: Omit<FleetPlan, 'seed'>,
  site = 'berlin',
  direction: 'downBytes' | 'upBytes' = 'downBytes',
  bytes = contentBytes,
) {
  const fleet = new SimulatedFleet({ seed: 5, start, ...plan })
  fleet.publish([{ name: 'web', contents: [bytes] }])
  fleet.start(200)
  const crossed = (): number => fleet.network.uplinkBytes.get(site)?.[direction] ?? 0
  const perSecond: number[] = []
  const acted = new Set<string>()
  for (let done = false, before = 0; !done && perSecond.length < 400; before = crossed()) {
    done = fleet.run(1_000, () => fleet.isApplied('web'))
    perSecond.push(crossed() - before)
    for (const { init, member } of fleet.devices) if (member.protocol.standing.acting) acted.add(init.name)
  }
  expect(fleet.isApplied('web'), 'done').toBe(true)
  return { fleet, perSecond, acted }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

describe('a site with a budget of 2 Mbit/s on a line of 8', () => {
  it.each([
    [1, 4, 20_000],
    [2, 4, 20_000],
    [0, 6, 20_000],
    [1, 3, 300_000],
  ])(
    'of %i relays and %i clients, %i us away, stays below it in each second, and uses it',
    (relays, clients, latencyUs) => {
      const budget = always({ wanDown: capOf })
      const site = { name: 'berlin', relays, clients, line: { ...line, latencyUs }, budget }
      const { perSecond } = seconds({ sites: [site] })
      expect(Math.max(...perSecond)).toBeLessThanOrEqual(capOf + burst)
      const busy = perSecond.slice(3, -4)
      expect(sum(busy)).toBeLessThanOrEqual(capOf * busy.length + burst)
      expect(sum(perSecond)).toBeLessThan(contentBytes * 1.02)
      expect(contentBytes / (capOf * perSecond.length)).toBeGreaterThan(0.75)
    },
  )

  it('that changes with the minute carries more from then on, and everything once', () => {
    const later = after(start, 20_000)
    const budget = (now: Instant): Budget =>
      now < later ? { ...noBudget, wanDown: 62_500, until: later } : { ...noBudget, wanDown: 500_000 }
    const { perSecond } = seconds({ sites: [{ name: 'berlin', relays: 1, clients: 4, line, budget }] })
    expect(Math.max(...perSecond.slice(0, 20))).toBeLessThanOrEqual(62_500 + burst)
    expect(sum(perSecond.slice(0, 20))).toBeLessThanOrEqual(62_500 * 20 + burst)
    expect(sum(perSecond.slice(21, 31))).toBeGreaterThan(500_000 * 8)
    expect(sum(perSecond)).toBeLessThan(contentBytes * 1.02)
  })

  it('that lets nothing pass until the evening begins then, and nobody goes out in the place of who acts', () => {
    const evening = after(start, 60_000)
    const budget = (now: Instant): Budget => (now < evening ? { ...noBudget, wanDown: 0, until: evening } : noBudget)
    const { acted, perSecond } = seconds({ sites: [{ name: 'berlin', relays: 1, clients: 4, line, budget }] })
    expect(sum(perSecond.slice(0, 60))).toBeLessThan(30_000)
    expect(sum(perSecond)).toBeLessThan(contentBytes * 1.02)
    expect([...acted]).toEqual(['berlin-relay-0'])
  })

  it('that lets a chunk pass in 17 seconds only is waited for: nobody takes its place', () => {
    const site = { name: 'berlin', relays: 1, clients: 4, line, budget: always({ wanDown: 2_000 }) }
    const { acted, perSecond } = seconds({ sites: [site] }, 'berlin', 'downBytes', 500_000)
    expect(sum(perSecond)).toBeLessThan(2_000 * perSecond.length + burst)
    expect([...acted]).toEqual(['berlin-relay-0'])
  })
})

describe('an origin with an upload budget', () => {
  it('hands two sites their parts in turn, and no more than that in each second', () => {
    const sites = ['berlin', 'lyon'].map((name) => ({ name, relays: 1, clients: 2, line }))
    const { fleet, perSecond } = seconds({ sites, originBudget: always({ wanUp: capOf }) }, 'origin', 'upBytes')
    expect(Math.max(...perSecond)).toBeLessThanOrEqual(capOf + burst)
    expect((2 * contentBytes) / (capOf * perSecond.length)).toBeGreaterThan(0.75)
    expect(sum(perSecond)).toBeLessThan(2 * contentBytes * 1.02)
    const halves = sites.map(({ name }) => fleet.network.uplinkBytes.get(name)?.downBytes ?? 0)
    expect(Math.min(...halves)).toBeGreaterThan(contentBytes)
  })
})

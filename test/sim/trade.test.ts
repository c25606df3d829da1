/** Sites whose relays trade: the origin's uplink carries little more than one copy, and each site's line little more than once. */
import { describe, expect, it } from 'vitest'
import { SimulatedFleet, type SimulatedSite } from '#sim/fleet.ts'

const mebibyte = 1_048_576
const contentBytes = 8 * mebibyte
const even = { downBps: 8_000_000, upBps: 8_000_000, latencyUs: 20_000 }
const headOffice = { downBps: 10_000_000, upBps: 10_000_000, latencyUs: 5_000 }

interface Run {
  readonly fleet: SimulatedFleet
  /** Copies of the content that left the origin. */
  readonly copies: number
  /** Bytes that came down each line by the bytes of the content. */
  readonly factors: number[]
  readonly seconds: number
}

function fleetOf(sites: readonly SimulatedSite[], seed: number): SimulatedFleet {
  const fleet = new SimulatedFleet({ seed, sites, headOffice })
  fleet.publish([{ name: 'web', contents: [contentBytes] }])
  fleet.start(1000)
  return fleet
}

const copiesOf = ({ network }: SimulatedFleet): number =>
  (network.uplinkBytes.get('origin')?.upBytes ?? 0) / contentBytes

function run(sites: readonly SimulatedSite[], seed: number): Run {
  const fleet = fleetOf(sites, seed)
  expect(
    fleet.run(600_000, () => fleet.isApplied('web')),
    'done in time',
  ).toBe(true)
  return {
    fleet,
    copies: copiesOf(fleet),
    factors: sites.map(({ name }) => (fleet.network.uplinkBytes.get(name)?.downBytes ?? 0) / contentBytes),
    seconds: fleet.world.nowUs / 1e6,
  }
}

const sitesOf = (names: readonly string[], more: Partial<SimulatedSite> = {}): SimulatedSite[] =>
  names.map((name) => ({ name, relays: 1, clients: 4, line: even, trade: true, ...more }))
const three = ['berlin', 'lyon', 'oslo']

describe('three sites with as much upload as download, behind a thin head office', () => {
  it('cost its uplink little more than one copy where they trade, and are done twice as soon', () => {
    const traded = run(sitesOf(three), 1)
    expect(traded.copies).toBeLessThan(1.3)
    expect(Math.max(...traded.factors)).toBeLessThan(1.1)
    const alone = run(sitesOf(three, { trade: false }), 1)
    expect(alone.copies).toBeGreaterThan(3)
    expect(Math.max(...alone.factors)).toBeLessThan(1.1)
    expect(traded.seconds).toBeLessThan(alone.seconds * 0.6)
  })

  it('serve none that does not trade: it gets all from the origin', () => {
    const [berlin, lyon] = sitesOf(three.slice(0, 2))
    const [oslo] = sitesOf(three.slice(2), { trade: false })
    const { fleet, copies, factors } = run(
      [berlin, lyon, oslo].filter((each) => each !== undefined),
      2,
    )
    expect(copies).toBeGreaterThan(2)
    expect(copies).toBeLessThan(2.3)
    expect(Math.max(...factors)).toBeLessThan(1.1)
    expect(fleet.network.uplinkBytes.get('oslo')?.upBytes).toBeLessThan(contentBytes / 20)
  })

  it('go on where one of them falls silent half-way', () => {
    const fleet = fleetOf(sitesOf(three), 3)
    const [relay, ...others] = fleet.devices.filter(({ init }) => init.name.includes('relay'))
    fleet.run(60_000, () => copiesOf(fleet) > 0.5)
    if (relay) relay.behaviour = 'stalls'
    const sites = others.map(({ init }) => init.site)
    const left = fleet.devices.filter((device) => sites.includes(device.init.site) && !others.includes(device))
    expect(fleet.run(120_000, () => left.every((device) => device.applied.includes('web@1')))).toBe(true)
    expect(copiesOf(fleet)).toBeLessThan(3)
  })
})

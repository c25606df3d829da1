/** Sites whose uplink member fails in the middle: the site goes on, and the line carries little more than once. */
import { describe, expect, it } from 'vitest'
import type { Device } from '#sim/device.ts'
import { SimulatedFleet } from '#sim/fleet.ts'

const mebibyte = 1_048_576
const contentBytes = 16 * mebibyte
const line = { downBps: 8_000_000, upBps: 2_000_000, latencyUs: 20_000 }
const boundMs = (contentBytes * 8_000) / line.downBps
const bundle = { name: 'web', contents: [contentBytes] }

interface Site {
  readonly fleet: SimulatedFleet
  /** Bytes over the line by the bytes of the content. */
  readonly factor: () => number
  /** Runs until `done`; how long it took, in virtual ms. */
  readonly until: (done: () => boolean, maxMs?: number) => number
}

function siteOf(seed: number, relays: number, clients: number): Site {
  const fleet = new SimulatedFleet({ seed, sites: [{ name: 'berlin', relays, clients, line }] })
  fleet.publish([bundle])
  fleet.start(200)
  return {
    fleet,
    factor: () => (fleet.network.uplinkBytes.get('berlin')?.downBytes ?? 0) / contentBytes,
    until: (done, maxMs = 600_000) => {
      const startUs = fleet.world.nowUs
      expect(fleet.run(maxMs, done), 'done in time').toBe(true)
      return (fleet.world.nowUs - startUs) / 1000
    },
  }
}

const actingIn = ({ devices }: SimulatedFleet): Device[] =>
  devices.filter(({ member }) => member.protocol.standing.acting && member.protocol.standing.reach)
/** Half of the content is in the site. */
const isHalf = (site: Site) => (): boolean => site.factor() > 0.5
const applied = (devices: readonly Device[]) => (): boolean => devices.every((each) => each.applied.includes('web@1'))
const clientsOf = (fleet: SimulatedFleet): Device[] =>
  fleet.devices.filter(({ member }) => member.protocol.self.membership.role === 'client')

describe('a site of twenty that starts in the same second', () => {
  it.each([
    [0, 20],
    [1, 20],
    [2, 20],
  ])('with %i relays pulls every byte once, about as fast as its line carries', (relays, clients) => {
    const site = siteOf(3, relays, clients)
    const ms = site.until(applied(clientsOf(site.fleet)))
    expect(site.factor()).toBeLessThan(1.02)
    expect(ms / boundMs).toBeLessThan(1.15)
  })

  it('trades what came over the line: its uplink member hands out few copies', () => {
    const site = siteOf(4, 1, 20)
    site.until(applied(clientsOf(site.fleet)))
    const served = site.fleet.devices.map((device) => device.servedBytes / contentBytes)
    expect(served[0]).toBeLessThan(8)
    expect(Math.max(...served.slice(1))).toBeLessThan(6)
  })
})

describe.each([
  ['no relay', 0],
  ['a relay', 1],
])('a site with %s', (_, relays) => {
  it('whose uplink member is switched off half-way goes on with another, and fetches little twice', () => {
    const site = siteOf(5, relays, 8)
    site.until(isHalf(site))
    const [lost] = actingIn(site.fleet)
    lost?.crash()
    const left = clientsOf(site.fleet).filter((device) => device !== lost)
    const ms = site.until(applied(left))
    expect(site.factor()).toBeLessThan(1.1)
    expect(ms / boundMs).toBeLessThan(1.3)
  })

  it('whose uplink member stalls and says nothing passes its duty on', () => {
    const site = siteOf(6, relays, 8)
    site.until(isHalf(site))
    const [lost] = actingIn(site.fleet)
    if (lost) lost.behaviour = 'stalls'
    const left = clientsOf(site.fleet).filter((device) => device !== lost)
    const ms = site.until(applied(left))
    expect(site.factor()).toBeLessThan(1.1)
    expect(ms).toBeLessThan(boundMs + 30_000)
  })

  it('whose uplink member fetches and hands nothing on gets by without it, and without a second copy', () => {
    const site = siteOf(8, relays, 8)
    site.until(isHalf(site))
    const [lost] = actingIn(site.fleet)
    if (lost) lost.behaviour = 'keeps'
    const left = clientsOf(site.fleet).filter((device) => device !== lost)
    site.until(applied(left))
    expect(site.factor()).toBeLessThan(1.35)
  })

  it('whose uplink member hung for a moment goes on with it', () => {
    const site = siteOf(9, relays, 3)
    site.until(isHalf(site))
    const [hung] = actingIn(site.fleet)
    if (hung) hung.behaviour = 'keeps'
    site.fleet.run(2_500)
    if (hung) hung.behaviour = 'honest'
    const ms = site.until(applied(clientsOf(site.fleet)))
    expect(site.factor()).toBeLessThan(1.2)
    expect(ms).toBeLessThan(boundMs / 2 + 15_000)
  })

  it('whose uplink member hands out wrong bytes bans it and goes on', () => {
    const site = siteOf(7, relays, 8)
    site.until(isHalf(site))
    const [liar] = actingIn(site.fleet)
    if (liar) liar.behaviour = 'lies'
    const left = clientsOf(site.fleet).filter((device) => device !== liar)
    site.until(applied(left))
    expect(site.factor()).toBeLessThan(1.2)
  })
})

/** What the origin takes back, over a whole fleet. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { BundleReport } from '#facts/report.ts'
import { SimulatedFleet } from '#sim/fleet.ts'

const line = { downBps: 8_000_000, upBps: 2_000_000, latencyUs: 20_000 }
let fleet: SimulatedFleet

beforeEach(() => {
  fleet = new SimulatedFleet({
    seed: 7,
    sites: [
      { name: 'berlin', relays: 1, clients: 4, line },
      { name: 'lyon', relays: 0, clients: 3, line },
    ],
  })
  fleet.start()
  publish(1)
})

const clients = () => fleet.devices.filter(({ member }) => member.protocol.self.membership.role === 'client')
/** What the origin knows of a bundle on each client. */
const known = (name: string): (BundleReport | undefined)[] =>
  (fleet.origin.member.intake?.fleet.list() ?? [])
    .filter(({ role }) => role === 'client')
    .map(({ bundles }) => bundles.find((bundle) => bundle.name === name))
const servedBytes = (): number => [fleet.origin, ...fleet.devices].reduce((sum, device) => sum + device.servedBytes, 0)

function publish(version: number): void {
  fleet.publish([{ name: 'web', contents: [40_000, 1_000_000 + version] }])
  expect(fleet.run(120_000, () => fleet.isApplied('web'))).toBe(true)
}

describe('a bundle that is withdrawn', () => {
  it('is told as withdrawn by every device that applied it, and nothing is applied or fetched for it', () => {
    fleet.run(10_000)
    const [served, applied] = [servedBytes(), clients().flatMap((device) => device.applied).length]
    fleet.unpublish('web')
    expect(fleet.run(60_000, () => known('web').every((bundle) => bundle?.state === 'withdrawn'))).toBe(true)
    expect(known('web')).toHaveLength(7)
    expect(clients().map(({ member }) => member.agent?.status()[0]?.state)).toEqual(clients().map(() => 'withdrawn'))
    fleet.run(60_000)
    expect([servedBytes(), clients().flatMap((device) => device.applied).length]).toEqual([served, applied])
  })
})

describe('a bundle that is rolled back', () => {
  it('is applied anew by every device under the next number, and nobody fetches a chunk for it', () => {
    publish(2)
    fleet.run(10_000)
    const served = servedBytes()
    expect(served).toBeGreaterThan(2_000_000)
    fleet.rollback('web', 1)
    expect(fleet.run(60_000, () => fleet.isApplied('web'))).toBe(true)
    expect(clients().map((device) => device.applied)).toEqual(clients().map(() => ['web@1', 'web@2', 'web@3']))
    expect(servedBytes()).toBe(served)
    expect(fleet.run(60_000, () => known('web').every((bundle) => bundle?.version === 3))).toBe(true)
  })
})

describe('an urgent bundle', () => {
  it('overtakes the package that fills the line, and one that is not urgent does not', () => {
    const seconds = [true, false].map((urgent) => {
      fleet = new SimulatedFleet({ seed: 7, sites: [{ name: 'berlin', relays: 1, clients: 2, line }] })
      fleet.start()
      // Eight seconds of the line, asked for first and smaller, so that it goes first.
      fleet.publish([{ name: 'system', contents: [4_000_000, 4_000_000] }])
      fleet.run(2_000)
      fleet.publish([{ name: 'fix', contents: [5_000_000], custom: urgent ? { urgent } : {} }])
      const begun = fleet.world.now
      expect(fleet.run(120_000, () => fleet.isApplied('fix'))).toBe(true)
      return (fleet.world.now - begun) / 1_000
    })
    // Of virtual time: five for its own bytes on the line.
    expect(seconds[0]).toBeLessThan(8)
    expect(seconds[1]).toBeGreaterThan(11)
  })
})

describe('a device that is paused', () => {
  it('holds nobody up: the others apply, it has all it needs, and it applies when the time has come', () => {
    const [paused] = clients()
    const until = fleet.world.now + 600_000
    paused?.feed({ type: 'pause', pause: { since: fleet.world.now, until, reason: 'stocktaking' } })
    fleet.publish([{ name: 'web', contents: [40_000, 1_000_002] }])
    const others = clients().filter((device) => device !== paused)
    expect(fleet.run(120_000, () => others.every(({ applied }) => applied.includes('web@2')))).toBe(true)
    fleet.run(60_000)
    expect([paused?.member.agent?.status()[0]?.state, paused?.applied]).toEqual(['prepared', ['web@1']])
    const told = fleet.origin.member.intake?.fleet.list().filter(({ pauses }) => pauses.length > 0)
    expect(told?.map(({ name, pauses }) => [name, pauses[0]?.reason])).toEqual([[paused?.init.name, 'stocktaking']])
    expect(fleet.run(600_000, () => fleet.isApplied('web'))).toBe(true)
    expect(fleet.world.now).toBeGreaterThanOrEqual(until)
  })
})

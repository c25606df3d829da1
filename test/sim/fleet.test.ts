import { describe, expect, it } from 'vitest'
import { SimulatedFleet, type FleetPlan } from '#sim/fleet.ts'

const line = { downBps: 8_000_000, upBps: 2_000_000, latencyUs: 20_000 }
const dozen: FleetPlan = {
  seed: 7,
  sites: [
    { name: 'berlin', relays: 1, clients: 6, line },
    { name: 'lyon', relays: 0, clients: 4, line },
  ],
}
const bundle = { name: 'web', contents: [40_000, 3_000_000] }

function played(plan: FleetPlan): SimulatedFleet {
  const fleet = new SimulatedFleet(plan)
  fleet.start()
  fleet.publish([bundle])
  expect(fleet.run(120_000, () => fleet.isApplied('web'))).toBe(true)
  return fleet
}

describe('a simulated fleet', () => {
  it('a dozen members in two sites, with and without a relay, all apply what is published', () => {
    const fleet = played(dozen)
    expect(fleet.devices.flatMap((device) => device.applied)).toHaveLength(10)
  })

  it('the same seed gives the same trace, byte for byte, and another seed another', () => {
    const traces = [7, 7, 8].map((seed) => played({ ...dozen, seed, keepTrace: true }).trace)
    expect(traces[0]?.lines.join('\n')).toBe(traces[1]?.lines.join('\n'))
    const hashes = traces.map((trace) => trace.hash())
    expect(hashes[0]).toBe(hashes[1])
    expect(hashes[0]).not.toBe(hashes[2])
  })

  it('keeping the trace or not does not change the run', () => {
    const hashes = [true, false].map((keepTrace) => played({ ...dozen, keepTrace }).trace.hash())
    expect(hashes[0]).toBe(hashes[1])
  })

  it('each site pulls each byte over its line about once, whether it has a relay or not', () => {
    const fleet = played(dozen)
    const needed = 3_040_000
    for (const { name } of dozen.sites) {
      const bytes = fleet.network.uplinkBytes.get(name)?.downBytes ?? 0
      expect(bytes / needed, name).toBeGreaterThan(1)
      expect(bytes / needed, name).toBeLessThan(1.1)
    }
  })

  it('only uplink members talk to another site', () => {
    const fleet = played(dozen)
    fleet.run(5_000)
    for (const { name } of dozen.sites) {
      const outside = fleet.devices.filter(
        (device) => device.init.site === name && device.member.protocol.neighbours.list('outside').length > 0,
      )
      expect(
        outside.map((device) => device.init.name),
        name,
      ).toHaveLength(1)
    }
  })

  it('every report reaches the origin and every outbox is empty in the end', () => {
    const fleet = played(dozen)
    fleet.run(30_000)
    const reported = fleet.origin.member.intake?.fleet.list().filter((device) => device.bundles[0]?.state === 'applied')
    expect(reported).toHaveLength(10)
    expect(fleet.devices.map((device) => device.member.protocol.reports.waiting)).toEqual(fleet.devices.map(() => 0))
  })

  it('in a site without a relay each gets what is meant for it alone, whoever goes outside', () => {
    const fleet = new SimulatedFleet(dozen)
    fleet.start()
    const names = fleet.devices.map((device) => device.init.name).filter((name) => name.startsWith('lyon'))
    fleet.publish(
      names.map((name) => ({ name, contents: [50_000], custom: { select: { facts: { hostname: name } } } })),
    )
    const has = (): string[] => fleet.devices.flatMap((device) => device.applied)
    fleet.run(120_000, () => has().length === names.length)
    expect(has().toSorted()).toEqual(names.map((name) => `${name}@1`).toSorted())
  })

  it('with the origin gone, members that start late get everything from their neighbours', () => {
    const fleet = new SimulatedFleet(dozen)
    const [late, ...others] = fleet.devices.toReversed()
    fleet.origin.start(0)
    for (const device of others) device.start(0)
    fleet.publish([bundle])
    const early = (): boolean =>
      others.every((device) => device.init.name.includes('relay') || device.applied.length === 1)
    expect(fleet.run(120_000, early)).toBe(true)
    fleet.origin.crash()
    late?.start(fleet.world.nowUs)
    expect(fleet.run(60_000, () => late?.applied.length === 1)).toBe(true)
  })

  it('what no announcement told is caught up with by asking, in every site', () => {
    const fleet = new SimulatedFleet(dozen)
    fleet.start()
    fleet.run(20_000)
    fleet.network.losesGossip = true
    fleet.publish([bundle])
    expect(fleet.run(90_000, () => fleet.isApplied('web'))).toBe(true)
  })

  it('when the relay dies half-way, a client takes over and everybody still applies', () => {
    const fleet = new SimulatedFleet(dozen)
    fleet.start()
    fleet.publish([bundle])
    const relay = fleet.devices.find((device) => device.init.name === 'berlin-relay-0')
    const half = (): boolean => (fleet.network.uplinkBytes.get('berlin')?.downBytes ?? 0) > 1_500_000
    expect(fleet.run(60_000, half)).toBe(true)
    relay?.crash()
    expect(fleet.run(240_000, () => fleet.isApplied('web'))).toBe(true)
    expect((fleet.network.uplinkBytes.get('berlin')?.downBytes ?? 0) / 3_040_000).toBeLessThan(1.3)
  })

  it('applies nothing before the window opens, and all of it then', () => {
    const fleet = new SimulatedFleet(dozen)
    fleet.start()
    const start = new Date(fleet.world.now + 3_600_000).toISOString().slice(0, 19)
    fleet.publish([{ ...bundle, custom: { windows: [{ start, durationMs: 3_600_000, zone: 'UTC' }] } }])
    fleet.run(3_599_000)
    const clients = fleet.devices.filter((device) => !device.init.name.includes('relay'))
    expect(clients.map((device) => device.member.agent?.status()[0]?.state)).toEqual(clients.map(() => 'prepared'))
    expect(fleet.run(60_000, () => fleet.isApplied('web'))).toBe(true)
  })

  it('an idle hour costs a member next to nothing', () => {
    const fleet = played(dozen)
    fleet.run(60_000)
    const before = fleet.world.events
    fleet.run(3_600_000)
    expect((fleet.world.events - before) / 11 / 3600).toBeLessThan(0.1)
  })

  it('a second version is taken by all, and only it', () => {
    const fleet = played(dozen)
    fleet.publish([{ ...bundle, contents: [50_000] }])
    expect(fleet.run(60_000, () => fleet.isApplied('web'))).toBe(true)
    expect(new Set(fleet.devices.flatMap((device) => device.applied))).toEqual(new Set(['web@1', 'web@2']))
  })
})

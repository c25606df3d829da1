/** What devices say of themselves, over real members in a made-up world: whole once, then differences, and what weeks without a line leave. */
import { describe, expect, it } from 'vitest'
import { day, hour, minute } from '#base/time.ts'
import { changesBetween, packagesOf, packagesText } from '#facts/packages.ts'
import type { Device } from '#sim/device.ts'
import { SimulatedFleet } from '#sim/fleet.ts'
import { debianPackages } from '../support/debian.ts'

const line = { downBps: 2_000_000, upBps: 256_000, latencyUs: 20_000 }
/** Of TCP, TLS and Ethernet (docs/simulation.md: overhead). */
const lineOverhead = 1.05
/** What each device consists of, to be changed by a test. */
const lists = new Map<string, string>()
const list = (name: string): string => lists.get(name) ?? ''

/** A site whose devices consist of so many packages each, all known to the origin. */
function reported(clients: number, count: number): SimulatedFleet {
  lists.clear()
  const fleet = new SimulatedFleet({
    seed: 5,
    sites: [{ name: 'berlin', relays: 0, clients, line }],
    inventory: (name) => ({ packages: list(name), machine: { cpu: { threads: 4 }, system: { model: name } } }),
  })
  for (const [index, { init }] of fleet.devices.entries()) lists.set(init.name, debianPackages(count, index + 1))
  fleet.start()
  fleet.publish([{ name: 'web', contents: [20_000] }])
  expect(fleet.run(2 * minute, () => fleet.isApplied('web'))).toBe(true)
  fleet.run(2 * minute)
  return fleet
}

const install = (name: string, key: string, version: string): void =>
  void lists.set(name, packagesText(packagesOf(list(name)).set(key, version)))
const seen = (fleet: SimulatedFleet, { init }: Device): string | undefined => fleet.origin.packagesOf(init.peer)
const lineBytes = (fleet: SimulatedFleet): number => {
  const { downBytes, upBytes } = fleet.network.uplinkBytes.get('berlin') ?? { downBytes: 0, upBytes: 0 }
  return downBytes + upBytes
}
const entryOf = (fleet: SimulatedFleet, { init }: Device) =>
  fleet.origin.member.intake?.fleet.list().find(({ peer }) => peer === init.peer)

describe('the inventory of a device', () => {
  it('is at the origin with the first reports, package for package, and its machine', () => {
    const fleet = reported(3, 863)
    for (const device of fleet.devices) {
      expect(seen(fleet, device)).toBe(list(device.init.name))
      expect(entryOf(fleet, device)).toMatchObject({
        machine: { system: { model: device.init.name } },
        packages: { count: 863 },
        trust: { version: fleet.origin.member.protocol.self.set.versions().timestamp },
      })
      expect(device.outbox()).toEqual([])
    }
  })

  it.each([863, 3_000])(
    'of %i packages takes less than 40 kB up the line, with all that is said beside it',
    (count) => {
      const fleet = reported(1, count)
      expect(seen(fleet, fleet.devices[0] as Device)).toBe(list('berlin-client-0'))
      expect(fleet.network.uplinkBytes.get('berlin')?.upBytes).toBeLessThan(40_000 / lineOverhead)
    },
  )

  it('of 6,000 packages comes in parts, each within its bound, and is whole in the end', () => {
    const fleet = reported(1, 6_000)
    expect(fleet.devices.map((device) => seen(fleet, device))).toEqual([list('berlin-client-0')])
  })

  it('costs the line what changed, and an added package is at the origin within the hours between two looks', () => {
    const fleet = reported(1, 863)
    const [device] = fleet.devices as [Device]
    fleet.run(hour)
    const [before, quiet] = [lineBytes(fleet), entryOf(fleet, device)?.seq]
    install(device.init.name, 'nginx:amd64', '1.22.1-9+deb12u4')
    expect(fleet.run(6 * hour, () => seen(fleet, device) === list(device.init.name))).toBe(true)
    expect(entryOf(fleet, device)?.seq).toBe((quiet ?? 0) + 1)
    const said = fleet.origin.member.intake?.fleet.list()[0]?.packages
    expect(said?.count).toBe(864)
    // Beside the report: whatever the members say to each other in six hours.
    expect(lineBytes(fleet) - before).toBeLessThan(16_384)
  })

  it('is told at once after an apply', () => {
    const fleet = reported(1, 100)
    const [device] = fleet.devices as [Device]
    install(device.init.name, 'nginx:amd64', '1.22.1-9')
    fleet.publish([{ name: 'db', contents: [1_000] }])
    fleet.run(minute)
    expect(seen(fleet, device)).toBe(list(device.init.name))
  })

  it('on a day without news is said to be as it was, in less than a kilobyte', () => {
    const fleet = reported(1, 863)
    const [device] = fleet.devices as [Device]
    const sizes: number[] = []
    const send = fleet.origin.feed.bind(fleet.origin)
    fleet.origin.feed = (input) => {
      if (input.type === 'message' && input.bytes.byteLength > 250) sizes.push(input.bytes.byteLength)
      send(input)
    }
    const seq = entryOf(fleet, device)?.seq ?? 0
    fleet.run(3 * day + hour)
    expect(entryOf(fleet, device)?.seq).toBe(seq + 3)
    expect(entryOf(fleet, device)).toMatchObject({ bundles: [{ name: 'web' }], packages: { count: 863 } })
    expect(sizes).toHaveLength(3)
    expect(Math.max(...sizes)).toBeLessThan(400)
  })

  it('is told whole again where the origin lost it', () => {
    const fleet = reported(2, 863)
    const [device, other] = fleet.devices as [Device, Device]
    fleet.origin.feed({ type: 'packages-lost', peer: device.init.peer })
    const before = entryOf(fleet, other)?.inventorySeq
    expect([seen(fleet, device), seen(fleet, other)]).toEqual([undefined, list(other.init.name)])
    fleet.run(day + hour)
    expect(seen(fleet, device)).toBe(list(device.init.name))
    expect(entryOf(fleet, other)?.inventorySeq).toBe(before)
  })
})

describe('four weeks without a line, and 500 changes', () => {
  it(
    'leave no more than two reports in the outbox, whose newest comes first and tells it all',
    { timeout: 120_000 },
    () => {
      const fleet = reported(1, 863)
      const [device] = fleet.devices as [Device]
      const { name } = device.init
      const before = list(name)
      fleet.network.cut('berlin')
      let most = { count: 0, bytes: 0 }
      for (let change = 0; change < 500; change++) {
        install(name, `made-${change}:amd64`, `1.${change}`)
        // Each is noticed, as after an apply.
        device.feed({ type: 'inventory', inventory: { packages: list(name), machine: { cpu: { threads: 4 } } } })
        fleet.run((28 * day) / 500)
        const waiting = device.outbox()
        most = {
          count: Math.max(most.count, waiting.length),
          bytes: Math.max(
            most.bytes,
            waiting.reduce((sum, bytes) => sum + bytes, 0),
          ),
        }
      }
      expect(changesBetween(before, list(name)).size).toBe(500)
      expect(most.count).toBeLessThanOrEqual(2)
      expect(most.bytes).toBeLessThan(20_000)
      expect(seen(fleet, device)).toBe(before)
      const seqs: number[] = []
      const feed = fleet.origin.feed.bind(fleet.origin)
      fleet.origin.feed = (input) => {
        feed(input)
        const seq = entryOf(fleet, device)?.seq ?? 0
        if (seq !== seqs.at(-1)) seqs.push(seq)
      }
      fleet.network.mend('berlin')
      expect(fleet.run(hour, () => seen(fleet, device) === list(name))).toBe(true)
      // The first that came is the newest there was.
      expect(seqs.slice(1)).toEqual([Math.max(...seqs)])
      fleet.run(minute)
      expect(device.outbox()).toEqual([])
    },
  )
})

import { describe, expect, it } from 'vitest'
import { assert } from '#base/assert.ts'
import type { Device } from '#sim/device.ts'
import { SimulatedFleet } from '#sim/fleet.ts'

const line = { downBps: 8_000_000, upBps: 2_000_000, latencyUs: 20_000 }
const everyMs = 1_800_000
const minute = 60_000

function watching(mode: 'report' | 'repair'): { fleet: SimulatedFleet; clients: Device[]; device: Device } {
  const fleet = new SimulatedFleet({ seed: 5, sites: [{ name: 'berlin', relays: 1, clients: 12, line }] })
  for (const device of fleet.devices)
    device.watch = {
      drift: { everyMs, mode, outside: false },
      monitors: [{ name: 'answers', everyMs: minute, fails: 3, passes: 2 }],
    }
  fleet.start()
  fleet.publish([{ name: 'web', contents: [40_000] }])
  expect(fleet.run(120_000, () => fleet.isApplied('web'))).toBe(true)
  const clients = fleet.devices.filter((device) => device.member.protocol.self.membership.role === 'client')
  const [device] = clients
  assert(device, 'there are clients')
  return { fleet, clients, device }
}
const resource = '0:file:/etc/motd'
const finding = { bundle: 'web', resource, path: '/etc/motd', wanted: 'a', seen: 'b', since: 0 }
const known = (fleet: SimulatedFleet, device: Device) =>
  fleet.origin.member.intake?.fleet.list().find(({ peer }) => peer === device.init.peer)

describe('a fleet that looks for drift', () => {
  it('hears of what differs on a device within the interval, and since when', () => {
    const { fleet, device } = watching('report')
    fleet.run(3 * everyMs)
    device.differing = [finding]
    const from = fleet.world.now
    expect(fleet.run(everyMs + minute, () => (known(fleet, device)?.drift.length ?? 0) > 0)).toBe(true)
    const [told] = known(fleet, device)?.drift ?? []
    expect(told).toMatchObject({ resource, seen: 'b' })
    expect(told?.since).toBeGreaterThanOrEqual(from)
    expect(told?.since).toBeLessThanOrEqual(from + everyMs + 2_000)
    const since = told?.since
    fleet.run(2 * everyMs)
    expect(known(fleet, device)?.drift).toMatchObject([{ since }])
    expect(device.applied).toEqual(['web@1'])
    device.differing = []
    expect(fleet.run(everyMs + minute, () => known(fleet, device)?.drift.length === 0)).toBe(true)
  })

  it('does not look at once', () => {
    const { fleet, clients } = watching('report')
    fleet.run(10 * everyMs)
    const looks = clients.map((device) => device.looks.length)
    for (const count of looks) expect(count).toBeGreaterThanOrEqual(9)
    for (const count of looks) expect(count).toBeLessThanOrEqual(12)
    const firsts = clients.map((device) => Math.floor(((device.looks[0] ?? 0) - fleet.world.now) / minute))
    expect(new Set(firsts).size).toBeGreaterThan(6)
  })

  it('mends what differs where it is to, and the origin hears what was mended', () => {
    const { fleet, device } = watching('repair')
    device.differing = [finding]
    expect(fleet.run(everyMs + 2 * minute, () => (known(fleet, device)?.repaired.length ?? 0) > 0)).toBe(true)
    expect(known(fleet, device)).toMatchObject({ drift: [], repaired: [{ resource, seen: 'b' }] })
    expect(device.applied).toEqual(['web@1', 'web@1'])
  })
})

describe('a fleet with monitors', () => {
  it('hears of one that fails after so many fails, and of one that is well again', () => {
    const { fleet, device } = watching('report')
    const state = (): string | undefined => known(fleet, device)?.monitors[0]?.state
    expect(fleet.run(2 * minute, () => state() === 'ok')).toBe(true)
    device.checks = () => 'fail'
    fleet.run(1.5 * minute)
    expect(state()).toBe('ok')
    expect(fleet.run(3 * minute, () => state() === 'failing')).toBe(true)
    device.checks = () => 'pass'
    expect(fleet.run(3 * minute, () => state() === 'ok')).toBe(true)
  })
})

/** Whole fleets drawn by chance from a seed, some of whose members are switched off in the middle. */
import { describe, expect, it } from 'vitest'
import { Random } from '#base/random.ts'
import type { Device } from '#sim/device.ts'
import { SimulatedFleet, type SimulatedBundle } from '#sim/fleet.ts'

const seeds = [2, 5, 7, 16, 20, 30]

interface Drama {
  readonly fleet: SimulatedFleet
  readonly survivors: readonly Device[]
  readonly bundles: readonly SimulatedBundle[]
}

/** One to three sites with and without relays; a bundle for all and some for one client each; gossip may be lost. */
function dramaOf(seed: number): Drama {
  const random = new Random(`drama ${seed}`)
  const line = {
    downBps: 2_000_000 + random.below(8_000_000),
    upBps: 1_000_000,
    latencyUs: 5_000 + random.below(60_000),
  }
  const sites = ['berlin', 'lyon', 'rome'].slice(0, 1 + random.below(3)).map((name) => {
    return { name, relays: random.below(3), clients: 1 + random.below(6), line }
  })
  const fleet = new SimulatedFleet({ seed, sites })
  fleet.start(random.below(2) * 3_000)
  const own = fleet.devices.filter(isClient).filter(() => random.below(3) === 0)
  const bundles: SimulatedBundle[] = [
    { name: 'all', contents: [20_000, 400_000 + random.below(1_500_000)] },
    ...own.map(({ init: { name } }) => ({
      name: `only-${name}`,
      contents: [10_000 + random.below(200_000)],
      custom: { select: { facts: { hostname: name } } },
    })),
  ]
  fleet.run(random.below(10_000))
  fleet.network.losesGossip = random.below(4) === 0
  fleet.publish(bundles)
  const gone = new Set<Device>()
  for (let fault = random.below(5); fault > 0; fault--) {
    fleet.run(random.below(6_000))
    const device = random.pick(fleet.devices)
    const left = fleet.devices.filter(({ init }) => init.site === device?.init.site).length
    if (!device || gone.has(device) || left - gone.size < 2) continue
    device.crash()
    gone.add(device)
  }
  return { fleet, survivors: fleet.devices.filter((device) => !gone.has(device)), bundles }
}

const isClient = ({ member }: Device): boolean => member.protocol.self.membership.role === 'client'
const meantFor = ({ init }: Device, bundles: readonly SimulatedBundle[]): string[] =>
  bundles.map(({ name }) => name).filter((name) => name === 'all' || name === `only-${init.name}`)

describe('a fleet whose members are switched off at random', () => {
  it.each(seeds)('with seed %i: all that are left apply what is meant for them, and every report arrives', (seed) => {
    const { fleet, survivors, bundles } = dramaOf(seed)
    const clients = survivors.filter(isClient)
    const missing = (): string[] =>
      clients.flatMap((device) =>
        meantFor(device, bundles)
          .filter((name) => !device.applied.includes(`${name}@1`))
          .map((name) => `${device.init.name} lacks ${name}`),
      )
    fleet.run(300_000, () => missing().length === 0)
    expect(missing()).toEqual([])
    fleet.run(60_000)
    expect(survivors.map((device) => device.member.protocol.reports.waiting)).toEqual(survivors.map(() => 0))
    const listed = fleet.origin.member.intake?.fleet.list() ?? []
    const applied = clients.map(
      ({ init }) => listed.find(({ peer }) => peer === init.peer)?.bundles.map(({ state }) => state) ?? [],
    )
    expect(applied).toEqual(clients.map((device) => meantFor(device, bundles).map(() => 'applied')))
  })
})

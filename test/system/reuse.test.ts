/** What a new version costs on the line, with real processes: what is new in it, wherever the old bytes lie. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { concatBytes } from '#base/bytes.ts'
import type { StatusDocument } from '#node/status.ts'
import { madeBytes } from '../contracts/chunk-store.ts'
import { Bench, until } from '../support/program.ts'

let bench: Bench
beforeEach(async () => {
  bench = await Bench.make()
})
afterEach(() => bench.end())

/** An archive of 16 MiB, and its next version: 2 % changed in five places, and one insertion. */
const first = madeBytes('archive', 16_722_927)
const second = (() => {
  const changed = first.slice()
  for (let place = 0; place < 5; place++)
    changed.set(madeBytes(`change ${place}`, 67_088), 1_500_000 + place * 3_100_000)
  return concatBytes(changed.subarray(0, 8_000_003), madeBytes('insertion', 9_000), changed.subarray(8_000_003))
})()
const newBytes = 5 * 67_088 + 9_000

/** Prepared by both members, and never applied: its one window is far away. */
const policyText = (name: string): string => `policy: ${name}
select: { sites: [berlin] }
windows:
  - { start: "2040-01-01T00:00", duration: PT1H }
resources:
  - directory: { path: /nonexistent/grapevine-reuse }
`

/** Publishes a bundle with one package; what the site took from the line until both its members have prepared it. */
async function costOf(name: string, file: string, bytes: Uint8Array): Promise<number> {
  const members = ['relay', 'client'] as const
  const before = await Promise.all(members.map((member) => bench.status(member)))
  const policy = await bench.policy(name, { 'policy.yaml': policyText(name), [`packages/${file}`]: bytes })
  const published = (await bench.ask('origin', ['publish', policy])) as unknown as {
    readonly bundles: readonly { readonly version: number }[]
  }
  const prepared = await Promise.all(
    members.map((member) =>
      until(
        `${member} has prepared ${name}`,
        async () => {
          const status = await bench.status(member)
          const bundle = status.bundles.find((one) => one.name === name)
          return bundle?.version === published.bundles[0]?.version && bundle?.prepared === true && status
        },
        60_000,
      ),
    ),
  )
  const sum = (all: readonly StatusDocument[]): number =>
    all.reduce((bytesDown, { wan }) => bytesDown + wan.downBytes, 0)
  return sum(prepared) - sum(before)
}

describe('a new version', () => {
  it('costs the line what is new in it, once for the site, whatever the file and its bundle are called', async () => {
    await bench.origin()
    const origin = await bench.daemon('origin')
    await bench.member('relay', 'berlin', { role: 'relay', addresses: [origin.address] })
    await bench.member('client', 'berlin', { addresses: [origin.address] })
    await bench.daemon('relay')
    await bench.daemon('client')
    const whole = await costOf('tool', 'tool-1.deb', first)
    expect(whole).toBeGreaterThan(first.byteLength)
    expect(whole).toBeLessThan(1.01 * first.byteLength)
    const next = await costOf('tool', 'tool-1.deb', second)
    expect(next).toBeGreaterThan(newBytes)
    expect(next).toBeLessThan(1.2 * newBytes)
    const moved = await costOf('other', 'renamed.deb', second)
    expect(moved).toBeLessThan(32_768)
    const grown = await costOf('third', 'third.deb', concatBytes(second, madeBytes('appended', 100_000)))
    expect(grown).toBeLessThan(100_000 + 49_152)
  }, 200_000)
})

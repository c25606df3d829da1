/** A relay whose disk is full of what is assigned, with real processes: it says so, and its site is served all the same. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { madeBytes } from '../contracts/chunk-store.ts'
import { Bench, until } from '../support/program.ts'

let bench: Bench
beforeEach(async () => {
  bench = await Bench.make()
})
afterEach(() => bench.end())

/** Prepared by the clients, and never applied: its one window is far away. */
const policyText = (name: string): string => `policy: ${name}
windows:
  - { start: "2040-01-01T00:00", duration: PT1H }
resources:
  - directory: { path: /nonexistent/grapevine-quota }
`

async function publish(name: string, package_: Uint8Array): Promise<void> {
  const policy = await bench.policy(name, { 'policy.yaml': policyText(name), 'packages/tool.deb': package_ })
  await bench.ask('origin', ['publish', policy])
}

const isPrepared = (name: string, version: number): Promise<boolean> =>
  until(
    `${name} ${version} is prepared`,
    async () => {
      const { bundles } = await bench.status('client')
      return bundles.some((bundle) => bundle.name === name && bundle.version === version && bundle.prepared)
    },
    45_000,
  )

describe('a relay with a small quota', () => {
  it('holds what fits, says that more does not, and its client gets that too', async () => {
    await bench.origin()
    const origin = await bench.daemon('origin')
    const config = 'listen: ["/ip4/127.0.0.1/tcp/0"]\ndisk: { quota: 1 MiB }\n'
    await bench.member('relay', 'berlin', { role: 'relay', addresses: [origin.address], config })
    await bench.member('client', 'berlin', { addresses: [origin.address] })
    const relay = await bench.daemon('relay')
    await bench.daemon('client')
    await publish('small', madeBytes('small', 400_000))
    await isPrepared('small', 1)
    expect((await bench.status('client')).wan.downBytes).toBeLessThan(16_384)
    await publish('large', madeBytes('large', 900_000))
    await isPrepared('large', 1)
    const answer = await bench.run(['doctor', '--home', bench.path('relay'), '--json'])
    expect(answer.stdout).toMatch(/DISK_QUOTA/)
    expect(relay.words.match(/"event":"disk\.quota"/g)).toHaveLength(1)
    // Once over the line all the same: the client went outside for what its relay does not take.
    expect((await bench.status('client')).wan.downBytes).toBeLessThan(1_000_000)
    expect((await bench.status('relay')).wan.downBytes).toBeLessThan(500_000)
  }, 150_000)
})

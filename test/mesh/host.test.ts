/** Starting and stopping the host of a member: what is told when it cannot listen, and that nothing stays open. */
import { createServer, type AddressInfo, type Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { sha256 } from '#base/digest.ts'
import type { Address, FetchEnd } from '#protocol/link.ts'
import { linked, serveAll } from '../contracts/link.ts'
import { anyPort, Parties, startParty, until } from './parties.ts'

const parties = new Parties()
const home = { make: () => Promise.resolve([]), until }

afterEach(() => parties.stop())

const handles = (): string[] =>
  process
    .getActiveResourcesInfo()
    .filter((name) => /TCP|UDP|Timeout/.test(name))
    .toSorted()

async function occupied(): Promise<{ server: Server; address: Address }> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return { server, address: `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}` as Address }
}

describe('the host', () => {
  it('that finds its port in use says so, leaves nothing open, and starts when the port is free', async () => {
    const { server, address } = await occupied()
    const before = handles()
    await expect(startParty({ listen: [address] })).rejects.toMatchObject({
      code: 'MESH_PORT_IN_USE',
      exitCode: 2,
      where: address,
    })
    await until('nothing more is open than before', () => handles().length <= before.length)
    await new Promise((resolve) => {
      server.close(resolve)
    })
    const party = await parties.start({ listen: [address] })
    expect(party.mesh.addresses()).toEqual([`${address}/p2p/${party.peer}`])
  })

  it('of two addresses starts on both or on none', async () => {
    const { server, address } = await occupied()
    const before = handles()
    await expect(startParty({ listen: [anyPort, address] })).rejects.toMatchObject({ code: 'MESH_PORT_IN_USE' })
    await until('nothing more is open than before', () => handles().length <= before.length)
    server.close()
  })

  it('refuses what is no address of this machine, or none at all', async () => {
    for (const address of [
      'nonsense',
      '/ip4/192.0.2.1/tcp/0',
      '/ip4/1.2.3/tcp/9',
      '/ip4/127.0.0.1/udp/9',
      '/ip4/127.0.0.1/tcp/70000',
    ])
      await expect(startParty({ listen: [address as Address] }), address).rejects.toMatchObject({
        code: 'MESH_ADDRESS_INVALID',
        exitCode: 2,
        where: address,
      })
  })

  it('listens nowhere where it is told no address, and can still dial', async () => {
    const a = await parties.start({ listen: [] })
    const b = await parties.start()
    expect(a.mesh.addresses()).toEqual([])
    await linked(home, a, b)
  })

  it('stops in under 2 s with links and fetches open, tells all links down, and leaves nothing open', async () => {
    const before = handles()
    const hub = await parties.start()
    const others = await Promise.all([parties.start(), parties.start(), parties.start()])
    serveAll(hub, 60_000)
    const ends: FetchEnd[] = []
    const run = { content: sha256(new Uint8Array()), first: 0, count: 256 }
    for (const other of others) {
      const { ab } = await linked(home, other, hub)
      const onChunk = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))
      void other.links.fetch(ab, run, onChunk, new AbortController().signal).then((end) => ends.push(end))
    }
    const dialling = others[0].links.dial('/ip4/192.0.2.1/tcp/9' as Address).catch(() => 'failed')
    const start = performance.now()
    await hub.stop()
    expect(performance.now() - start).toBeLessThan(2_000)
    expect(hub.events.downs.map(({ reason }) => reason)).toEqual(['STOPPING', 'STOPPING', 'STOPPING'])
    await until('the others know', () => others.every(({ events }) => events.downs.length === 1))
    await until('their fetches end', () => ends.length === 3)
    expect(new Set(ends)).toEqual(new Set(['failed']))
    expect(await hub.links.publish(new Uint8Array(3))).toBe(0)
    const again = performance.now()
    await parties.stop()
    expect(performance.now() - again).toBeLessThan(2_000)
    expect(await dialling).toBe('failed')
    await until('nothing more is open than before', () => handles().length <= before.length)
  })

  it('survives a handler that throws, and says so in its log', async () => {
    const errors: unknown[] = []
    const log = { debug() {}, info() {}, warn() {}, error: (event: string) => void errors.push(event) }
    const a = await parties.start()
    const b = await parties.start({ log })
    b.events.onMessage = () => {
      throw new TypeError('our mistake')
    }
    const { ab, ba } = await linked(home, a, b)
    a.links.send(ab, new Uint8Array(1))
    a.links.send(ab, new Uint8Array(1))
    await until('it is logged', () => errors.length === 2)
    expect(errors).toEqual(['mesh.handler-failed', 'mesh.handler-failed'])
    expect(b.events.downs.some(({ link }) => link === ba)).toBe(false)
  })
})

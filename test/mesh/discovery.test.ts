import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { concatBytes, utf8 } from '#base/bytes.ts'
import { silentLog } from '#base/log.ts'
import { Discovery, type DiscoveryInit } from '#mesh/discovery.ts'
import type { Address } from '#protocol/link.ts'
import { signingKey } from '#trust/keys.ts'
import { peerIdOf, type PeerId } from '#trust/peer-id.ts'
import { seedOf, until } from './parties.ts'

const tag = utf8('0123456789abcdef')
const group = '224.0.0.179'
const running: { stop(): void }[] = []

afterEach(() => running.splice(0).forEach((one) => one.stop()))

interface Neighbour {
  readonly peer: PeerId
  readonly seen: { address: Address; peer: PeerId; atMs: number }[]
  readonly warnings: string[]
  readonly discovery: Discovery
}

const peerOf = (label: string): PeerId => peerIdOf(signingKey(seedOf(label)).public)

/** A UDP port that nobody has; tests beside each other must not hear each other. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

async function neighbour(label: string, init: Partial<DiscoveryInit> & { port: number }): Promise<Neighbour> {
  const seen: Neighbour['seen'] = []
  const warnings: string[] = []
  const peer = peerOf(label)
  const discovery = new Discovery({
    tag,
    peer,
    addresses: () => [`/ip4/127.0.0.1/tcp/4711/p2p/${peer}` as Address],
    seen: (address, from) => void seen.push({ address, peer: from, atMs: performance.now() }),
    log: { ...silentLog, warn: (event, fields) => void warnings.push(`${event} ${String(fields?.['interface'])}`) },
    ...init,
  })
  running.push(discovery)
  await discovery.start()
  return { peer, seen, warnings, discovery }
}

/** A stranger's socket on loopback that says what it likes, and hears what is said. */
async function stranger(port: number): Promise<{ say: (bytes: Uint8Array) => Promise<void>; heard: Uint8Array[] }> {
  const socket: Socket = createSocket({ type: 'udp4', reuseAddr: true })
  running.push({ stop: () => socket.close() })
  const heard: Uint8Array[] = []
  socket.on('message', (bytes) => void heard.push(new Uint8Array(bytes)))
  socket.bind(port)
  await once(socket, 'listening')
  socket.addMembership(group, '127.0.0.1')
  socket.setMulticastInterface('127.0.0.1')
  const say = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => socket.send(bytes, port, group, (error) => (error ? reject(error) : resolve())))
  return { say, heard }
}

function datagram(
  peer: string,
  parts: { magic?: string; kind?: number; tag?: Uint8Array; port?: number } = {},
): Uint8Array {
  const port = parts.port ?? 99
  return concatBytes(
    utf8(parts.magic ?? 'GVL1'),
    Uint8Array.of(parts.kind ?? 1),
    parts.tag ?? tag,
    Uint8Array.of(port >> 8, port & 255, peer.length),
    utf8(peer),
  )
}

describe('LAN discovery', () => {
  it('finds a neighbour on the same machine by one query, and is found by it, at once', async () => {
    const port = await freePort()
    const [a, b] = [await neighbour('a', { port }), await neighbour('b', { port })]
    const asked = performance.now()
    a.discovery.query()
    await until('both are seen', () => a.seen.length > 0 && b.seen.length > 0)
    expect(a.seen[0]).toMatchObject({ address: `/ip4/127.0.0.1/tcp/4711/p2p/${b.peer}`, peer: b.peer })
    expect(b.seen[0]).toMatchObject({ address: `/ip4/127.0.0.1/tcp/4711/p2p/${a.peer}`, peer: a.peer })
    expect((a.seen[0]?.atMs ?? 0) - asked).toBeLessThan(500)
  })

  it('says only on the interfaces where it listens, and nothing where it does not listen at all', async () => {
    const port = await freePort()
    const asker = await neighbour('asker', { port })
    const everywhere = (): Address[] =>
      Object.values(networkInterfaces())
        .flatMap((list) => list ?? [])
        .filter(({ family }) => family === 'IPv4')
        .map(({ address }) => `/ip4/${address}/tcp/4712` as Address)
    const open = await neighbour('open', { port, addresses: everywhere })
    const local = await neighbour('local', { port })
    await neighbour('deaf', { port, addresses: () => [] })
    open.discovery.query()
    asker.discovery.query()
    const told = (peer: PeerId): string[] =>
      asker.seen.filter((seen) => seen.peer === peer).map(({ address }) => address.split('/tcp')[0] ?? '')
    await until('all places of the open one are seen', () => new Set(told(open.peer)).size === everywhere().length)
    await until('the local one is seen', () => told(local.peer).length > 0)
    expect(new Set(told(local.peer))).toEqual(new Set(['/ip4/127.0.0.1']))
    expect(asker.seen.filter(({ peer }) => peer === peerOf('deaf'))).toEqual([])
  })

  it('neither hears members of another fleet or site, nor is heard by them', async () => {
    const port = await freePort()
    const a = await neighbour('a', { port })
    const other = await neighbour('other', { port, tag: utf8('another sixteen!') })
    const b = await neighbour('b', { port })
    other.discovery.query()
    a.discovery.query()
    await until('its own are seen', () => a.seen.length > 0 && b.seen.length > 0)
    expect(other.seen).toEqual([])
    expect(a.seen.map(({ peer }) => peer)).not.toContain(other.peer)
  })

  it('drops datagrams that are none of ours, and answers none of them', async () => {
    const port = await freePort()
    const a = await neighbour('a', { port })
    const { say, heard } = await stranger(port)
    const peer = peerOf('stranger')
    const good = datagram(peer)
    const junk = [
      new Uint8Array(0),
      utf8('GVL1'),
      good.subarray(0, 24),
      good.subarray(0, good.length - 1),
      concatBytes(good, Uint8Array.of(0)),
      new Uint8Array(1_400).fill(1),
      concatBytes(good, new Uint8Array(9_000)),
      datagram(peer, { magic: 'GVL2' }),
      datagram(peer, { tag: new Uint8Array(16) }),
      datagram(peer, { port: 0 }),
      good.map((byte, at) => (at === 23 ? byte + 1 : byte)),
      datagram(`${peer.slice(0, -1)}0`),
      datagram('../../../etc/passwd'),
      datagram('\n'.repeat(52)),
      // Its own words come back to it; they must not make it its own neighbour.
      datagram(a.peer),
    ]
    for (const bytes of junk) await say(bytes)
    await say(good)
    await until('the good one is seen', () => a.seen.length > 0)
    await until('it is answered', () => heard.some((bytes) => bytes[4] === 2))
    expect(a.seen.map(({ address }) => address)).toEqual([`/ip4/127.0.0.1/tcp/99/p2p/${peer}`])
    expect(heard.filter((bytes) => bytes[4] === 2)).toHaveLength(1)
  })

  it('answers a flood of queries with ten datagrams a second, and still answers whoever asks last', async () => {
    const port = await freePort()
    await neighbour('a', { port })
    const { say, heard } = await stranger(port)
    const answers = (): number => heard.filter((bytes) => bytes[4] === 2).length
    const begun = performance.now()
    for (let at = 0; at < 200; at++) await say(datagram(peerOf('stranger'), { port: at + 1 }))
    await until('an answer came', () => answers() > 0)
    const before = answers()
    await say(datagram(peerOf('stranger')))
    await until('the last one is answered', () => answers() > before)
    expect(answers()).toBeLessThanOrEqual(2 + Math.ceil((performance.now() - begun) / 100))
  })

  it('is quiet where the port is taken, says so once, and is back at the next query after it is free', async () => {
    const port = await freePort()
    const thief = createSocket({ type: 'udp4' })
    thief.bind({ port, exclusive: true })
    await once(thief, 'listening')
    const a = await neighbour('a', { port })
    const places = a.discovery.state().length
    a.discovery.query()
    await sleep(20)
    expect(a.discovery.state().every(({ ok, error }) => !ok && /EADDRINUSE/.test(error ?? ''))).toBe(true)
    expect(a.warnings).toHaveLength(places)
    thief.close()
    await once(thief, 'close')
    const b = await neighbour('b', { port })
    a.discovery.query()
    await until('they see each other', () => a.seen.length > 0 && b.seen.length > 0)
    expect(a.discovery.state().every(({ ok }) => ok)).toBe(true)
  })

  it('opens nothing again after its end', async () => {
    const port = await freePort()
    const a = await neighbour('a', { port })
    a.discovery.stop()
    a.discovery.query()
    await sleep(20)
    expect(a.discovery.state()).toEqual([])
    const b = await neighbour('b', { port })
    b.discovery.query()
    await sleep(50)
    expect(a.seen).toEqual([])
  })
})

/** Strangers and half strangers (protocol.md §1): plain libp2p against a member that has not admitted it. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Connection, Stream } from '@libp2p/interface'
import { utf8 } from '#base/bytes.ts'
import { Gate } from '#mesh/gate.ts'
import type { Address, LinkId } from '#protocol/link.ts'
import { linked, publishUntil, serveAll } from '../contracts/link.ts'
import { Parties, until, type MeshParty } from './parties.ts'
import { askFrame, bytesOf, fetchProtocol, gossipProtocol, linkProtocol, Stranger } from './stranger.ts'

const topic = 'grapevine/test/head'
const parties = new Parties()
const home = { make: () => Promise.resolve([]), until }

afterEach(() => parties.stop())

async function memberAndStranger(strangerMs = 400): Promise<{ member: MeshParty; stranger: Stranger }> {
  const member = await parties.start({ strangerMs })
  const stranger = parties.keep(await Stranger.start(topic))
  return { member, stranger }
}

/** Opens a stream; undefined where the member does not let it live. */
async function openOrNot(connection: Connection, protocol: string): Promise<Stream | undefined> {
  try {
    return await connection.newStream(protocol)
  } catch {
    return undefined
  }
}

describe('a stranger', () => {
  it('who opens no link is told no topic, gets no message, is not asked or answered, and is closed', async () => {
    const { member, stranger } = await memberAndStranger(1_500)
    const friend = await parties.start()
    await linked(home, friend, member)
    const connection = await stranger.connect(member.address)
    const gossip = await openOrNot(connection, gossipProtocol)
    const fetch = await openOrNot(connection, fetchProtocol)
    await until('the fetch stream is refused', () => fetch?.status !== 'open')
    await publishUntil(home, friend, 'secret', () => member.events.gossips.length > 0)
    await until('the stranger is closed', () => connection.status !== 'open')
    expect(stranger.topicsTold).toEqual([])
    expect(stranger.heard).toEqual([])
    expect(member.events.asks).toEqual([])
    expect(gossip?.status).not.toBe('open')
    expect(member.events.ups.map(({ peer }) => peer)).toEqual([friend.peer])
  })

  it('who opens a link, but is not admitted, is told no topic, gets no message, and is served nothing', async () => {
    const { member, stranger } = await memberAndStranger()
    const friend = await parties.start()
    await linked(home, friend, member)
    serveAll(member)
    const connection = await stranger.connect(member.address)
    const control = await connection.newStream(linkProtocol)
    const answer = bytesOf(control)
    await until('the link is up', () => member.events.ups.length === 2)
    const fetch = await connection.newStream(fetchProtocol)
    const got = bytesOf(fetch)
    fetch.send(askFrame(7, 0, 1))
    await publishUntil(home, friend, 'secret', () => member.events.gossips.length > 0)
    await until('the ask is denied', () => got().byteLength > 0)
    expect(new TextDecoder().decode(got())).toContain('NOT_ADMITTED')
    expect(member.events.asks).toEqual([])
    // Some heartbeats of gossipsub would not tell it either: the gate never showed it the peer.
    expect(stranger.topicsTold).toEqual([])
    expect(stranger.heard).toEqual([])
    expect(answer().byteLength).toBe(0)
    // The protocol machine closes it; the mesh does what it is told.
    const link = member.events.ups[1]?.link
    if (link !== undefined) member.links.close(link, 'NOT_A_MEMBER')
    await until('the stranger is closed', () => connection.status !== 'open')
  })

  it('who publishes what it guessed is not heard', async () => {
    const { member, stranger } = await memberAndStranger(60_000)
    const connection = await stranger.connect(member.address)
    const gossip = await connection.newStream(gossipProtocol)
    // A whole RPC of gossipsub: one message on our topic.
    const data = utf8('forged')
    const message = Uint8Array.of(0x12, data.length, ...data, 0x22, topic.length, ...utf8(topic))
    const rpc = Uint8Array.of(0x12, message.length, ...message)
    gossip.send(Uint8Array.of(rpc.length, ...rpc))
    await connection.newStream(linkProtocol)
    await until('the link is up', () => member.events.ups.length === 1)
    expect(member.events.gossips).toEqual([])
    // The bytes were not lost, only held: with the admission they are judged.
    const link = member.events.ups[0]?.link
    if (link !== undefined) member.links.admit(link)
    await until('it is heard now', () => member.events.gossips.length === 1)
  })

  it('whose held gossip stream died can still be admitted, and gossips on another', async () => {
    const { member, stranger } = await memberAndStranger(60_000)
    const connection = await stranger.connect(member.address)
    await connection.newStream(linkProtocol)
    const gossip = await connection.newStream(gossipProtocol)
    await until('the link is up', () => member.events.ups.length > 0)
    // An answer that was asked for later tells that the member has seen what came before.
    const marker = await connection.newStream(fetchProtocol)
    const answers = bytesOf(marker)
    marker.send(askFrame(1, 0, 1))
    await until('the stream is held', () => answers().byteLength > 0)
    gossip.abort(new TypeError('the stream breaks'))
    const before = answers().byteLength
    marker.send(askFrame(2, 0, 1))
    await until('its end is known', () => answers().byteLength > before)
    member.links.admit(member.events.ups[0]?.link as LinkId)
    await until('the member told its topics', () => stranger.topicsTold.includes(topic))
    expect(member.events.downs).toEqual([])
  })

  it('holds no more than a few streams of each kind, and 32 in all', async () => {
    const { member, stranger } = await memberAndStranger(60_000)
    const connection = await stranger.connect(member.address)
    const opened: Stream[] = []
    for (const protocol of [linkProtocol, fetchProtocol, gossipProtocol])
      for (let at = 0; at < 20; at++) {
        const stream = await openOrNot(connection, protocol)
        if (stream) opened.push(stream)
      }
    const openOf = (protocol: string): number =>
      connection.streams.filter((stream) => stream.protocol === protocol && stream.status === 'open').length
    await until(
      'the surplus is gone',
      () => openOf(linkProtocol) <= 1 && openOf(fetchProtocol) <= 2 && openOf(gossipProtocol) <= 8,
    )
    expect(openOf(linkProtocol)).toBe(1)
    expect(connection.streams.length).toBeLessThanOrEqual(32)
  })

  it('that a member dials gets nothing of it, and no link', async () => {
    const { member, stranger } = await memberAndStranger()
    await expect(member.links.dial(stranger.address)).rejects.toMatchObject({ code: 'DIAL_FAILED' })
    expect(member.events.ups).toEqual([])
    await until('nothing is left open', () => stranger.node.getConnections().length === 0)
    expect(stranger.topicsTold).toEqual([])
  })

  it('that a member dials, and that answers links, gets no topic, no message, and no chunk before it is admitted', async () => {
    const { member, stranger } = await memberAndStranger()
    await stranger.node.handle(linkProtocol, () => {})
    serveAll(member)
    await member.links.dial(stranger.address)
    const [connection] = stranger.node.getConnections()
    const fetch = await connection?.newStream(fetchProtocol)
    const got = fetch && bytesOf(fetch)
    fetch?.send(askFrame(1, 0, 1))
    expect(await member.links.publish(utf8('secret'))).toBe(0)
    await until('the ask is denied', () => (got?.().byteLength ?? 0) > 0)
    expect(member.events.asks).toEqual([])
    expect(stranger.topicsTold).toEqual([])
  })

  it('that opens a link the other way round, on a connection that the member made, gets none', async () => {
    const { member, stranger } = await memberAndStranger()
    const opened: Promise<Stream | undefined>[] = []
    stranger.node.addEventListener('connection:open', ({ detail }) => opened.push(openOrNot(detail, linkProtocol)))
    await expect(member.links.dial(stranger.address)).rejects.toMatchObject({ code: 'DIAL_FAILED' })
    const [stream] = await Promise.all(opened)
    expect(opened).toHaveLength(1)
    await until('its stream is gone', () => stream?.status !== 'open')
    expect(member.events.ups).toEqual([])
  })
})

describe('gossip', () => {
  it('of 8 members in a ring reaches all of them, each once', async () => {
    const ring = await Promise.all(Array.from({ length: 8 }, () => parties.start()))
    for (const [at, member] of ring.entries()) await linked(home, member, ring[(at + 1) % 8] as MeshParty)
    const [first, ...others] = ring as [MeshParty, ...MeshParty[]]
    await publishUntil(home, first, 'news', (sent) =>
      others.every(({ events }) => sent.some((text) => events.gossips.includes(text))),
    )
    for (const { events } of others) expect(events.gossips.length).toBe(new Set(events.gossips).size)
    expect(first.events.gossips).toEqual([])
  })

  it('flows again after its streams were broken below it', async () => {
    const { member, stranger } = await memberAndStranger()
    const connection = await stranger.connect(member.address)
    await connection.newStream(linkProtocol)
    await until('the link is up', () => member.events.ups.length === 1)
    member.links.admit(member.events.ups[0]?.link ?? (0 as never))
    await publishUntil(home, member, 'before', (sent) => sent.some((text) => stranger.heard.includes(text)))
    for (const stream of connection.streams)
      if (stream.protocol === gossipProtocol) stream.abort(new TypeError('broken'))
    await until('the old stream is gone', () => !connection.streams.some(isGossipFromMember))
    await until('the member opens another', () => connection.streams.some(isGossipFromMember))
    await publishUntil(home, member, 'after', (sent) => sent.some((text) => stranger.heard.includes(text)))
    expect(member.events.downs).toEqual([])
  })
})

const isGossipFromMember = (stream: Stream): boolean =>
  stream.protocol === gossipProtocol && stream.direction === 'inbound'

describe('the gate', () => {
  /** A gate with one topology behind it, which writes down what it is shown. */
  async function gated(): Promise<{
    gate: Gate
    shown: string[]
    connection: (name: string, peer: string) => Connection
  }> {
    const shown: string[] = []
    const gate = new Gate({} as never)
    const names = new Map<unknown, string>()
    await gate.registrar().register(gossipProtocol, {
      onConnect: (_peer: unknown, connection: unknown) => void shown.push(`connect ${names.get(connection)}`),
      onDisconnect: (peer: unknown) => void shown.push(`disconnect ${String(peer)}`),
    })
    const connection = (name: string, peer: string): Connection => {
      const remotePeer = { equals: (other: unknown) => String(other) === peer, toString: () => peer }
      const made = { remotePeer } as unknown as Connection
      names.set(made, name)
      return made
    }
    return { gate, shown, connection }
  }

  it('keeps a peer that has another link, and shows that one when the first is closed', async () => {
    const { gate, shown, connection } = await gated()
    const [first, second] = [connection('first', 'P'), connection('second', 'P')]
    gate.admit(first)
    gate.admit(second)
    gate.gone(first)
    expect(shown).toEqual(['connect first', 'connect second'])
    gate.closed(first)
    expect(shown).toEqual(['connect first', 'connect second', 'connect second'])
    gate.gone(second)
    gate.closed(second)
    expect(shown.slice(3)).toEqual(['disconnect P'])
  })

  it('shows nothing of a connection that was never admitted, and admits once', async () => {
    const { gate, shown, connection } = await gated()
    const [one, other] = [connection('one', 'P'), connection('other', 'Q')]
    gate.admit(one)
    gate.admit(one)
    gate.gone(other)
    gate.closed(other)
    expect(shown).toEqual(['connect one'])
  })
})

describe('a dial', () => {
  it('to nonsense, to a closed port and to somebody else fails, and says where', async () => {
    const member = await parties.start()
    for (const address of ['nonsense', '/ip4/127.0.0.1/tcp/1', '/ip4/127.0.0.1/udp/9'] as Address[])
      await expect(member.links.dial(address)).rejects.toMatchObject({ code: 'DIAL_FAILED', where: address })
  })

  it('made twice at the same time makes two links', async () => {
    const [a, b] = [await parties.start(), await parties.start()]
    const links = await Promise.all([a.links.dial(b.address), a.links.dial(b.address), a.links.dial(b.address)])
    expect(new Set(links).size).toBe(3)
    await until('all are up', () => a.events.ups.length === 3 && b.events.ups.length === 3)
  })
})

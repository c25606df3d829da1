/** What no honest neighbour sends, on a link that is up and admitted: the link ends with its reason, and the member lives on. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Connection, Stream } from '@libp2p/interface'
import { sha256 } from '#base/digest.ts'
import type { FetchEnd, LinkId } from '#protocol/link.ts'
import { frameOf } from '#mesh/frames.ts'
import type { MeshInit } from '#mesh/host.ts'
import { sever } from '#mesh/link.ts'
import { linked, serveAll } from '../contracts/link.ts'
import { Parties, until, type MeshParty } from './parties.ts'
import { askFrame, bytesOf, chunkFrame, fetchProtocol, linkProtocol, Stranger } from './stranger.ts'

const parties = new Parties()
const home = { make: () => Promise.resolve([]), until }
const run = { content: sha256(new Uint8Array()), first: 0, count: 4 }

afterEach(() => parties.stop())

interface Joined {
  readonly member: MeshParty
  readonly stranger: Stranger
  readonly connection: Connection
  readonly control: Stream
  readonly link: LinkId
}

/** A stranger with an admitted link: what a member is that turned bad. */
async function joined(init: Partial<MeshInit> = {}): Promise<Joined> {
  const member = await parties.start(init)
  const stranger = parties.keep(await Stranger.start('grapevine/test/head'))
  const connection = await stranger.connect(member.address)
  const control = await connection.newStream(linkProtocol)
  await until('the link is up', () => member.events.ups.length === 1)
  const link = member.events.ups[0]?.link as LinkId
  member.links.admit(link)
  return { member, stranger, connection, control, link }
}

/** The link is ended for this reason, and the member still takes another one. */
async function endsAs({ member, connection, link }: Joined, reason: string): Promise<void> {
  await until(`the link is ended as ${reason}`, () => member.events.downs.length === 1)
  expect(member.events.downs).toEqual([{ link, reason }])
  await until('the connection is closed', () => connection.status !== 'open')
  const other = await parties.start()
  const { ab } = await linked(home, other, member)
  serveAll(member)
  expect(await other.links.fetch(ab, run, async () => {}, new AbortController().signal)).toBe('done')
}

describe('a link', () => {
  it('is ended by a message over the limit, before anything of it is kept', async () => {
    const parts = await joined()
    parts.control.send(Uint8Array.of(0, 3, 0, 1))
    await endsAs(parts, 'FRAME_TOO_LARGE')
    expect(parts.member.events.messages).toEqual([])
  })

  it('is ended when its control stream breaks, or its connection', async () => {
    const first = await joined()
    first.control.abort(new TypeError('broken'))
    await until('the link is down', () => first.member.events.downs.length === 1)
    await until('and with it the connection', () => first.connection.status !== 'open')
    const second = await joined()
    second.connection.abort(new TypeError('broken'))
    await until('the link is down', () => second.member.events.downs.length === 1)
    expect(second.member.events.downs[0]?.link).toBe(second.link)
  })

  it('is ended when the other side answers no ping, as a machine that froze', async () => {
    const { member, stranger, connection, link } = await joined({ ping: { everyMs: 50, limitMs: 200 } })
    await stranger.node.handle('/ipfs/ping/1.0.0', () => {})
    await until('the link is ended', () => member.events.downs.length === 1)
    // It was ended by libp2p, from a promise that nobody holds: had anything been thrown, this run would fail by it.
    expect(member.events.downs).toEqual([{ link, reason: 'control stream closed' }])
    await until('the connection is closed', () => connection.status !== 'open')
  })

  it('is ended as congested when the other side does not read its messages', async () => {
    const parts = await joined()
    parts.control.addEventListener('message', () => {})
    parts.control.pause()
    for (let at = 0; at < 40 && parts.member.events.downs.length === 0; at++)
      parts.member.links.send(parts.link, new Uint8Array(190_000))
    await endsAs(parts, 'LINK_CONGESTED')
    expect(parts.member.events.order.filter((line) => line === `down ${parts.link}`)).toHaveLength(1)
  })

  for (const [what, bytes] of [
    ['an ask for no chunk', askFrame(1, 0, 0)],
    ['an ask for 257 chunks', askFrame(1, 0, 257)],
    ['a frame of an unknown kind', frameOf(Uint8Array.of(9, 0, 0, 0, 1))],
    ['an empty frame', frameOf()],
    ['a frame that is too short', frameOf(Uint8Array.of(2, 0))],
    ['a chunk from the asking side', chunkFrame(1, 0, 3)],
  ] as const)
    it(`is ended by ${what} on its fetch stream`, async () => {
      const parts = await joined()
      const fetch = await parts.connection.newStream(fetchProtocol)
      fetch.send(bytes)
      await endsAs(parts, 'FETCH_FRAME_INVALID')
      expect(parts.member.events.asks.filter(({ link }) => link === parts.link)).toEqual([])
    })

  it('is ended by a frame over the limit on its fetch stream', async () => {
    const parts = await joined()
    const fetch = await parts.connection.newStream(fetchProtocol)
    fetch.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff))
    await endsAs(parts, 'FRAME_TOO_LARGE')
    expect(parts.member.events.asks.filter(({ link }) => link === parts.link)).toEqual([])
  })

  it('is ended by the 65th ask that waits, and by the number of one that waits', async () => {
    const many = await joined()
    const fetch = await many.connection.newStream(fetchProtocol)
    for (let number = 1; number <= 64; number++) fetch.send(askFrame(number, 0, 1))
    await until('64 are asked', () => many.member.events.asks.length === 64)
    expect(many.member.events.downs).toEqual([])
    fetch.send(askFrame(65, 0, 1))
    await until('the link is ended', () => many.member.events.downs.length === 1)
    expect(many.member.events.downs[0]?.reason).toBe('FETCH_FRAME_INVALID')
    expect(many.member.events.asks).toHaveLength(64)
    const twice = await joined()
    const again = await twice.connection.newStream(fetchProtocol)
    again.send(askFrame(1, 0, 1))
    again.send(askFrame(1, 0, 1))
    await endsAs(twice, 'FETCH_FRAME_INVALID')
    // What came before the breach was told, nothing after it: the end of a link is the last that is told of it.
    expect(twice.member.events.order.slice(0, 3).map((line) => line.split(' ')[0])).toEqual(['up', 'asked', 'down'])
  })

  it('lives on when its fetch stream breaks: the asks on it are gone, and new ones are served on a new stream', async () => {
    const { member, connection } = await joined()
    const fetch = await connection.newStream(fetchProtocol)
    fetch.send(askFrame(1, 0, 1))
    await until('it is asked', () => member.events.asks.length === 1)
    fetch.abort(new TypeError('broken'))
    const ask = member.events.asks[0]?.ask ?? 0
    const isGone = async (): Promise<void> => {
      for (;;) await member.links.answer(ask, 0, new Uint8Array(10))
    }
    await expect(isGone()).rejects.toMatchObject({ code: 'ASKER_GONE' })
    serveAll(member)
    const second = await connection.newStream(fetchProtocol)
    const got = bytesOf(second)
    second.send(askFrame(2, 0, 1))
    await until('it is served', () => got().byteLength > 1_000)
    expect(member.events.downs).toEqual([])
  })
})

describe('a connection', () => {
  it('that cannot be aborted is closed, and nothing is thrown', async () => {
    let closed = 0
    const connection = {
      abort: () => {
        throw new TypeError('Cannot write to a stream that is closed')
      },
      close: () => Promise.reject(new TypeError(`closed ${++closed}`)),
    }
    expect(() => sever(connection as never, 'ENOUGH')).not.toThrow()
    expect(closed).toBe(1)
  })
})

describe('a server that breaks its word', () => {
  /** A member that fetches from a stranger, which answers an ask with these frames. */
  async function fetchAnswered(
    ...frames: readonly Uint8Array[]
  ): Promise<{ parts: Joined; ends: FetchEnd[]; got: number[] }> {
    const parts = await joined()
    await parts.stranger.node.handle(fetchProtocol, (stream) => {
      stream.addEventListener('message', () => {
        for (const frame of frames) if (stream.status === 'open') stream.send(frame)
      })
    })
    const ends: FetchEnd[] = []
    const got: number[] = []
    const onChunk = (index: number): Promise<void> => Promise.resolve(void got.push(index))
    void parts.member.links.fetch(parts.link, run, onChunk, new AbortController().signal).then((end) => ends.push(end))
    return { parts, ends, got }
  }

  for (const [what, frames, reason] of [
    ['sends a chunk that was not asked for', [chunkFrame(1, 4, 10)], 'FETCH_FRAME_INVALID'],
    ['sends a chunk twice', [chunkFrame(1, 1, 10), chunkFrame(1, 1, 10)], 'FETCH_FRAME_INVALID'],
    ['sends a patch where no sketch was sent', [chunkFrame(1, 0, 10, 5)], 'FETCH_FRAME_INVALID'],
    ['sends chunks backwards', [chunkFrame(1, 1, 10), chunkFrame(1, 0, 10)], 'FETCH_FRAME_INVALID'],
    ['sends a frame without a head', [frameOf(Uint8Array.of(3)).subarray()], 'FETCH_FRAME_INVALID'],
    ['sends an ask on our stream', [askFrame(1, 0, 1)], 'FETCH_FRAME_INVALID'],
    ['sends a chunk over the limit', [chunkFrame(1, 0, 70_000)], 'FRAME_TOO_LARGE'],
  ] as const)
    it(`and ${what} loses the link, and the fetch fails`, async () => {
      const { parts, ends } = await fetchAnswered(...frames)
      await endsAs(parts, reason)
      expect(ends).toEqual(['failed'])
    })

  it('and breaks the stream fails the fetch; the next one opens another stream', async () => {
    const { parts, ends } = await fetchAnswered(frameOf(Uint8Array.of(3, 0, 0, 0, 9, 0, 0, 0, 0)).subarray())
    const toMe = (): Stream | undefined =>
      parts.connection.streams.find((stream) => stream.protocol === fetchProtocol && stream.direction === 'inbound')
    await until('the stream is open', () => toMe() !== undefined)
    toMe()?.abort(new TypeError('broken'))
    await until('the fetch has ended', () => ends.length === 1)
    expect(ends).toEqual(['failed'])
    await parts.stranger.node.unhandle(fetchProtocol)
    const failed = await parts.member.links.fetch(parts.link, run, async () => {}, new AbortController().signal)
    expect(failed).toBe('failed')
    await parts.stranger.node.handle(fetchProtocol, (stream) => {
      stream.addEventListener('message', ({ data }) => {
        // The end of whatever was asked.
        stream.send(frameOf(Uint8Array.of(4, ...data.subarray().subarray(5, 9))))
      })
    })
    expect(await parts.member.links.fetch(parts.link, run, async () => {}, new AbortController().signal)).toBe('done')
    expect(parts.member.events.downs).toEqual([])
  })
})

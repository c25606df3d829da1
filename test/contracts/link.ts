/**
 * What every network promises the machines (src/protocol/link.ts, promises 1 to 6), as tests that each home of the contract runs: libp2p,
 * and the made-up network of the simulator. It knows neither.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { codeOf } from '#base/errors.ts'
import type { Address, ChunkRun, FetchEnd, LinkEvents, LinkId, Links, Verdict } from '#protocol/link.ts'
import { sketchBytesMax } from '#protocol/params.ts'
import type { PeerId } from '#trust/peer-id.ts'

/** Writes down what a network tells, in order. */
export class Recorder implements LinkEvents {
  /** Every event of a link: its name, a space, the link. */
  readonly order: string[] = []
  readonly ups: { link: LinkId; peer: PeerId; direction: 'in' | 'out'; address: Address }[] = []
  readonly downs: { link: LinkId; reason: string }[] = []
  readonly messages: { link: LinkId; bytes: Uint8Array }[] = []
  readonly gossips: string[] = []
  readonly asks: { link: LinkId; ask: number; run: ChunkRun }[] = []
  /** What went along with asks. */
  readonly sketches = new Map<number, Uint8Array>()
  readonly sightings: { address: Address; peer: PeerId }[] = []
  /** What the party does when it is told; replaced by tests. */
  judge: (text: string) => Verdict = () => 'accept'
  onLinkUp: (link: LinkId) => void = () => {}
  onMessage: (link: LinkId, bytes: Uint8Array) => void = () => {}
  onAsked: (ask: number, run: ChunkRun) => void = () => {}

  linkUp(link: LinkId, peer: PeerId, direction: 'in' | 'out', address: Address): void {
    this.order.push(`up ${link}`)
    this.ups.push({ link, peer, direction, address })
    this.onLinkUp(link)
  }

  linkDown(link: LinkId, reason: string): void {
    this.order.push(`down ${link}`)
    this.downs.push({ link, reason })
  }

  message(link: LinkId, bytes: Uint8Array): void {
    this.order.push(`message ${link}`)
    this.messages.push({ link, bytes: bytes.slice() })
    this.onMessage(link, bytes)
  }

  gossip(link: LinkId, bytes: Uint8Array): Verdict {
    this.order.push(`gossip ${link}`)
    const text = new TextDecoder().decode(bytes)
    this.gossips.push(text)
    return this.judge(text)
  }

  asked(link: LinkId, ask: number, run: ChunkRun, sketch?: Uint8Array): void {
    this.order.push(`asked ${link}`)
    if (sketch) this.sketches.set(ask, sketch)
    this.asks.push({ link, ask, run })
    this.onAsked(ask, run)
  }

  seen(address: Address, peer: PeerId): void {
    this.sightings.push({ address, peer })
  }
}

export interface Party {
  readonly links: Links
  readonly events: Recorder
  readonly address: Address
  readonly peer: PeerId
  stop(): Promise<void>
}

/** Where the contract is kept. */
export interface LinkHome {
  make(count: number): Promise<Party[]>
  /** Lets time pass until `holds`; throws, naming `what`, where it does not come. */
  until(what: string, holds: () => boolean, withinMs?: number): Promise<void>
}

interface Pair {
  readonly a: Party
  readonly b: Party
  /** The link as `a` and as `b` name it. */
  readonly ab: LinkId
  readonly ba: LinkId
}

const noSignal = (): AbortSignal => new AbortController().signal
const content: Digest = sha256(utf8('a content'))
const runOf = (first: number, count: number): ChunkRun => ({ content, first, count })
/** A chunk that says which one it is. */
const chunkOf = (index: number, size = 1_000): Uint8Array => new Uint8Array(size).fill(index)

/** Joins `b` to `a` by a link, admitted on both sides unless `isAdmitted` is false. */
export async function linked(home: LinkHome, a: Party, b: Party, isAdmitted = true): Promise<Pair> {
  const before = b.events.ups.length
  const ab = await a.links.dial(b.address)
  const isUp = (): boolean => b.events.ups.slice(before).some(({ peer }) => peer === a.peer)
  await home.until('the link is up on both sides', isUp)
  const ba = b.events.ups.slice(before).find(({ peer }) => peer === a.peer)?.link as LinkId
  if (isAdmitted) {
    a.links.admit(ab)
    b.links.admit(ba)
  }
  return { a, b, ab, ba }
}

/** Serves every ask whole. */
export function serveAll(party: Party, size = 1_000): void {
  party.events.onAsked = (ask, run) => {
    void (async () => {
      for (let index = run.first; index < run.first + run.count; index++)
        await party.links.answer(ask, index, chunkOf(index, size))
      party.links.finish(ask)
    })().catch(() => {})
  }
}

/** Publishes until `holds`: who joined a moment ago may not be reached by the first try. */
export async function publishUntil(
  home: LinkHome,
  party: Party,
  text: string,
  holds: (sent: readonly string[]) => boolean,
): Promise<string[]> {
  const sent: string[] = []
  for (let at = 0; at < 40 && !holds(sent); at++) {
    sent.push(`${text} ${at}`)
    await party.links.publish(utf8(sent.at(-1) ?? ''))
    await home.until('it arrives', () => holds(sent), 250).catch(() => {})
  }
  return sent
}

/** Runs the suite of the Link contract on one home of it. */
export function describeLinks(name: string, home: LinkHome): void {
  const running: Party[] = []
  const make = async (count: number): Promise<Party[]> => {
    const made = await home.make(count)
    running.push(...made)
    return made
  }
  const pair = async (isAdmitted = true): Promise<Pair> => {
    const [a, b] = (await make(2)) as [Party, Party]
    return linked(home, a, b, isAdmitted)
  }
  const until: LinkHome['until'] = (what, holds, withinMs) => home.until(what, holds, withinMs)

  describe(`links over ${name}`, () => {
    afterEach(async () => {
      await Promise.all(running.splice(0).map((party) => party.stop()))
    })

    it('a dial makes one link, which both sides are told once, with the peer that was proven', async () => {
      const { a, b, ab } = await pair()
      expect(a.events.ups).toEqual([{ link: ab, peer: b.peer, direction: 'out', address: b.address }])
      expect(b.events.ups.map(({ peer, direction }) => ({ peer, direction }))).toEqual([
        { peer: a.peer, direction: 'in' },
      ])
    })

    it('a dial where nobody listens, and one that meets another peer than it names, fail and leave no link', async () => {
      const [a, b, c] = (await make(3)) as [Party, Party, Party]
      const stray = b.address.replace(b.peer, c.peer) as Address
      await expect(a.links.dial(stray)).rejects.toMatchObject({ code: 'DIAL_FAILED', exitCode: 3, where: stray })
      await c.stop()
      await expect(a.links.dial(c.address)).rejects.toMatchObject({ code: 'DIAL_FAILED' })
      expect([...a.events.ups, ...b.events.ups]).toEqual([])
    })

    it('messages arrive whole, in order and once, admitted or not', async () => {
      const { a, b, ab, ba } = await pair(false)
      const sizes = [0, 1, 70_000, 3, 196_608, 17, 100_000]
      for (const [at, size] of sizes.entries()) a.links.send(ab, new Uint8Array(size).fill(at))
      b.links.send(ba, utf8('the other way'))
      await until(
        'all messages are there',
        () => b.events.messages.length >= sizes.length && a.events.messages.length > 0,
      )
      const got = b.events.messages.map(({ bytes }, at) => ({
        size: bytes.length,
        isWhole: bytes.every((byte) => byte === at),
      }))
      expect(got).toEqual(sizes.map((size) => ({ size, isWhole: true })))
      expect(a.events.messages.map(({ bytes }) => new TextDecoder().decode(bytes))).toEqual(['the other way'])
    })

    it('what was said before a close arrives before the end, and the end comes once on both sides', async () => {
      const { a, b, ab, ba } = await pair()
      a.links.send(ab, utf8('bye'))
      a.links.close(ab, 'ENOUGH')
      a.links.close(ab, 'AGAIN')
      a.links.send(ab, utf8('too late'))
      await until('both ends are told', () => a.events.downs.length > 0 && b.events.downs.length > 0)
      expect(a.events.downs).toEqual([{ link: ab, reason: 'ENOUGH' }])
      expect(b.events.order).toEqual([`up ${ba}`, `message ${ba}`, `down ${ba}`])
    })

    it('a link that is closed at once, while it is told, ends on both sides', async () => {
      const [a, b] = (await make(2)) as [Party, Party]
      b.events.onLinkUp = (link) => {
        b.links.send(link, utf8('bye'))
        b.links.close(link, 'NO')
      }
      const link = await a.links.dial(b.address).catch((error: unknown) => codeOf(error))
      await until('its end is told', () => a.events.downs.length === a.events.ups.length && b.events.downs.length === 1)
      // Either the dial never came to a link, or the link came and went.
      const told = a.events.order.filter((line) => !line.startsWith('message'))
      expect(told).toEqual(link === 'DIAL_FAILED' ? [] : [`up ${link}`, `down ${link}`])
      expect(b.events.order.map((line) => line.split(' ')[0])).toEqual(['up', 'down'])
    })

    it('numbers of links are never used again', async () => {
      const { a, b, ab } = await pair()
      a.links.close(ab, 'ENOUGH')
      const again = await linked(home, a, b)
      expect(again.ab).not.toBe(ab)
    })

    it('two members that dial each other in the same instant have two links, and keep one when the other is dropped', async () => {
      const [a, b] = (await make(2)) as [Party, Party]
      const [ab] = await Promise.all([a.links.dial(b.address), b.links.dial(a.address)])
      await until('four ends are up', () => a.events.ups.length + b.events.ups.length === 4)
      a.events.ups.forEach(({ link }) => a.links.admit(link))
      b.events.ups.forEach(({ link }) => b.links.admit(link))
      await publishUntil(home, a, 'before', () => b.events.gossips.length > 0)
      a.links.close(ab, 'DUPLICATE')
      await until('one link is down', () => a.events.downs.length === 1 && b.events.downs.length === 1)
      await publishUntil(home, a, 'to b', (sent) => sent.some((text) => b.events.gossips.includes(text)))
      await publishUntil(home, b, 'to a', (sent) => sent.some((text) => a.events.gossips.includes(text)))
      expect([a.events.downs.length, b.events.downs.length]).toEqual([1, 1])
    })

    it('gossip passes only between sides that both admitted the link', async () => {
      const { a, b, ab, ba } = await pair(false)
      expect(await a.links.publish(utf8('to nobody'))).toBe(0)
      b.links.admit(ba)
      await a.links.publish(utf8('to nobody yet'))
      a.links.send(ab, utf8('marker'))
      await until('the marker is there', () => b.events.messages.length > 0)
      a.links.admit(ab)
      await publishUntil(home, a, 'to b', () => b.events.gossips.length > 0)
      expect(b.events.gossips.every((text) => text.startsWith('to b'))).toBe(true)
    })

    it('gossip crosses members that accept it, each is handed it once, and none comes back', async () => {
      const [a, b, c] = (await make(3)) as [Party, Party, Party]
      await linked(home, a, b)
      await linked(home, b, c)
      await linked(home, c, a)
      await publishUntil(home, a, 'news', (sent) =>
        [b, c].every(({ events }) => sent.some((text) => events.gossips.includes(text))),
      )
      const again = a.links.publish(utf8('news 0'))
      expect(await again).toBe(0)
      for (const { events } of [b, c]) expect(new Set(events.gossips).size).toBe(events.gossips.length)
      expect(a.events.gossips).toEqual([])
    })

    it('gossip that a member ignores or rejects goes no further', async () => {
      const [a, b, c] = (await make(3)) as [Party, Party, Party]
      await linked(home, a, b)
      await linked(home, b, c)
      b.events.judge = (text) => (text.startsWith('good') ? 'accept' : text.startsWith('old') ? 'ignore' : 'reject')
      await publishUntil(home, a, 'good', () => c.events.gossips.length > 0)
      await publishUntil(home, a, 'old', () => b.events.gossips.some((text) => text.startsWith('old')))
      await publishUntil(home, a, 'bad', () => b.events.gossips.some((text) => text.startsWith('bad')))
      const seen = c.events.gossips.length
      await publishUntil(home, a, 'good again', () => c.events.gossips.length > seen)
      expect(c.events.gossips.every((text) => text.startsWith('good'))).toBe(true)
    })

    it('a fetch brings the chunks in order, then is done', async () => {
      const { a, b, ab, ba } = await pair()
      serveAll(b)
      const got: number[] = []
      const onChunk = (index: number, bytes: Uint8Array): Promise<void> => {
        expect(bytes).toEqual(chunkOf(index))
        return Promise.resolve(void got.push(index))
      }
      expect(await a.links.fetch(ab, runOf(3, 20), onChunk, noSignal())).toBe('done')
      expect(got).toEqual(Array.from({ length: 20 }, (_, at) => at + 3))
      expect(b.events.asks.map(({ link, run }) => ({ link, run }))).toEqual([{ link: ba, run: runOf(3, 20) }])
    })

    it('what goes along with an ask arrives as it was sent or not at all, and chunks come as they were sent', async () => {
      const { a, b, ab } = await pair()
      const sketch = new Uint8Array(sketchBytesMax).fill(7)
      b.events.onAsked = (ask) => {
        const form = b.events.sketches.has(ask) ? 'patch' : 'whole'
        void b.links.answer(ask, 0, chunkOf(0), form).then(() => b.links.finish(ask))
      }
      const got: string[] = []
      const onChunk = (index: number, bytes: Uint8Array, form: string): Promise<void> => {
        expect([index, bytes]).toEqual([0, chunkOf(0)])
        return Promise.resolve(void got.push(form))
      }
      expect(await a.links.fetch(ab, runOf(0, 1), onChunk, noSignal(), sketch)).toBe('done')
      expect([...b.events.sketches.values()]).toEqual(got[0] === 'patch' ? [sketch] : [])
      b.events.sketches.clear()
      expect(await a.links.fetch(ab, runOf(0, 1), onChunk, noSignal())).toBe('done')
      expect([b.events.sketches.size, got.at(-1)]).toEqual([0, 'whole'])
    })

    it('fetches of one link run beside each other, in both directions', async () => {
      const { a, b, ab, ba } = await pair()
      serveAll(a)
      serveAll(b)
      const fetches = Array.from({ length: 100 }, (_, at) =>
        at % 2
          ? a.links.fetch(ab, runOf(at, 2), async () => {}, noSignal())
          : b.links.fetch(ba, runOf(at, 2), async () => {}, noSignal()),
      )
      expect(new Set(await Promise.all(fetches))).toEqual(new Set(['done']))
    })

    it('a fetch ends as denied by the word of the other side, after the chunks it sent', async () => {
      const { a, b, ab } = await pair()
      b.events.onAsked = (ask) => void b.links.answer(ask, 0, chunkOf(0)).then(() => b.links.finish(ask, 'NOT_HERE'))
      let got = 0
      expect(await a.links.fetch(ab, runOf(0, 2), () => Promise.resolve(void got++), noSignal())).toBe('denied')
      expect(got).toBe(1)
    })

    it('a fetch on a link that the other side has not admitted is denied, and nobody is asked', async () => {
      const { a, b, ab } = await pair(false)
      a.links.admit(ab)
      expect(await a.links.fetch(ab, runOf(0, 1), async () => {}, noSignal())).toBe('denied')
      expect(b.events.asks).toEqual([])
    })

    it('a fetch on a link that this side has not admitted brings nothing', async () => {
      const { a, b, ab, ba } = await pair(false)
      b.links.admit(ba)
      serveAll(b)
      const end = await a.links.fetch(ab, runOf(0, 1), () => Promise.reject(new TypeError('a chunk came')), noSignal())
      expect(['failed', 'denied']).toContain(end)
    })

    it('a fetch that is cancelled ends so, and the other side learns that the asker is gone', async () => {
      const { a, b, ab } = await pair()
      const controller = new AbortController()
      const fetch = a.links.fetch(ab, runOf(0, 200), async () => {}, controller.signal)
      await until('b is asked', () => b.events.asks.length === 1)
      controller.abort()
      expect(await fetch).toBe('cancelled')
      const { ask } = b.events.asks[0] as { ask: number }
      const serving = (async () => {
        for (let index = 0; index < 200; index++) await b.links.answer(ask, index, chunkOf(index, 30_000))
      })()
      await expect(serving).rejects.toMatchObject({ code: 'ASKER_GONE', exitCode: 3 })
      b.links.finish(ask)
      // The link itself is as good as before.
      serveAll(b)
      expect(await a.links.fetch(ab, runOf(0, 3), async () => {}, noSignal())).toBe('done')
    })

    it('a fetch fails when the link dies, and one on a link that is down fails at once', async () => {
      const { a, b, ab, ba } = await pair()
      const ends: FetchEnd[] = []
      const fetch = a.links.fetch(ab, runOf(0, 10), async () => {}, noSignal()).then((end) => ends.push(end))
      await until('b is asked', () => b.events.asks.length === 1)
      b.links.close(ba, 'ENOUGH')
      await fetch
      expect(ends).toEqual(['failed'])
      const { ask } = b.events.asks[0] as { ask: number }
      await expect(b.links.answer(ask, 0, chunkOf(0))).rejects.toMatchObject({ code: 'ASKER_GONE' })
      expect(await a.links.fetch(ab, runOf(0, 1), async () => {}, noSignal())).toBe('failed')
    })

    it('a chunk that cannot be taken ends its fetch as failed, and no other', async () => {
      const { a, b, ab } = await pair()
      serveAll(b)
      const full = a.links.fetch(ab, runOf(0, 10), () => Promise.reject(new TypeError('disk full')), noSignal())
      const good = a.links.fetch(ab, runOf(0, 10), async () => {}, noSignal())
      expect([await full, await good]).toEqual(['failed', 'done'])
    })

    it('what is asked of a link that is gone does nothing', async () => {
      const { a, b, ab } = await pair()
      a.links.close(ab, 'ENOUGH')
      a.links.send(ab, utf8('late'))
      a.links.admit(ab)
      a.links.finish(999_999)
      await until('both ends are told', () => b.events.downs.length > 0)
      expect(b.events.messages).toEqual([])
      expect(a.events.downs).toHaveLength(1)
    })
  })
}

/** Bulk and memory: neither side of a fetch holds more than a few chunks, however slow the other is; control messages pass beside it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { sha256 } from '#base/digest.ts'
import { utf8 } from '#base/bytes.ts'
import type { ChunkRun } from '#protocol/link.ts'
import { linked, serveAll } from '../contracts/link.ts'
import { Parties, until, type MeshParty } from './parties.ts'

const parties = new Parties()
const home = { make: () => Promise.resolve([]), until }
const chunkBytes = 65_536
const runOf = (first: number): ChunkRun => ({ content: sha256(new Uint8Array()), first, count: 256 })

afterEach(() => parties.stop())

async function pair(): Promise<{ a: MeshParty; b: MeshParty; ab: ReturnType<typeof linked> }> {
  const [a, b] = [await parties.start(), await parties.start()]
  return { a, b, ab: linked(home, a, b) }
}

describe('a fetch', () => {
  it('by a reader that stores nothing for a while stops the server, and goes on when the reader does', async () => {
    const { a, b, ab: joining } = await pair()
    const { ab } = await joining
    let answered = 0
    const chunk = new Uint8Array(chunkBytes)
    b.events.onAsked = (ask, run) => {
      void (async () => {
        for (let index = run.first; index < run.first + run.count; index++) {
          await b.links.answer(ask, index, chunk)
          answered++
        }
        b.links.finish(ask)
      })()
    }
    const gate = Promise.withResolvers<void>()
    let stored = 0
    const onChunk = async (): Promise<void> => {
      await gate.promise
      stored++
    }
    // 64 MiB are asked for.
    const fetches = [0, 256, 512, 768].map((first) =>
      a.links.fetch(ab, runOf(first), onChunk, new AbortController().signal),
    )
    let before = -1
    while (answered !== before) {
      before = answered
      await sleep(150)
    }
    // The backlog, the window, what waits to be sent, and a chunk per ask: 3 MiB, not 64.
    expect(answered * chunkBytes).toBeLessThan(3 * 1_048_576)
    expect(stored).toBe(0)
    gate.resolve()
    expect(await Promise.all(fetches)).toEqual(['done', 'done', 'done', 'done'])
    expect(stored).toBe(1_024)
  })

  it('by a slow reader never has more on the way than a few MiB', async () => {
    const { a, b, ab: joining } = await pair()
    const { ab } = await joining
    let answered = 0
    let taken = 0
    let worst = 0
    const chunk = new Uint8Array(chunkBytes)
    b.events.onAsked = (ask, run) => {
      void (async () => {
        for (let index = run.first; index < run.first + run.count; index++) {
          await b.links.answer(ask, index, chunk)
          worst = Math.max(worst, ++answered - taken)
        }
        b.links.finish(ask)
      })()
    }
    const onChunk = async (): Promise<void> => {
      if (taken++ % 8 === 0) await sleep(2)
    }
    const fetches = [0, 256, 512].map((first) => a.links.fetch(ab, runOf(first), onChunk, new AbortController().signal))
    expect(await Promise.all(fetches)).toEqual(['done', 'done', 'done'])
    expect(taken).toBe(768)
    expect(worst * chunkBytes).toBeLessThan(3 * 1_048_576)
  })

  it('does not keep the messages of its link waiting', async () => {
    const { a, b, ab: joining } = await pair()
    const { ab, ba } = await joining
    serveAll(b, chunkBytes)
    const fetches = [0, 256, 512, 768].map((first) =>
      a.links.fetch(ab, runOf(first), async () => {}, new AbortController().signal),
    )
    const waits: number[] = []
    b.events.onMessage = () => b.links.send(ba, utf8('pong'))
    for (let at = 0; at < 20; at++) {
      const [sent, heard] = [performance.now(), a.events.messages.length]
      a.links.send(ab, utf8('ping'))
      await until('the answer is there', () => a.events.messages.length > heard)
      waits.push(performance.now() - sent)
    }
    expect(await Promise.all(fetches)).toEqual(['done', 'done', 'done', 'done'])
    const median = waits.toSorted((x, y) => x - y)[Math.floor(waits.length / 2)] ?? 0
    expect(median).toBeLessThan(1_000)
  })

  it('of more asks than a neighbour takes at once waits its turn, also for one that is cancelled', async () => {
    const { a, b, ab: joining } = await pair()
    const { ab } = await joining
    const controller = new AbortController()
    const one = { ...runOf(0), count: 1 }
    const fetches = Array.from({ length: 200 }, (_, at) =>
      a.links.fetch(ab, one, async () => {}, at < 10 ? controller.signal : new AbortController().signal),
    )
    await until('as many are asked as may be', () => b.events.asks.length === 64)
    controller.abort()
    await until('others take their place', () => b.events.asks.length === 74)
    for (const { ask } of b.events.asks) b.links.finish(ask)
    b.events.onAsked = (ask) => b.links.finish(ask)
    const ends = await Promise.all(fetches)
    expect(ends.filter((end) => end === 'cancelled')).toHaveLength(10)
    expect(ends.filter((end) => end === 'done')).toHaveLength(190)
    expect(a.events.downs).toEqual([])
  })
})

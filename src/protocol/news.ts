/**
 * Chunks of one content that were stored here since neighbours were last told. What came over the line is told to a few of the site
 * first, others for each part, and to the rest a moment later: by then those few have it too, so that the member at the uplink hands
 * out few copies and neighbours trade the rest (protocol.md §5.7).
 */
import { after, earliest, since, type Instant } from '#base/time.ts'
import type { Bitmap } from './bitmap.ts'
import { mix } from './duty.ts'
import type { LinkId } from './link.ts'
import {
  dutyChunks,
  haveMs,
  haveSubscribersFew,
  newsBatch,
  newsBatchMissing,
  newsBatchMs,
  newsFirst,
  newsLaterMs,
} from './params.ts'

/** Who is told, and how much is still to come. */
interface Audience {
  readonly subscribers: number
  readonly missing: number
}

export class News {
  #all: number[] = []
  #few: number[] = []
  /** In order of time. */
  #later: { readonly at: Instant; readonly indexes: readonly number[] }[] = []
  #soonAt: Instant | undefined
  /** When the oldest of what is to be told came. */
  #firstAt: Instant | undefined

  /** A chunk came; `missing` are still to come. While that is much, chunks are told in batches: each message costs both sides, and nobody waits for it yet. */
  add(now: Instant, index: number, outside: boolean, { subscribers, missing }: Audience): void {
    ;(outside ? this.#few : this.#all).push(index)
    const leastMs = subscribers > haveSubscribersFew ? 3 * haveMs : haveMs
    this.#firstAt ??= now
    const isBatch = this.#all.length + this.#few.length >= newsBatch || missing < newsBatchMissing
    const at = after(this.#firstAt, isBatch ? leastMs : Math.max(leastMs, newsBatchMs))
    this.#soonAt = earliest(this.#soonAt, at > now ? at : now)
  }

  clear(): void {
    this.#all = []
    this.#few = []
    this.#later = []
    this.#soonAt = undefined
    this.#firstAt = undefined
  }

  nextWake(): Instant | undefined {
    return earliest(this.#soonAt, this.#later[0]?.at)
  }

  /** What is due now: for each subscriber the chunks to tell it, in order. Told once: they are no news any more. */
  take(now: Instant, subscribers: ReadonlySet<LinkId>): Map<LinkId, number[]> {
    const told = new Map<LinkId, number[]>()
    const tell = (link: LinkId, indexes: readonly number[]): void => {
      if (indexes.length > 0) told.set(link, [...(told.get(link) ?? []), ...indexes])
    }
    for (let next = this.#later[0]; next && next.at <= now; next = this.#later[0]) {
      for (const link of subscribers) tell(link, next.indexes)
      this.#later.shift()
    }
    if (this.#soonAt !== undefined && this.#soonAt <= now) {
      const areFew = subscribers.size <= newsFirst + 1
      for (const link of subscribers) tell(link, areFew ? [...this.#all, ...this.#few] : this.#all)
      if (!areFew && this.#few.length > 0) {
        for (const [link, indexes] of firstToHear(this.#few, subscribers)) tell(link, indexes)
        // Those few wait for a batch as we did, before they tell it on.
        const waitedMs = since(this.#firstAt ?? now, now)
        this.#later.push({ at: after(now, newsLaterMs + 2 * waitedMs), indexes: this.#few })
      }
      this.#all = []
      this.#few = []
      this.#soonAt = undefined
      this.#firstAt = undefined
    }
    for (const indexes of told.values()) indexes.sort((a, b) => a - b)
    return told
  }
}

/** For each part of a content the few subscribers who hear of it first: different ones for different parts, so that all carry alike. */
function firstToHear(indexes: readonly number[], subscribers: ReadonlySet<LinkId>): Map<LinkId, number[]> {
  const byPart = Map.groupBy(indexes, (index) => Math.floor(index / dutyChunks))
  const heard = new Map<LinkId, number[]>()
  for (const [part, chunks] of byPart) {
    const ranked = [...subscribers].sort((a, b) => mix(mix(a) ^ part) - mix(mix(b) ^ part))
    for (const link of ranked.slice(0, newsFirst)) heard.set(link, [...(heard.get(link) ?? []), ...chunks])
  }
  return heard
}

/** Chunks in order as runs of first index and count, without those that are known to be there. */
export function runsOf(indexes: readonly number[], known: Bitmap | undefined): [number, number][] {
  const runs: [number, number][] = []
  for (const index of indexes) {
    const last = runs.at(-1)
    if (known?.has(index)) continue
    if (last && last[0] + last[1] === index) last[1]++
    else if (!last || last[0] + last[1] < index) runs.push([index, 1])
  }
  return runs
}

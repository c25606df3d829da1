/**
 * What was asked for and is not here yet: each ask with its chunks, and for each link how many bytes are still to come and when it last
 * brought something. Counted as it changes, because credit is looked up at every chunk.
 */
import { after, earliest, type Instant } from '#base/time.ts'
import type { LinkId } from './link.ts'
import { slowAskMs } from './params.ts'
import type { WantedContent } from './wanted-content.ts'

export interface Fetch {
  readonly id: number
  readonly link: LinkId
  readonly outside: boolean
  readonly content: WantedContent
  readonly first: number
  readonly count: number
  readonly startedAt: Instant
  /** Bringing nothing for this long it counts as slow; absent where there is nobody else to ask. */
  readonly slowMs: number | undefined
  /** Asked of the origin though it belongs to another site (draw.ts). */
  readonly isBeyond: boolean
  arrived: number
  arrivedBytes: number
  /** It came to a stop: its missing chunks may be asked of others as well. */
  slow: boolean
}

interface Outstanding {
  bytes: number
  asks: number
  /** When the last chunk came, or the first of the asks was made. */
  aliveAt: Instant
}

type Begin = Pick<Fetch, 'link' | 'outside' | 'content' | 'first' | 'count' | 'slowMs' | 'isBeyond'>

export class Fetches {
  readonly #byId = new Map<number, Fetch>()
  readonly #byLink = new Map<LinkId, Outstanding>()
  #next = 1
  #outside = 0
  /** Nothing can be slow before this. */
  #slowAt: Instant | undefined

  begin(now: Instant, wanted: Begin): Fetch {
    const fetch = { ...wanted, id: this.#next++, startedAt: now, arrived: 0, arrivedBytes: 0, slow: false }
    this.#byId.set(fetch.id, fetch)
    fetch.content.depart(fetch.first, fetch.count, fetch.outside)
    const outstanding = this.#byLink.get(fetch.link) ?? { bytes: 0, asks: 0, aliveAt: now }
    outstanding.bytes += fetch.count * fetch.content.chunkBytes
    outstanding.asks++
    this.#byLink.set(fetch.link, outstanding)
    if (fetch.outside) this.#outside++
    if (fetch.slowMs !== undefined) this.#slowAt = earliest(this.#slowAt, after(now, fetch.slowMs))
    return fetch
  }

  get(id: number): Fetch | undefined {
    return this.#byId.get(id)
  }

  arrived(now: Instant, fetch: Fetch, index: number, bytes: number): void {
    fetch.arrived++
    fetch.arrivedBytes += bytes
    fetch.content.arrive(index, 1, fetch.outside)
    const outstanding = this.#byLink.get(fetch.link)
    if (!outstanding) return
    outstanding.aliveAt = now
    if (fetch.arrived <= fetch.count) outstanding.bytes -= fetch.content.chunkBytes
  }

  ended(fetch: Fetch): void {
    if (!this.#byId.delete(fetch.id)) return
    if (fetch.outside) this.#outside--
    // The chunks of a slow one may be on their way from elsewhere by now.
    if (!fetch.slow) fetch.content.arrive(fetch.first, fetch.count, fetch.outside)
    const outstanding = this.#byLink.get(fetch.link)
    if (!outstanding) return
    outstanding.bytes -= Math.max(0, fetch.count - fetch.arrived) * fetch.content.chunkBytes
    if (--outstanding.asks === 0) this.#byLink.delete(fetch.link)
  }

  /** Bytes on their way from a link. */
  bytesFrom(link: LinkId): number {
    return this.#byLink.get(link)?.bytes ?? 0
  }

  /** Whether anything is on its way from outside the site. */
  get anyOutside(): boolean {
    return this.#outside > 0
  }

  all(): Iterable<Fetch> {
    return this.#byId.values()
  }

  /** Marks asks on links that brought nothing for their `slowMs`, and those that take longer than `slowAskMs`; true where there are such, whose chunks others may be asked for. */
  markSlow(now: Instant): boolean {
    if (this.#slowAt === undefined || this.#slowAt > now) return false
    let found = false
    this.#slowAt = undefined
    for (const fetch of this.#byId.values()) {
      const aliveAt = this.#byLink.get(fetch.link)?.aliveAt
      if (fetch.slowMs === undefined || fetch.slow || aliveAt === undefined) continue
      const slowAt = earliest(after(aliveAt, fetch.slowMs), after(fetch.startedAt, slowAskMs)) ?? now
      if (slowAt > now) this.#slowAt = earliest(this.#slowAt, slowAt)
      else {
        fetch.slow = found = true
        fetch.content.arrive(fetch.first, fetch.count, fetch.outside)
      }
    }
    return found
  }

  nextWake(): Instant | undefined {
    return this.#slowAt
  }
}

/**
 * One content that this member holds or fetches, as the exchange sees it: which chunks are here, which are on their way, and
 * who subscribed to news of it. Bits and numbers only; its bytes live in the store.
 *
 *   listing ──its chunk list is complete──▶ opening ──`opened`──▶ fetching ──last chunk stored──▶ complete
 */
import type { ContentRef } from '#content/content-ref.ts'
import { Bitmap } from './bitmap.ts'
import type { LinkId } from './link.ts'
import { News } from './news.ts'

export class WantedContent {
  readonly ref: ContentRef
  /** Lower is fetched first: policy before packages, earlier windows before later ones (protocol.md §6). */
  priority: number
  phase: 'listing' | 'opening' | 'fetching' | 'complete' = 'listing'
  have = new Bitmap(0)
  /** On their way from neighbours of our site, and from outside: what comes over the line may be asked for inside as well, that costs the LAN only. */
  flyingInside = new Bitmap(0)
  flyingOutside = new Bitmap(0)
  /** Neighbours that asked to hear of new chunks. */
  readonly subscribers = new Set<LinkId>()
  /** Chunks stored since subscribers were last told. */
  readonly news = new News()
  /** What each neighbour has of it. */
  readonly offers = new Map<LinkId, Bitmap>()

  constructor(ref: ContentRef, priority: number) {
    this.ref = ref
    this.priority = priority
  }

  opened(chunks: number, have: Uint8Array): void {
    this.have = new Bitmap(chunks, have)
    this.flyingInside = new Bitmap(chunks)
    this.flyingOutside = new Bitmap(chunks)
    this.phase = 'fetching'
  }

  /** Bytes of a chunk on average: what credit is counted in before a chunk is here. */
  get chunkBytes(): number {
    return this.have.size === 0 ? 0 : Math.ceil(this.ref.length / this.have.size)
  }

  depart(first: number, count: number, outside: boolean): void {
    const flying = outside ? this.flyingOutside : this.flyingInside
    for (let index = first; index < first + count; index++) flying.add(index)
  }

  arrive(first: number, count: number, outside: boolean): void {
    const flying = outside ? this.flyingOutside : this.flyingInside
    for (let index = first; index < first + count; index++) flying.delete(index)
  }

  /** Whether there is a chunk that neither is here or on its way, nor offered by any of these links. */
  lacksBeyond(links: Iterable<LinkId>): boolean {
    const known = new Bitmap(this.have.size, this.have.bytes)
    known.addAll(this.flyingInside)
    known.addAll(this.flyingOutside)
    for (const link of links) {
      const offer = this.offers.get(link)
      if (offer) known.addAll(offer)
    }
    return !known.isFull
  }

  /** How many neighbours have a chunk: the fewer, the sooner it is fetched. */
  rarity(index: number): number {
    let count = 0
    for (const offer of this.offers.values()) if (offer.has(index)) count++
    return count
  }
}

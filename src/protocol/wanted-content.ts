/**
 * One content that this member holds or fetches, as the exchange sees it: which chunks are here, which are on their way, and
 * who subscribed to news of it. Bits and numbers only; its bytes live in the store.
 *
 *   listing ──its chunk list is complete──▶ opening ──`opened`──▶ fetching ──last chunk stored──▶ complete
 */
import type { ContentRef } from '#content/content-ref.ts'
import { Bitmap } from './bitmap.ts'
import type { LinkId } from './link.ts'

export class WantedContent {
  readonly ref: ContentRef
  /** Lower is fetched first: policy before packages, earlier windows before later ones (protocol.md §6). */
  priority: number
  phase: 'listing' | 'opening' | 'fetching' | 'complete' = 'listing'
  have = new Bitmap(0)
  flying = new Bitmap(0)
  /** Neighbours that asked to hear of new chunks. */
  readonly subscribers = new Set<LinkId>()
  /** Chunks stored since subscribers were last told. */
  news: number[] = []
  /** What each neighbour has of it. */
  readonly offers = new Map<LinkId, Bitmap>()

  constructor(ref: ContentRef, priority: number) {
    this.ref = ref
    this.priority = priority
  }

  opened(chunks: number, have: Uint8Array): void {
    this.have = new Bitmap(chunks, have)
    this.flying = new Bitmap(chunks)
    this.phase = 'fetching'
  }

  /** Bytes of a chunk on average: what credit is counted in before a chunk is here. */
  get chunkBytes(): number {
    return this.have.size === 0 ? 0 : Math.ceil(this.ref.length / this.have.size)
  }

  /** Whether a neighbour has a chunk that we could ask it for now. */
  isAskable(index: number, offer: Bitmap): boolean {
    return offer.has(index) && !this.have.has(index) && !this.flying.has(index)
  }

  /** The news that a subscriber has not itself, as runs of first index and count, in order. */
  newsFor(link: LinkId): (readonly [number, number])[] {
    const offer = this.offers.get(link)
    const runs: [number, number][] = []
    for (const index of this.news.toSorted((a, b) => a - b)) {
      const last = runs.at(-1)
      if (offer?.has(index)) continue
      if (last && last[0] + last[1] === index) last[1]++
      else runs.push([index, 1])
    }
    return runs
  }

  /** How many neighbours have a chunk: the fewer, the sooner it is fetched. */
  rarity(index: number): number {
    let count = 0
    for (const offer of this.offers.values()) if (offer.has(index)) count++
    return count
  }
}

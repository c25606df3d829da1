/**
 * Which chunks to ask one neighbour for next: the rarest of a few places on the LAN, so that neighbours have something to trade
 * (protocol.md §5.7); in order, and only what is our duty and nobody of the site has, from outside.
 */
import type { Random } from '#base/random.ts'
import type { Bitmap } from './bitmap.ts'
import { dutyChunks, lanRunBytes, runChunksMax } from './params.ts'
import type { WantedContent } from './wanted-content.ts'

export interface Run {
  readonly first: number
  readonly count: number
}

interface Choice {
  readonly content: WantedContent
  /** What the neighbour has of it. */
  readonly offer: Bitmap
  /** Bytes that may be asked for now. */
  readonly creditBytes: number
}

/** Random places that are compared on the LAN: four find a rare chunk nearly as well as looking at all, at a fixed cost. */
const placesLan = 4

/** The run to ask a neighbour of our site for, or undefined where it has nothing that we lack. */
export function chooseInside({ content, offer, creditBytes }: Choice, random: Random): Run | undefined {
  const { size } = content.have
  let first: number | undefined
  let rarest = Number.POSITIVE_INFINITY
  for (let place = 0; place < (size > 0 ? placesLan : 0); place++) {
    const found = offer.nextBeside(random.below(size), content.have, content.flyingInside)
    if (found === undefined) return undefined
    const rarity = content.rarity(found)
    if (rarity >= rarest) continue
    first = found
    rarest = rarity
  }
  if (first === undefined) return undefined
  const isAskable = (index: number): boolean =>
    offer.has(index) && !content.have.has(index) && !content.flyingInside.has(index)
  return runFrom(first, content, Math.min(creditBytes, lanRunBytes), isAskable)
}

export interface OutsideChoice extends Choice {
  /** Chunks that somebody of our site has, or has taken on: never fetched over the line. */
  readonly without: readonly Bitmap[]
  /** Where to begin. */
  readonly from: number
  /** Whether fetching this part of the content is ours to do (duty.ts). */
  readonly isOurs: (part: number) => boolean
}

/** The run to ask a neighbour outside for, or undefined. */
export function chooseOutside(choice: OutsideChoice): Run | undefined {
  const { content, offer, without, isOurs } = choice
  const { size } = content.have
  const others = [content.have, content.flyingInside, content.flyingOutside, ...without]
  let turned = false
  for (let from = choice.from; ;) {
    const first = offer.nextWithout(from, ...others)
    if (first === undefined) return undefined
    turned ||= first < from
    if (turned && first >= choice.from) return undefined
    if (isOurs(partOf(first))) {
      const isAskable = (index: number): boolean =>
        offer.has(index) && !others.some((other) => other.has(index)) && isOurs(partOf(index))
      return runFrom(first, content, choice.creditBytes, isAskable)
    }
    // On to the next part; behind the end it goes on from the front.
    from = (partOf(first) + 1) * dutyChunks
    if (from < size) continue
    if (turned || choice.from === 0) return undefined
    turned = true
    from = 0
  }
}

const partOf = (index: number): number => Math.floor(index / dutyChunks)

function runFrom(first: number, content: WantedContent, bytes: number, may: (index: number) => boolean): Run {
  const most = Math.max(1, Math.min(runChunksMax, Math.floor(bytes / Math.max(1, content.chunkBytes))))
  let count = 1
  while (count < most && first + count < content.have.size && may(first + count)) count++
  return { first, count }
}

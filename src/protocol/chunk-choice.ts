/**
 * Which chunks to ask one neighbour for next: the rarest of a few places on the LAN, so that neighbours have something to trade
 * (protocol.md §5.7); in order, and only what is our duty, from outside.
 */
import type { Random } from '#base/random.ts'
import type { Bitmap } from './bitmap.ts'
import { lanRunBytes, runChunksMax } from './params.ts'
import type { WantedContent } from './wanted-content.ts'

export interface Choice {
  readonly content: WantedContent
  /** What the neighbour has of it. */
  readonly offer: Bitmap
  readonly inside: boolean
  /** Bytes that may be asked for now. */
  readonly creditBytes: number
  readonly isOurs: (index: number) => boolean
  readonly random: Random
}

/** Random places that are compared on the LAN: four find a rare chunk nearly as well as looking at all, at a fixed cost. */
const placesLan = 4

/** The run to ask for, or undefined where the neighbour has nothing that we may ask it for. */
export function chooseRun(choice: Choice): { first: number; count: number } | undefined {
  const { content, offer, inside, isOurs } = choice
  const may = (index: number): boolean => content.isAskable(index, offer) && (inside || isOurs(index))
  let first: number | undefined
  let rarest = Number.POSITIVE_INFINITY
  for (let place = 0; place < (inside ? placesLan : 1); place++) {
    const found = firstFrom(content.have.size, inside ? choice.random.below(content.have.size) : 0, may)
    if (found === undefined) return undefined
    const rarity = content.rarity(found)
    if (rarity >= rarest) continue
    first = found
    rarest = rarity
  }
  if (first === undefined) return undefined
  const bytes = inside ? Math.min(choice.creditBytes, lanRunBytes) : choice.creditBytes
  const most = Math.max(1, Math.min(runChunksMax, Math.floor(bytes / Math.max(1, content.chunkBytes))))
  let count = 1
  while (count < most && first + count < content.have.size && may(first + count)) count++
  return { first, count }
}

/** The first index at or behind `from`, going round, that may be asked for. */
function firstFrom(size: number, from: number, may: (index: number) => boolean): number | undefined {
  for (let step = 0; step < size; step++) {
    const index = (from + step) % size
    if (may(index)) return index
  }
  return undefined
}

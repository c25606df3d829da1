/**
 * Where the chunks of a new content were found in older ones, and so where in those the bytes lie that its missing chunks probably
 * resemble. It only guesses: a wrong guess costs an ask that is a little longer, never a wrong byte.
 */
import type { Digest } from '#base/digest.ts'
import type { ChunkList } from './chunk-list.ts'

/** Chunks `first` and following were found in `content` from its chunk `from` on, one for one. */
export interface KinRun {
  readonly first: number
  readonly count: number
  readonly content: Digest
  readonly from: number
}

/** More changes than this, and the last ones go without: 1,024 runs are 150 KiB of index for as long as the content is incomplete. */
const runsMax = 1_024
/** How far bytes may have moved within a stretch that changed, on either side. */
const slackBytes = 65_536
/** 2 MiB: more is not looked through for one ask. */
const windowBytesMax = 2_097_152

/** Bytes of an older content, from `start` to `end`. */
export interface Resemblance {
  readonly content: Digest
  readonly start: number
  readonly end: number
}

export class Kinship {
  readonly #runs: KinRun[]

  constructor(runs: readonly KinRun[] = []) {
    this.#runs = [...runs]
  }

  /** In order. */
  get runs(): readonly KinRun[] {
    return this.#runs
  }

  /** Chunk `index` was found there. To be called in the order of indexes; an earlier one is not taken. */
  found(index: number, { content, index: from }: { readonly content: Digest; readonly index: number }): void {
    const last = this.#runs.at(-1)
    const next = last ? last.first + last.count : 0
    if (last && index < next) return
    if (last && index === next && last.content === content && last.from + last.count === from)
      this.#runs[this.#runs.length - 1] = { ...last, count: last.count + 1 }
    else if (this.#runs.length < runsMax) this.#runs.push({ first: index, count: 1, content, from })
  }

  /** Which content chunks like these may be found in: that of the nearest chunk before them, else behind. */
  contentFor(first: number): Digest | undefined {
    return (this.#runs.findLast((run) => run.first < first) ?? this.#runs[0])?.content
  }

  /**
   * Where in the older content the bytes lie that stand in the place of these chunks: between the nearest chunks that both have. In a
   * long stretch that changed, its part at the same height. Undefined where nothing stands there.
   */
  around(run: { first: number; count: number }, list: ChunkList, older: ChunkList): Resemblance | undefined {
    const content = this.contentFor(run.first)
    if (content === undefined) return undefined
    const kin = this.#runs.filter((other) => other.content === content)
    const before = kin.findLast((other) => other.first < run.first)
    const olderStart = before ? older.offsetAt(before.from + before.count) : 0
    const after = kin.find((other) => other.first >= run.first + run.count && older.offsetAt(other.from) >= olderStart)
    const olderEnd = older.offsetAt(after ? after.from : older.size)
    const [gapStart, gapEnd] = [
      before ? list.offsetAt(before.first + before.count) : 0,
      list.offsetAt(after ? after.first : list.size),
    ]
    const scale = (olderEnd - olderStart) / Math.max(1, gapEnd - gapStart)
    const [from, to] = [list.offsetAt(run.first), list.offsetAt(run.first + run.count)]
    const start = Math.max(olderStart, Math.floor(olderStart + (from - gapStart) * scale) - slackBytes)
    const end = Math.min(olderEnd, Math.ceil(olderStart + (to - gapStart) * scale) + slackBytes, start + windowBytesMax)
    return start < end ? { content, start, end } : undefined
  }
}

/**
 * Chooses where a content is cut into chunks, by the bytes themselves, so that a change in one place changes few chunks. The cuts
 * depend on nothing but the bytes: not on how they arrive, not on the machine. Changing a number here changes every cut, and with it
 * what every fleet fetches at its next publish.
 *
 * Method: FastCDC (Wen Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data Deduplication",
 * USENIX ATC 2016): a gear hash over the last 32 bytes, no cut before the minimum, a rarer mask up to the average and a more frequent
 * one beyond it (normalised chunking, level 2), and a cut at the maximum in any case.
 */
import { createGearTable } from './gear-table.ts'
import { chunkBytesMax } from './content-ref.ts'

/** 8 KiB. Smaller names cost more than they save: 36 bytes of list and one message entry for each chunk. */
export const chunkBytesMin = 8_192
/** 32 KiB: the length around which cuts gather. */
export const chunkBytesAverage = 32_768

/** How long pieces may be, in bytes. */
export interface Cuts {
  readonly min: number
  /** A power of two. */
  readonly average: number
  readonly max: number
}

const chunkCuts: Cuts = { min: chunkBytesMin, average: chunkBytesAverage, max: chunkBytesMax }
const gear = createGearTable()

export class Chunker {
  readonly #cuts: Cuts
  readonly #rareMask: number
  readonly #frequentMask: number
  readonly #buffer: Uint8Array
  #filled = 0
  #scanned = 0
  #hash = 0

  /** Cuts chunks, or pieces of other lengths where they are given. */
  constructor(cuts: Cuts = chunkCuts) {
    this.#cuts = cuts
    // The high bits of the hash have seen the most bytes, so the masks look at them.
    this.#rareMask = highBits(Math.log2(cuts.average) + 2)
    this.#frequentMask = highBits(Math.log2(cuts.average) - 2)
    this.#buffer = new Uint8Array(cuts.max)
  }

  /** Takes bytes in and returns the chunks that are complete by now, as copies. */
  push(bytes: Uint8Array): Uint8Array[] {
    const chunks: Uint8Array[] = []
    for (let taken = 0; taken < bytes.byteLength;) {
      const part = bytes.subarray(taken, taken + this.#cuts.max - this.#filled)
      this.#buffer.set(part, this.#filled)
      this.#filled += part.byteLength
      taken += part.byteLength
      for (let cut = this.#cut(); cut !== undefined; cut = this.#cut()) chunks.push(this.#take(cut))
    }
    return chunks
  }

  /** The rest as the last chunk, undefined where nothing is left; then the chunker is as new. */
  end(): Uint8Array | undefined {
    return this.#filled === 0 ? undefined : this.#take(this.#filled)
  }

  /** The length of the first chunk in the buffer, undefined while more bytes are needed to know. */
  #cut(): number | undefined {
    const buffer = this.#buffer
    const { min, average, max } = this.#cuts
    const [rareMask, frequentMask] = [this.#rareMask, this.#frequentMask]
    let hash = this.#hash
    let index = Math.max(this.#scanned, min)
    const filled = this.#filled
    while (index < filled) {
      hash = ((hash << 1) + (gear[buffer[index] ?? 0] ?? 0)) | 0
      index++
      if ((hash & (index <= average ? rareMask : frequentMask)) === 0) return index
    }
    if (filled === max) return max
    this.#hash = hash
    this.#scanned = index
    return undefined
  }

  #take(length: number): Uint8Array {
    const chunk = this.#buffer.slice(0, length)
    this.#buffer.copyWithin(0, length, this.#filled)
    this.#filled -= length
    this.#scanned = 0
    this.#hash = 0
    return chunk
  }
}

/** A mask of the `count` highest of 32 bits. */
function highBits(count: number): number {
  return (-1 << (32 - count)) | 0
}

/**
 * A seeded generator: the same seed gives the same choices on every machine, so that a simulator run repeats byte for
 * byte. Not for secrets. Algorithm: sfc32 (Chris Doty-Humphrey, PractRand), seeded through SHA-256 of a label.
 */
import { createHash } from 'node:crypto'

export class Random {
  readonly #label: string
  #a: number
  #b: number
  #c: number
  #counter: number

  constructor(label: string) {
    const seed = createHash('sha256').update(label).digest()
    this.#label = label
    this.#a = seed.readUInt32LE(0)
    this.#b = seed.readUInt32LE(4)
    this.#c = seed.readUInt32LE(8)
    this.#counter = 1
  }

  /** An independent stream for one purpose: drawing more from one never shifts the other. */
  stream(purpose: string): Random {
    return new Random(`${this.#label}/${purpose}`)
  }

  /** A whole number in [0, 2^32). */
  uint32(): number {
    const t = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (this.#c << 21) | (this.#c >>> 11)
    this.#c = (this.#c + t) | 0
    return t >>> 0
  }

  /** A whole number in [0, bound); bound is 1 to 2^32. */
  below(bound: number): number {
    return Math.floor((this.uint32() / 0x1_0000_0000) * bound)
  }

  /** A whole number in [min, max], both ends included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1)
  }

  /** One of the items, or undefined of an empty list. */
  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(Math.max(1, items.length))]
  }
}

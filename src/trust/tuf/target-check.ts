/** Whether bytes are a target, as they come: every digest that is listed, and the length (TUF 1.0.34 §5.7.3). */
import { createHash, type Hash } from 'node:crypto'
import { Refused } from '#base/errors.ts'
import type { ForeignTarget } from './tuf-metadata.ts'

/** Digests that we can check; one of another algorithm counts as wrong. */
export const digestAlgorithms = ['sha256', 'sha512', 'sha384', 'sha224']

export class TargetCheck {
  readonly #target: ForeignTarget
  readonly #where: string
  readonly #hashes: readonly (readonly [Hash | undefined, string])[]
  #length = 0

  constructor(target: ForeignTarget, where: string) {
    this.#target = target
    this.#where = where
    this.#hashes = [...target.hashes].map(([name, digest]) => [
      digestAlgorithms.includes(name) ? createHash(name) : undefined,
      digest,
    ])
  }

  /** Refused TARGET_WRONG as soon as there are too many. */
  update(bytes: Uint8Array): void {
    this.#length += bytes.byteLength
    if (this.#length > this.#target.length) throw this.#wrong(`has more than ${this.#target.length} bytes`)
    for (const [hash] of this.#hashes) hash?.update(bytes)
  }

  /** All bytes came. Refused TARGET_WRONG where they are not the target; an unknown algorithm counts as wrong. */
  end(): void {
    if (this.#length !== this.#target.length)
      throw this.#wrong(`has ${this.#length} bytes in place of ${this.#target.length}`)
    for (const [hash, digest] of this.#hashes)
      if (hash?.digest('hex') !== digest) throw this.#wrong('has another digest than the signed one')
  }

  #wrong(what: string): Refused {
    return new Refused('TARGET_WRONG', {
      message: `The target ${what}; nothing of it was kept.`,
      where: this.#where,
      next: 'Ask who runs the repository, or the mirror that it came from.',
    })
  }
}

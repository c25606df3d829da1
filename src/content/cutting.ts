/**
 * Names bytes that are made here: takes a content as it is read, once, and says at its end what it is called and what its chunks are.
 * Keeps no bytes but those of the chunk in progress.
 */
import { Hasher, sha256, type Digest } from '#base/digest.ts'
import type { ChunkEntry } from './chunk-list.ts'
import { Chunker } from './chunker.ts'
import { chunkBytesMax } from './content-ref.ts'

export interface Cut {
  readonly digest: Digest
  readonly length: number
  /** In order; none of an empty content, itself where it is no longer than `chunkBytesMax`: then it needs no list. */
  readonly chunks: readonly ChunkEntry[]
}

export class Cutting {
  readonly #chunker = new Chunker()
  readonly #hasher = new Hasher()
  readonly #chunks: ChunkEntry[] = []
  #length = 0

  push(bytes: Uint8Array): void {
    this.#hasher.update(bytes)
    this.#length += bytes.byteLength
    for (const chunk of this.#chunker.push(bytes)) this.#name(chunk)
  }

  /** May be called once. */
  end(): Cut {
    const rest = this.#chunker.end()
    if (rest) this.#name(rest)
    const [digest, length] = [this.#hasher.digest(), this.#length]
    if (length === 0) return { digest, length, chunks: [] }
    return { digest, length, chunks: length <= chunkBytesMax ? [{ digest, length }] : this.#chunks }
  }

  #name(chunk: Uint8Array): void {
    this.#chunks.push({ digest: sha256(chunk), length: chunk.byteLength })
  }
}

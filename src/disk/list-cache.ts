/** Decoded chunk lists of the contents that are in use, so that they are not read for every chunk; bounded, the longest unused goes first. */
import type { Digest } from '#base/digest.ts'
import type { ChunkList } from '#content/chunk-list.ts'
import { isSameRef, listEntryBytes, type ContentRef } from '#content/content-ref.ts'

/** 32 MiB: lists of about 28 GiB of contents. A list larger than this is kept alone. */
const cachedBytesMax = 33_554_432

interface Cached {
  readonly ref: ContentRef
  readonly list: ChunkList
}

export class ListCache {
  /** Longest unused first. */
  readonly #cached = new Map<Digest, Cached>()
  #bytes = 0

  get(ref: ContentRef): ChunkList | undefined {
    const cached = this.#cached.get(ref.digest)
    if (!cached || !isSameRef(cached.ref, ref)) return undefined
    this.#cached.delete(ref.digest)
    this.#cached.set(ref.digest, cached)
    return cached.list
  }

  put(ref: ContentRef, list: ChunkList): ChunkList {
    this.delete(ref.digest)
    this.#cached.set(ref.digest, { ref, list })
    this.#bytes += bytesOf(list)
    for (const oldest of this.#cached.keys()) {
      if (this.#bytes <= cachedBytesMax || oldest === ref.digest) break
      this.delete(oldest)
    }
    return list
  }

  delete(content: Digest): void {
    const cached = this.#cached.get(content)
    if (!cached) return
    this.#cached.delete(content)
    this.#bytes -= bytesOf(cached.list)
  }
}

/** The list as it came, and 8 bytes for each offset. */
const bytesOf = (list: ChunkList): number => list.size * (listEntryBytes + 8)

/**
 * A ChunkStore in memory, for tests and made-up worlds. It keeps the contract of `chunk-store.ts` but never waits: each promise that it
 * returns is settled, and `add` takes no bytes that would have to be awaited.
 */
import { assert } from '#base/assert.ts'
import { concatBytes } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { GrapevineError } from '#base/errors.ts'
import { ChunkList, encodeChunkList } from './chunk-list.ts'
import type { AddTally, ChunkStore, Holding, PutResult } from './chunk-store.ts'
import { Cutting } from './cutting.ts'
import { isSameRef, type ContentRef } from './content-ref.ts'
import { chunkWrong, contentMissing, contentTooLarge, contentWrong } from './store-fault.ts'

interface Held {
  readonly ref: ContentRef
  readonly list: ChunkList
  readonly chunks: (Uint8Array | undefined)[]
}

export class MemoryStore implements ChunkStore {
  readonly #contents = new Map<Digest, Held>()
  /** Chunks that some content holds, by digest. */
  readonly #chunks = new Map<Digest, Uint8Array>()

  open(ref: ContentRef): Promise<Holding> {
    return settle(() => this.#open(ref))
  }

  put(content: Digest, index: number, bytes: Uint8Array): Promise<PutResult> {
    return settle(() => {
      const held = this.#contents.get(content)
      if (!held) throw contentMissing(content)
      const digest = index < held.list.size ? held.list.digestAt(index) : undefined
      if (sha256(bytes) !== digest || bytes.byteLength !== held.list.lengthAt(index)) throw chunkWrong(content, index)
      if (held.chunks[index]) return 'already'
      this.#keep(held, index, bytes.slice())
      return 'stored'
    })
  }

  read(content: Digest, index: number): Promise<Uint8Array | undefined> {
    // Verified when it came; memory does not rot.
    return settle(() => this.#contents.get(content)?.chunks[index]?.slice())
  }

  readRun(content: Digest, first: number, count: number): Promise<readonly Uint8Array[]> {
    return settle(() => {
      const chunks = this.#contents.get(content)?.chunks.slice(first, first + count) ?? []
      const missing = chunks.indexOf(undefined)
      return chunks.slice(0, missing === -1 ? count : missing).flatMap((chunk) => chunk?.slice() ?? [])
    })
  }

  readWhole(content: Digest, max: number): Promise<Uint8Array | undefined> {
    return settle(() => this.#whole(content, max))
  }

  add(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, tally?: AddTally): Promise<ContentRef> {
    return settle(() => {
      assert(Symbol.iterator in bytes, 'a store in memory does not wait for bytes')
      return this.#add(bytes, tally)
    })
  }

  holding(content: Digest): Holding | undefined {
    const held = this.#contents.get(content)
    return held && holdingOf(held)
  }

  holdings(): readonly Holding[] {
    return [...this.#contents.values()].map(holdingOf)
  }

  remove(content: Digest): Promise<void> {
    return settle(() => {
      const held = this.#contents.get(content)
      this.#contents.delete(content)
      for (const index of held?.chunks.keys() ?? []) this.#chunks.delete(held?.list.digestAt(index) ?? content)
    })
  }

  #open(ref: ContentRef): Holding {
    const known = this.#contents.get(ref.digest)
    if (!known || !isSameRef(known.ref, ref)) {
      const bytes = ref.list && this.#whole(ref.list.digest, ref.list.length)
      if (ref.list && !bytes) throw contentMissing(ref.list.digest)
      const list = bytes ? ChunkList.decode(bytes, ref) : ChunkList.single(ref)
      this.#contents.set(ref.digest, { ref, list, chunks: Array.from({ length: list.size }, () => undefined) })
    }
    const held = this.#heldOf(ref.digest)
    for (const index of held.chunks.keys()) {
      const chunk = this.#chunks.get(held.list.digestAt(index))
      if (!held.chunks[index] && chunk) this.#keep(held, index, chunk)
    }
    return holdingOf(held)
  }

  #whole(content: Digest, max: number): Uint8Array | undefined {
    const held = this.#contents.get(content)
    if (!held || held.chunks.includes(undefined)) return undefined
    if (held.ref.length > max) throw contentTooLarge(content, held.ref.length, max)
    const bytes = concatBytes(...held.chunks.filter((chunk) => chunk !== undefined))
    if (sha256(bytes) === content) return bytes
    throw contentWrong(content)
  }

  #add(parts: Iterable<Uint8Array>, tally: AddTally | undefined): ContentRef {
    const bytes = concatBytes(...parts)
    const cutting = new Cutting()
    cutting.push(bytes)
    const { digest, length, chunks } = cutting.end()
    const ref =
      chunks.length > 1 ? { digest, length, list: this.#add([encodeChunkList(chunks)], undefined) } : { digest, length }
    for (const chunk of new Map(chunks.map((chunk) => [chunk.digest, chunk])).values())
      if (tally && !this.#chunks.has(chunk.digest)) tally.newBytes += chunk.length
    this.#open(ref)
    const held = this.#heldOf(digest)
    for (const [index] of chunks.entries()) {
      const start = held.list.offsetAt(index)
      if (!held.chunks[index]) this.#keep(held, index, bytes.slice(start, start + held.list.lengthAt(index)))
    }
    return ref
  }

  #heldOf(content: Digest): Held {
    const held = this.#contents.get(content)
    assert(held, 'a content that was opened is held')
    return held
  }

  #keep(held: Held, index: number, bytes: Uint8Array): void {
    held.chunks[index] = bytes
    this.#chunks.set(held.list.digestAt(index), bytes)
  }
}

function holdingOf({ ref, list, chunks }: Held): Holding {
  const have = new Uint8Array(Math.ceil(list.size / 8))
  for (const [index, chunk] of chunks.entries())
    if (chunk) have[index >> 3] = (have[index >> 3] ?? 0) | (1 << (index & 7))
  return { ref, chunks: list.size, have, complete: !chunks.includes(undefined) }
}

/** What `act` returns or refuses, as a promise. Our own mistakes are thrown at once. */
function settle<T>(act: () => T): Promise<T> {
  try {
    return Promise.resolve(act())
  } catch (error) {
    if (error instanceof GrapevineError) return Promise.reject(error)
    throw error
  }
}

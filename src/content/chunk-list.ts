/**
 * The chunks of one content, in order: where each begins, how long it is, and under which digest it is verified. Never holds
 * bytes of the content itself.
 *
 * Byte form, a content of its own (`content-ref.ts`), no header, one entry of 36 bytes for each chunk:
 *
 *   0   32   SHA-256 of the chunk
 *   32   4   length of the chunk in bytes, unsigned, big-endian
 *
 * A list is valid for a reference if and only if: it is as long as the reference says, each length is 1 to `chunkBytesMax`, and
 * the lengths add up to the length of the content. That it is the right list is said by its digest, which the store checked.
 */
import { fromHex, toHex } from '#base/bytes.ts'
import type { Digest } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import { chunkBytesMax, listEntriesMax, listEntryBytes, type ContentRef } from './content-ref.ts'

export interface ChunkEntry {
  readonly digest: Digest
  /** Bytes, 1 to `chunkBytesMax`. */
  readonly length: number
}

const digestBytes = 32

export class ChunkList {
  /** Number of chunks. */
  readonly size: number
  readonly #bytes: Uint8Array
  /** size + 1 numbers: where each chunk begins, and the length of the content. Doubles, since contents exceed 4 GiB. */
  readonly #offsets: Float64Array

  private constructor(bytes: Uint8Array, offsets: Float64Array) {
    this.size = offsets.length - 1
    this.#bytes = bytes
    this.#offsets = offsets
  }

  /** The chunks of a content without a list: itself, or none where it is empty. */
  static single(ref: ContentRef): ChunkList {
    return ChunkList.decode(
      ref.length === 0 ? new Uint8Array() : encodeChunkList([{ digest: ref.digest, length: ref.length }]),
      ref,
    )
  }

  /** Reads the list of `ref`; keeps `bytes`, which nobody may change afterwards. Refused `CHUNK_LIST_INVALID`. */
  static decode(bytes: Uint8Array, ref: ContentRef): ChunkList {
    const size = bytes.byteLength / listEntryBytes
    if (!Number.isInteger(size) || size > listEntriesMax || (ref.list && ref.list.length !== bytes.byteLength))
      throw invalid(ref, `it has ${bytes.byteLength} bytes`)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const offsets = new Float64Array(size + 1)
    let offset = 0
    for (let index = 0; index < size; index++) {
      const length = view.getUint32(index * listEntryBytes + digestBytes)
      if (length < 1 || length > chunkBytesMax) throw invalid(ref, `chunk ${index} has ${length} bytes`)
      offsets[index] = offset
      offset += length
    }
    if (offset !== ref.length) throw invalid(ref, `its chunks add up to ${offset} of ${ref.length} bytes`)
    offsets[size] = offset
    return new ChunkList(bytes, offsets)
  }

  /** Digest of chunk `index`, which is below `size`. */
  digestAt(index: number): Digest {
    const start = index * listEntryBytes
    return toHex(this.#bytes.subarray(start, start + digestBytes)) as Digest
  }

  /** Where chunk `index` begins in the content; at `size` the length of the content. */
  offsetAt(index: number): number {
    return this.#offsets[index] ?? 0
  }

  lengthAt(index: number): number {
    return this.offsetAt(index + 1) - this.offsetAt(index)
  }

  /** The chunk that holds the byte at `offset`, which lies within the content. */
  indexAt(offset: number): number {
    let [low, high] = [0, this.size - 1]
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.offsetAt(middle) <= offset) low = middle
      else high = middle - 1
    }
    return low
  }
}

export function encodeChunkList(entries: readonly ChunkEntry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * listEntryBytes)
  const view = new DataView(bytes.buffer)
  for (const [index, { digest, length }] of entries.entries()) {
    bytes.set(fromHex(digest) ?? new Uint8Array(), index * listEntryBytes)
    view.setUint32(index * listEntryBytes + digestBytes, length)
  }
  return bytes
}

function invalid(ref: ContentRef, fault: string): Refused {
  return new Refused('CHUNK_LIST_INVALID', {
    message: `The chunk list does not describe its content: ${fault}.`,
    where: `content ${ref.digest}`,
    next: 'Have the bundle published again: nothing of it was kept.',
  })
}

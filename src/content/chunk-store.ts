/**
 * The ChunkStore contract: bytes at rest, by content and chunk index. Only a type stands here: `disk/file-store.ts`
 * hashes and verifies on files, `content/memory-store.ts` in memory; test/contracts/chunk-store.ts holds both to it.
 * The machines never see bytes: they hear `stored` or `wrong`.
 */
import type { Digest } from '#base/digest.ts'
import type { ContentRef } from './content-ref.ts'

/** What the store holds of one content. */
export interface Holding {
  readonly ref: ContentRef
  /** Number of chunks: 0 for an empty content, 1 without a list. */
  readonly chunks: number
  /** Bit i (byte i >> 3, bit i & 7) tells whether chunk i is here, verified. ceil(chunks / 8) bytes; the caller owns it. */
  readonly have: Uint8Array
  readonly complete: boolean
}

/** `already`: the chunk was here before, nothing was written. */
export type PutResult = 'stored' | 'already'

/** Counts what adding cost. */
export interface AddTally {
  /** Bytes of chunks that no content of the store held before, those of the list that is made not counted; `add` only raises it. */
  newBytes: number
}

export interface ChunkStore {
  /**
   * Makes a content ready to be fetched, and returns what is already here: what an earlier run stored, and chunks that other
   * contents hold under the same digest (they are copied, not fetched). The list of `ref` must be complete in this store.
   * Refused `CHUNK_LIST_INVALID` where the list does not describe `ref`; Unavailable `CONTENT_MISSING` where it is not here.
   */
  open(ref: ContentRef): Promise<Holding>

  /**
   * Verifies and stores one chunk of an opened content. Once it returns, the chunk is served, and survives the death of the
   * process; a power failure may lose those of the last moments, and what was lost is never claimed. Refused `CHUNK_WRONG` for bytes
   * under a wrong digest, length or index (nothing is kept); Unavailable `DISK_FULL`, and `CONTENT_MISSING` where it was not opened.
   */
  put(content: Digest, index: number, bytes: Uint8Array): Promise<PutResult>

  /**
   * The bytes of one chunk, verified again as they are read; undefined where it is not here. A chunk that rotted on disk is
   * forgotten (later `holding` shows it missing) and undefined is returned: damaged bytes are never served.
   */
  read(content: Digest, index: number): Promise<Uint8Array | undefined>

  /**
   * Some of `count` chunks from `first` on, as `read` gives them: in order, as many as are cheap to read at once, at least one where `first`
   * is here, none where it is not.
   */
  readRun(content: Digest, first: number, count: number): Promise<readonly Uint8Array[]>

  /**
   * The whole content as one piece, for small ones such as manifests and lists; undefined where it is not complete. Refused
   * `CONTENT_TOO_LARGE` for more than `max` bytes, `CONTENT_WRONG` where its signed list describes other bytes than its digest.
   */
  readWhole(content: Digest, max: number): Promise<Uint8Array | undefined>

  /** Cuts, stores and names bytes made here, with their list. The stream is read once; a content that is already here is not written again. */
  add(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, tally?: AddTally): Promise<ContentRef>

  /** What is here of a content; undefined where it was never opened. */
  holding(content: Digest): Holding | undefined

  /** All contents that were opened or added. */
  holdings(): readonly Holding[]

  /** Forgets a content and its bytes. Chunks that other contents share stay readable there. */
  remove(content: Digest): Promise<void>
}

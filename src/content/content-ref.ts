/**
 * How a content is named: its SHA-256, its length and, where it is larger than one chunk, the content that lists its
 * chunks (protocol.md §4). A content without a list is exactly one chunk, and its digest is the chunk's digest; an empty
 * content has length 0 and no chunk. A long list has a list of its own, so every chunk of every content is verified by
 * itself, and whoever sent a bad one is known.
 *
 * JSON form, as it stands in manifests and in the signed `custom` member of a target: `{digest, length, list?}`.
 */
import type { Digest } from '#base/digest.ts'

export interface ContentRef {
  readonly digest: Digest
  /** Bytes, 0 to 2^53-1. */
  readonly length: number
  readonly list?: ContentRef
}

/** Contents up to this many bytes are one chunk and have no list. Equals the largest cut of the chunker. */
export const chunkBytesMax = 65_536

/** Lists of lists end here: three levels name a content of more than 5 TiB. */
export const listDepthMax = 3

/**
 * How a content is named: its SHA-256, its length and, where it is larger than one chunk, the content that lists its
 * chunks (protocol.md §4). A content without a list is exactly one chunk, and its digest is the chunk's digest; an empty
 * content has length 0 and no chunk. A long list has a list of its own, so every chunk of every content is verified by
 * itself, and whoever sent a bad one is known.
 *
 * JSON form, as it stands in manifests and in the signed `custom` member of a target: `{digest, length, list?}`. It is valid
 * if and only if: a content longer than `chunkBytesMax` has a list, an empty one has none, the length of a list is 36 bytes
 * for each of at least length / `chunkBytesMax` and at most `listEntriesMax` chunks, and lists nest at most `listDepthMax` deep.
 */
import { isDigest, type Digest } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import { fieldsAt, GuardFailed, onlyKeys, own, wholeAt } from '#base/guard.ts'

export interface ContentRef {
  readonly digest: Digest
  /** Bytes, 0 to 2^53-1. */
  readonly length: number
  readonly list?: ContentRef
}

/** Contents up to this many bytes are one chunk and need no list. Equals the largest cut of the chunker. */
export const chunkBytesMax = 65_536

/** Bytes of one entry of a chunk list: digest and length. */
export const listEntryBytes = 36

/** Chunks of one content: about 32 GiB at 32 KiB each. Its list of 36 MiB is held in memory while the content is used. */
export const listEntriesMax = 1_048_576

/** Lists of lists end here. With `listEntriesMax` two levels are enough; the third is room for smaller chunks. */
const listDepthMax = 3

/** The reference in JSON from others. Refused `MANIFEST_INVALID`, naming `path` and what was expected there. */
export function contentRefOf(value: unknown, path: string): ContentRef {
  try {
    return contentRefAt(value, path, listDepthMax)
  } catch (error) {
    if (!(error instanceof GuardFailed)) throw error
    throw new Refused('MANIFEST_INVALID', {
      message: `The reference to a content is not valid: ${error.message}.`,
      where: error.path,
      next: 'Have the bundle published again: nothing of it was kept.',
      cause: error,
    })
  }
}

/** Whether both name the same content by the same list. */
export function isSameRef(a: ContentRef, b: ContentRef): boolean {
  if (a.digest !== b.digest || a.length !== b.length) return false
  return a.list && b.list ? isSameRef(a.list, b.list) : a.list === b.list
}

function contentRefAt(value: unknown, path: string, depth: number): ContentRef {
  const fields = fieldsAt(value, path)
  onlyKeys(fields, path, ['digest', 'length', 'list'])
  const digest = own(fields, 'digest')
  if (!isDigest(digest)) throw new GuardFailed(`${path}.digest`, 'a SHA-256 digest in lower-case hex')
  const length = wholeAt(own(fields, 'length'), `${path}.length`, 0)
  const list = own(fields, 'list')
  if (list === undefined) {
    if (length > chunkBytesMax) throw new GuardFailed(`${path}.list`, `a list for more than ${chunkBytesMax} bytes`)
    return { digest, length }
  }
  if (depth === 0) throw new GuardFailed(`${path}.list`, `lists at most ${listDepthMax} deep`)
  const ref = contentRefAt(list, `${path}.list`, depth - 1)
  const entries = ref.length / listEntryBytes
  const [min, max] = [Math.max(1, Math.ceil(length / chunkBytesMax)), Math.min(length, listEntriesMax)]
  if (!Number.isInteger(entries) || entries < min || entries > max)
    throw new GuardFailed(`${path}.list.length`, `${listEntryBytes} bytes for each of ${min} to ${max} chunks`)
  return { digest, length, list: ref }
}

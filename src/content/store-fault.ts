/** What a ChunkStore refuses, in one wording for every home of the contract (`chunk-store.ts`). */
import type { Digest } from '#base/digest.ts'
import { Refused, Unavailable } from '#base/errors.ts'

export function contentMissing(content: Digest): Unavailable {
  return new Unavailable('CONTENT_MISSING', {
    message: 'A content, or the list of its chunks, is not here yet.',
    where: `content ${content}`,
    next: 'Fetch its list first, then open it.',
  })
}

export function chunkWrong(content: Digest, index: number): Refused {
  return new Refused('CHUNK_WRONG', {
    message: `Chunk ${index} is not what its digest names; nothing was kept.`,
    where: `content ${content}`,
  })
}

export function contentTooLarge(content: Digest, length: number, max: number): Refused {
  return new Refused('CONTENT_TOO_LARGE', {
    message: `A content of ${length} bytes is larger than the ${max} that are read at once.`,
    where: `content ${content}`,
  })
}

export function contentWrong(content: Digest): Refused {
  return new Refused('CONTENT_WRONG', {
    message: 'The chunk list of a content describes other bytes than its digest names.',
    where: `content ${content}`,
    next: 'Have the bundle published again.',
  })
}

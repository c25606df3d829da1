/**
 * Raw deflate (RFC 1951) for small texts that cross a line, such as reports. What comes from others is bounded before a byte is unpacked:
 * a few bytes that would become gigabytes are refused at the limit, and no more than the limit is ever held.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { Refused } from '#base/errors.ts'

export const compress = (bytes: Uint8Array): Uint8Array => new Uint8Array(deflateRawSync(bytes, { level: 9 }))

/** Refused COMPRESSED_TOO_LARGE where it would become more than `bytesMax`, COMPRESSED_INVALID where it is no deflate stream. */
export function decompress(bytes: Uint8Array, bytesMax: number): Uint8Array {
  try {
    return new Uint8Array(inflateRawSync(bytes, { maxOutputLength: bytesMax }))
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE')
      throw new Refused('COMPRESSED_TOO_LARGE', { message: `Compressed bytes become more than ${bytesMax}.` })
    throw new Refused('COMPRESSED_INVALID', { message: 'Compressed bytes cannot be unpacked.', cause: error })
  }
}

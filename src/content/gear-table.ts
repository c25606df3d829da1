/**
 * The 256 random-looking numbers of the gear hash, one for each value of a byte: what the chunker adds up. Derived from SHA-256 of a
 * fixed label, so that nobody has to trust a table, and every machine and every release has the same one.
 */
import { fromHex, utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'

const label = 'grapevine gear 1'

/** Signed 32-bit numbers: entry i is the first four bytes, big-endian, of SHA-256 of `grapevine gear 1 <i>`. */
export function createGearTable(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, index) => {
    const bytes = fromHex(sha256(utf8(`${label} ${index}`)).slice(0, 8)) ?? new Uint8Array(4)
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getInt32(0)
  })
}

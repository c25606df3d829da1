/**
 * The little of DER (X.690) that a certificate needs: elements with definite lengths in their shortest form. Whatever is spelled in another way,
 * or is not used up to its end, is refused. It knows no certificates.
 */
import { concatBytes } from '#base/bytes.ts'

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  time: 0x18,
  sequence: 0x30,
  /** `[0]` and `[3]`, explicit. */
  version: 0xa0,
  extensions: 0xa3,
} as const

/** The longest that is read; a certificate has a few hundred bytes. */
const lengthMax = 0xffff

/** One element after the other of some bytes. All methods throw TypeError where it is not what was asked for. */
export class DerReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.byteLength
  }

  /** The tag of the next element. */
  get tag(): number | undefined {
    return this.#bytes[this.#at]
  }

  /** The content of the next element, which has this tag. */
  take(tag: number): Uint8Array {
    return this.#take(tag).content
  }

  /** The next element with its head, as it stands. */
  whole(tag: number): Uint8Array {
    return this.#take(tag).whole
  }

  inside(tag: number): DerReader {
    return new DerReader(this.take(tag))
  }

  end(): void {
    if (!this.isAtEnd) throw new TypeError('DER goes on where it should end')
  }

  #take(tag: number): { readonly content: Uint8Array; readonly whole: Uint8Array } {
    const start = this.#at
    if (this.#next() !== tag) throw new TypeError(`DER has another element than ${tag}`)
    const first = this.#next()
    let length = first
    if (first >= 0x80) {
      length = 0
      for (let left = first - 0x80; left > 0; left--) length = length * 256 + this.#next()
      // 0x80 itself says "until a mark", which DER does not have.
      const least = first === 0x81 ? 0x80 : first === 0x82 ? 0x100 : Number.POSITIVE_INFINITY
      if (length < least || length > lengthMax)
        throw new TypeError('DER has a length in another form than the shortest')
    }
    const from = this.#at
    this.#at += length
    if (this.#at > this.#bytes.byteLength) throw new TypeError('DER ends too early')
    return { content: this.#bytes.subarray(from, this.#at), whole: this.#bytes.subarray(start, this.#at) }
  }

  #next(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw new TypeError('DER ends too early')
    return byte
  }
}

/** An element of these contents, one behind the other. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const content = concatBytes(...contents)
  const { byteLength } = content
  const head =
    byteLength < 0x80
      ? [tag, byteLength]
      : byteLength < 0x100
        ? [tag, 0x81, byteLength]
        : [tag, 0x82, byteLength >> 8, byteLength & 0xff]
  return concatBytes(Uint8Array.from(head), content)
}

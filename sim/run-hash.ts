/**
 * A run as one number: everything that happened to every member, mixed as it happens. Two lanes of 32 bits over numbers, texts and bytes
 * (after FNV-1a and MurmurHash3): not secret, but two runs that differ in one byte differ in it. Made for millions of events.
 */
import { sha256, type Digest } from '#base/digest.ts'
import { utf8 } from '#base/bytes.ts'

export class RunHash {
  #a = 0x811c9dc5
  #b = 0x9747b28c
  /** What names come to: the same few thousand come again and again. */
  readonly #texts = new Map<string, number>()

  add(value: unknown): void {
    switch (typeof value) {
      case 'number':
        this.#mix(value | 0)
        return this.#mix(Number.isInteger(value) ? (value / 4_294_967_296) | 0 : Math.trunc(value * 1e6) | 0)
      case 'string':
        return this.#mix(this.#textOf(value))
      case 'boolean':
        return this.#mix(value ? 1 : 2)
      case 'object':
        return this.#addObject(value)
      default:
        return this.#mix(3)
    }
  }

  digest(): Digest {
    return sha256(utf8(`${this.#a >>> 0} ${this.#b >>> 0}`))
  }

  #addObject(value: object | null): void {
    if (value === null) return this.#mix(4)
    if (value instanceof Uint8Array) {
      this.#mix(value.byteLength)
      for (let at = 0; at < value.length; at += 4)
        this.#mix(value[at]! | (value[at + 1]! << 8) | (value[at + 2]! << 16) | (value[at + 3]! << 24))
      return
    }
    if (Array.isArray(value)) {
      this.#mix(value.length)
      for (const item of value) this.add(item)
      return
    }
    if (value instanceof Map) {
      for (const [key, item] of value) {
        this.add(key)
        this.add(item)
      }
      return
    }
    if (value instanceof Set) return this.#addObject([...(value as Set<unknown>)])
    for (const key in value) {
      this.#mix(this.#textOf(key))
      this.add((value as Record<string, unknown>)[key])
    }
  }

  #textOf(text: string): number {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    let hash = 0x811c9dc5
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
    if (this.#texts.size < textsMax) this.#texts.set(text, hash)
    return hash
  }

  #mix(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193)
    const turned = Math.imul(word, 0xcc9e2d51)
    const b = this.#b ^ ((turned << 15) | (turned >>> 17))
    this.#b = (Math.imul((b << 13) | (b >>> 19), 5) + 0xe6546b64) | 0
  }
}

const textsMax = 100_000

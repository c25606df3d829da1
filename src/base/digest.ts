/** SHA-256, the one hash of the house, as a branded lower-case hex string of 64 digits. */
import { createHash, hash } from 'node:crypto'

export type Digest = string & { readonly __digest: true }

export const digestLength = 32

export function sha256(bytes: Uint8Array): Digest {
  return hash('sha256', bytes, 'hex') as Digest
}

/** Hashes bytes as they come; `digest()` may be called once. */
export class Hasher {
  readonly #hash = createHash('sha256')

  update(bytes: Uint8Array): this {
    this.#hash.update(bytes)
    return this
  }

  digest(): Digest {
    return this.#hash.digest('hex') as Digest
  }
}

export function isDigest(value: unknown): value is Digest {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

/** The first 12 digits: enough for a person to recognise it in a line. */
export const shortDigest = (digest: Digest): string => digest.slice(0, 12)

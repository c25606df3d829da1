/**
 * The keys of the house: Ed25519 for signatures, X25519 for sealed reports, and how TUF spells and names a public key.
 *
 * tweetnacl signs, node:crypto verifies, never the other way round (trust.md §3): tweetnacl accepts signatures with S+L and
 * keys of small order, so two members could disagree and a relay could mint new spellings of one release.
 */
import { createPrivateKey, createPublicKey, verify as verifySignature, type KeyObject } from 'node:crypto'
import nacl from 'tweetnacl'
import { assert } from '#base/assert.ts'
import { concatBytes, fromHex, toHex, utf8 } from '#base/bytes.ts'
import { canonicalJson } from '#base/canonical-json.ts'
import { sha256, type Digest } from '#base/digest.ts'

/** Bytes of a seed, of a public key of either kind, and of a box secret. */
export const keyLength = 32
export const signatureLength = 64

/** An Ed25519 key: 32 bytes each. The public part is derived from the seed. */
export interface SigningKey {
  readonly seed: Uint8Array
  readonly public: Uint8Array
}

/** An X25519 key: 32 bytes each. */
export interface BoxKey {
  readonly secret: Uint8Array
  readonly public: Uint8Array
}

/** A public key as it stands in TUF metadata (TUF 1.0.34 §4.2). */
export interface TufKey {
  readonly keytype: 'ed25519'
  readonly scheme: 'ed25519'
  readonly keyval: { readonly public: string }
}

export function signingKey(seed: Uint8Array): SigningKey {
  assert(seed.byteLength === keyLength, `a seed has ${keyLength} bytes`)
  // By node:crypto: tweetnacl gives the same 32 bytes for 16 ms each in a process that just started.
  const secret = createPrivateKey({ key: Buffer.from(concatBytes(secretPrefix, seed)), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(secret).export({ type: 'spki', format: 'der' })
  return { seed, public: new Uint8Array(spki.subarray(derPrefix.byteLength)) }
}

export function boxKey(secret: Uint8Array): BoxKey {
  assert(secret.byteLength === keyLength, `a box secret has ${keyLength} bytes`)
  return { secret, public: nacl.box.keyPair.fromSecretKey(secret).publicKey }
}

/** The signature, 64 bytes; the same bytes give the same signature. */
export function sign(key: SigningKey, bytes: Uint8Array): Uint8Array {
  return nacl.sign.detached(bytes, concatBytes(key.seed, key.public))
}

/** Whether `signature` is one of `publicKey` over `bytes`. Total: false for anything malformed. */
export function verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.byteLength !== keyLength || signature.byteLength !== signatureLength) return false
  if (verdictsMax === 0) return verifySignature(null, bytes, keyObjectOf(publicKey), signature)
  const name = `${toHex(publicKey)} ${toHex(signature)} ${sha256(bytes)}`
  const known = verdicts.get(name)
  if (known !== undefined) return known
  const verdict = verifySignature(null, bytes, keyObjectOf(publicKey), signature)
  if (verdicts.size >= verdictsMax) verdicts.clear()
  verdicts.set(name, verdict)
  return verdict
}

let verdictsMax = 0
const verdicts = new Map<string, boolean>()

/** For simulated fleets, whose members verify the same signatures in one process: so many are not computed again. A member alone gains nothing by it. */
export function rememberVerdicts(max: number): void {
  verdictsMax = max
}

/**
 * What is signed outside of TUF: `domain ‖ 0x00 ‖ parts`, so that a signature made for one purpose serves no other. A domain
 * begins with a letter and TUF's signed text with `{`, so neither passes for the other.
 */
export const domainBytes = (domain: string, ...parts: Uint8Array[]): Uint8Array =>
  concatBytes(utf8(domain), new Uint8Array(1), ...parts)

export const tufKey = (publicKey: Uint8Array): TufKey => ({
  keytype: 'ed25519',
  scheme: 'ed25519',
  keyval: { public: toHex(publicKey) },
})

/** SHA-256 of the canonical JSON of the key object (TUF 1.0.34 §4.2). */
export const keyId = (key: TufKey): Digest => sha256(utf8(canonicalJson(key)))

/** The short name of an issuer or box key: the first 32 digits of the SHA-256 of its 32 bytes. */
export const kidOf = (publicKey: Uint8Array): string => sha256(publicKey).slice(0, 32)

/** SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410 §4). */
const derPrefix = fromHex('302a300506032b6570032100') ?? new Uint8Array()
/** The same of its seed (RFC 8410 §7). */
const secretPrefix = fromHex('302e020100300506032b657004220420') ?? new Uint8Array()

/** Making a KeyObject costs as much as a verification; the bound keeps strangers' keys from filling memory. */
const keyObjectsMax = 256
const keyObjects = new Map<string, KeyObject>()

function keyObjectOf(publicKey: Uint8Array): KeyObject {
  const name = toHex(publicKey)
  const known = keyObjects.get(name)
  if (known) return known
  const made = createPublicKey({ key: Buffer.from(concatBytes(derPrefix, publicKey)), format: 'der', type: 'spki' })
  const [oldest] = keyObjects.keys()
  if (oldest !== undefined && keyObjects.size >= keyObjectsMax) keyObjects.delete(oldest)
  keyObjects.set(name, made)
  return made
}

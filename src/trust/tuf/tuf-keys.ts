/**
 * The public keys of any TUF repository (TUF 1.0.34 §4.2): Ed25519, ECDSA on P-256 and RSA-PSS, each over SHA-256. A key of another
 * kind is no fault: it counts as no signature. Verification never throws, whatever a key or a signature holds.
 */
import { constants, createPublicKey, verify as verifySignature, type KeyObject } from 'node:crypto'
import { fromHex, utf8 } from '#base/bytes.ts'
import { canonicalJson } from '#base/canonical-json.ts'
import { sha256 } from '#base/digest.ts'
import { fieldsAt, GuardFailed, listAt, own, textAt, wholeAt, type Fields } from '#base/guard.ts'
import { verify } from '../keys.ts'

const keysMax = 4096
const keyTextMax = 16_384
const signatureTextMax = 4096
const rsaBitsMin = 2048

export interface ForeignKey {
  readonly scheme: string
  /** Hex digits or PEM, as the file spells it. */
  readonly public: string
}

/** Who may sign a role. */
export interface ForeignRole {
  readonly keys: readonly (readonly [keyid: string, key: ForeignKey])[]
  readonly threshold: number
}

/** A `keys` object; throws GuardFailed. Every keyid must be the digest of its key. */
export function readForeignKeys(value: unknown, at: string): ReadonlyMap<string, ForeignKey> {
  const entries = Object.entries(fieldsAt(value, at))
  if (entries.length > keysMax) throw new GuardFailed(at, `at most ${keysMax} keys`)
  return new Map(
    entries.map(([keyid, item]) => {
      const key = fieldsAt(item, `${at}.${keyid}`)
      textAt(own(key, 'keytype'), `${at}.${keyid}.keytype`, 64)
      const scheme = textAt(own(key, 'scheme'), `${at}.${keyid}.scheme`, 64)
      const keyval = fieldsAt(own(key, 'keyval'), `${at}.${keyid}.keyval`)
      const text = textAt(own(keyval, 'public'), `${at}.${keyid}.keyval.public`, keyTextMax)
      if (sha256(utf8(canonicalJson(key, 'lax'))) !== keyid)
        throw new GuardFailed(`${at}.${keyid}`, 'the keyid of its key')
      return [keyid, { scheme, public: text }]
    }),
  )
}

/** `keyids` and `threshold` of a role; throws GuardFailed. A keyid without a key is a key that nobody has. */
export function readForeignRole(role: Fields, keys: ReadonlyMap<string, ForeignKey>, at: string): ForeignRole {
  const seen = new Set<string>()
  for (const keyid of listAt(own(role, 'keyids'), `${at}.keyids`, keysMax)) {
    const text = textAt(keyid, `${at}.keyids`, 1024)
    if (seen.has(text)) throw new GuardFailed(`${at}.keyids`, 'different keyids')
    seen.add(text)
  }
  const known = [...seen].flatMap((keyid) => {
    const key = keys.get(keyid)
    return key ? [[keyid, key] as const] : []
  })
  return { keys: known, threshold: wholeAt(own(role, 'threshold'), `${at}.threshold`, 1) }
}

/** How many different keys of a role signed these bytes well, counted up to its threshold. One key under two names counts once. */
export function signersOf(role: ForeignRole, bytes: Uint8Array, signatures: ReadonlyMap<string, string>): number {
  const signers = new Set<string>()
  for (const [keyid, key] of role.keys) {
    const signature = signatures.get(keyid)
    if (signature !== undefined && isSignedBy(key, bytes, signature)) signers.add(key.public)
    if (signers.size >= role.threshold) break
  }
  return signers.size
}

/** Whether `signature`, in hex, is one of this key over `bytes`. */
function isSignedBy(key: ForeignKey, bytes: Uint8Array, signature: string): boolean {
  const signed = signature.length <= signatureTextMax ? fromHex(signature.toLowerCase()) : undefined
  if (!signed) return false
  switch (key.scheme) {
    case 'ed25519': {
      const raw = fromHex(key.public)
      return raw !== undefined && verify(raw, bytes, signed)
    }
    case 'ecdsa-sha2-nistp256': {
      const object = publicKeyOf(key.public)
      const isP256 = object?.asymmetricKeyType === 'ec' && object.asymmetricKeyDetails?.namedCurve === 'prime256v1'
      return isP256 && verifies(object, bytes, signed)
    }
    case 'rsassa-pss-sha256': {
      const object = publicKeyOf(key.public)
      const isLong = (object?.asymmetricKeyDetails?.modulusLength ?? 0) >= rsaBitsMin
      return object?.asymmetricKeyType === 'rsa' && isLong && verifies(object, bytes, signed)
    }
    default:
      return false
  }
}

function verifies(key: KeyObject, bytes: Uint8Array, signature: Uint8Array): boolean {
  const padding = key.asymmetricKeyType === 'rsa' ? { padding: constants.RSA_PKCS1_PSS_PADDING } : {}
  try {
    return verifySignature('sha256', bytes, { key, ...padding }, signature)
  } catch {
    return false
  }
}

function publicKeyOf(pem: string): KeyObject | undefined {
  try {
    return pem.includes('PRIVATE') ? undefined : createPublicKey({ key: pem, format: 'pem' })
  } catch {
    return undefined
  }
}

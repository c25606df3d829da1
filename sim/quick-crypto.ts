/**
 * Signs and seals by node:crypto in place of tweetnacl, for runs of thousands of members in one process: the bytes are the same (Ed25519,
 * RFC 8032, and X25519, RFC 7748, leave no choice), at a fortieth of the time. And a signature that one member verified is not computed again
 * for its neighbours. Decisions stay those of the production code; `test/sim/quick-crypto.test.ts` holds both to the same bytes.
 */
import { createPrivateKey, createPublicKey, diffieHellman, sign, type KeyObject } from 'node:crypto'
import nacl from 'tweetnacl'
import { rememberVerdicts } from '#trust/keys.ts'

/** PKCS #8 and SubjectPublicKeyInfo up to their 32 bytes (RFC 8410 §4, §7). */
const prefix = {
  ed25519: { secret: '302e020100300506032b657004220420', public: '302a300506032b6570032100' },
  x25519: { secret: '302e020100300506032b656e04220420', public: '302a300506032b656e032100' },
} as const
type Curve = keyof typeof prefix

const verdictsMax = 200_000
/** The constant of HSalsa20, as NaCl has it. */
const sigma = new TextEncoder().encode('expand 32-byte k')

let isQuick = false

/** Makes the process quick; for the rest of its life. */
export function quickenCrypto(): void {
  if (isQuick) return
  isQuick = true
  rememberVerdicts(verdictsMax)
  Object.assign(nacl.sign, {
    detached: (message: Uint8Array, secret: Uint8Array): Uint8Array =>
      new Uint8Array(sign(null, message, secretKey('ed25519', secret.subarray(0, 32)))),
  })
  Object.assign(nacl.sign.keyPair, {
    fromSeed: (seed: Uint8Array) => {
      const publicKey = publicBytes(secretKey('ed25519', seed))
      const secret = new Uint8Array(64)
      secret.set(seed)
      secret.set(publicKey, 32)
      return { publicKey, secretKey: secret }
    },
  })
  Object.assign(nacl.box, { before: sharedKey })
  Object.assign(nacl.box.keyPair, {
    fromSecretKey: (secret: Uint8Array) => ({
      publicKey: publicBytes(secretKey('x25519', secret)),
      secretKey: Uint8Array.from(secret),
    }),
  })
}

interface LowLevel {
  readonly crypto_core_hsalsa20: (out: Uint8Array, input: Uint8Array, key: Uint8Array, constant: Uint8Array) => void
}

/** crypto_box_beforenm: HSalsa20 of the shared point. */
function sharedKey(publicKey: Uint8Array, secret: Uint8Array): Uint8Array {
  const point = diffieHellman({ publicKey: publicOf('x25519', publicKey), privateKey: secretKey('x25519', secret) })
  const key = new Uint8Array(32)
  const { lowlevel } = nacl as unknown as { lowlevel: LowLevel }
  lowlevel.crypto_core_hsalsa20(key, new Uint8Array(16), new Uint8Array(point), sigma)
  return key
}

const keysMax = 50_000
const keys = new Map<string, KeyObject>()

function remembered(name: string, make: () => KeyObject): KeyObject {
  const known = keys.get(name)
  if (known) return known
  const made = make()
  if (keys.size < keysMax) keys.set(name, made)
  return made
}

function secretKey(curve: Curve, seed: Uint8Array): KeyObject {
  const hex = Buffer.from(seed).toString('hex')
  const key = Buffer.from(prefix[curve].secret + hex, 'hex')
  return remembered(`${curve} ${hex}`, () => createPrivateKey({ key, format: 'der', type: 'pkcs8' }))
}

function publicOf(curve: Curve, bytes: Uint8Array): KeyObject {
  const key = Buffer.from(prefix[curve].public + Buffer.from(bytes).toString('hex'), 'hex')
  return createPublicKey({ key, format: 'der', type: 'spki' })
}

const publicBytes = (key: KeyObject): Uint8Array =>
  new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32))

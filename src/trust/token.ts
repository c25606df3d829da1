/**
 * The join token: one line by which a device joins without asking any server (trust.md §6). It carries a certificate by an issuer
 * over a throw-away key, that key's seed, and what a newcomer must know to find and believe the fleet.
 *
 *   "gvj1_" + base64url( canonical JSON { addresses, cert, fleet, issuers, seed } ‖ first 4 bytes of its SHA-256 )
 */
import { concatBytes, equalBytes, fromBase64url, fromHex, textOf, toBase64url, toHex, utf8 } from '#base/bytes.ts'
import { canonicalJson, NotCanonical } from '#base/canonical-json.ts'
import { sha256, isDigest, type Digest } from '#base/digest.ts'
import { messageOf, Misconfigured, Refused } from '#base/errors.ts'
import { fieldsAt, GuardFailed, listAt, oneOfAt, onlyKeys, own, textAt, wholeAt, type Fields } from '#base/guard.ts'
import { day, instant, type Instant } from '#base/time.ts'
import { readCertificate, signCertificate, type Certificate } from './certificate.ts'
import { fleetNamePattern } from './roles.ts'
import { keyLength, kidOf, signingKey, type SigningKey } from './keys.ts'

/** What a token says of those who join with it. */
export interface TokenBody {
  readonly id: string
  readonly meshId: Digest
  readonly issuer: string
  /** The throw-away key that signs memberships. */
  readonly public: Uint8Array
  readonly site: string
  readonly role: 'relay' | 'client'
  readonly labels: Readonly<Record<string, string>>
  readonly notBefore: Instant
  readonly expires: Instant
  /** No membership made with it is valid longer. */
  readonly membershipExpires: Instant
  /** How many may join with it. Offline this can only be watched, not enforced. */
  readonly max: number
}

export interface JoinToken extends TokenBody {
  readonly fleet: string
  readonly addresses: readonly string[]
  /** Public keys of the issuers when it was made: believed until the signed metadata is here. */
  readonly issuers: readonly Uint8Array[]
  readonly certificate: Fields
  readonly key: SigningKey
}

export interface TokenOrder {
  readonly issuer: SigningKey
  readonly meshId: Digest
  readonly fleet: string
  /** 32 random bytes, never used twice. */
  readonly tokenSeed: Uint8Array
  readonly site: string
  readonly role: 'relay' | 'client' | 'origin'
  readonly labels: Readonly<Record<string, string>>
  readonly now: Instant
  readonly lifetimeMs?: number
  readonly membershipMs?: number
  readonly max?: number
  readonly addresses: readonly string[]
  readonly issuers: readonly Uint8Array[]
}

const prefix = 'gvj1_'
const textLengthMax = 8_192
/** A site, a label's name or its value. */
export const wordPattern = /^[A-Za-z0-9._/-]{1,63}$/
const labelsMax = 16
/** As canonical JSON. They stand twice in a membership, which with the longest names has 1,002 bytes more and at most 2,048. */
const labelsBytesMax = 512
const lifetimeDefaultMs = 7 * day
const membershipDefaultMs = 90 * day

/**
 * The token as one line, and the id by which it is revoked. Misconfigured TOKEN_OPTION_INVALID for what no device could read, and for more
 * labels than a membership holds.
 */
export function makeToken(order: TokenOrder): { text: string; id: string } {
  const { issuer, now, role, site, labels, meshId } = order
  const key = signingKey(order.tokenSeed)
  const id = sha256(key.public).slice(0, 32)
  const expires = now + (order.lifetimeMs ?? lifetimeDefaultMs)
  const body = {
    v: 1,
    typ: 'token',
    mesh: meshId,
    iss: kidOf(issuer.public),
    id,
    pub: toHex(key.public),
    site,
    role,
    labels,
    nbf: seconds(now),
    exp: seconds(expires),
    mexp: seconds(expires + (order.membershipMs ?? membershipDefaultMs)),
    max: order.max ?? 1,
  }
  return ordered(() => {
    if (Object.keys(labels).length > labelsMax || canonicalJson(labels).length > labelsBytesMax)
      throw new Misconfigured('TOKEN_OPTION_INVALID', {
        message: `A token holds at most ${labelsMax} labels and ${labelsBytesMax} characters of them.`,
        where: '--label',
        next: 'Give fewer or shorter labels.',
      })
    const fields = {
      cert: signCertificate('grapevine-token-v1', body, issuer),
      seed: toHex(order.tokenSeed),
      fleet: order.fleet,
      addresses: order.addresses,
      issuers: order.issuers.map(toHex),
    }
    contentOf(fields)
    const json = utf8(canonicalJson(fields))
    return { text: prefix + toBase64url(concatBytes(json, checksum(json))), id }
  })
}

/** Refused TOKEN_DAMAGED where it is not whole or not understood. Says nothing of who signed it: only other members can tell. */
export function readToken(text: string): JoinToken {
  try {
    if (text.length > textLengthMax || !text.startsWith(prefix))
      throw new GuardFailed('token', `text that begins with ${prefix}`)
    const bytes = fromBase64url(text.slice(prefix.length)) ?? new Uint8Array()
    const json = bytes.subarray(0, -4)
    if (json.byteLength === 0 || !equalBytes(checksum(json), bytes.subarray(-4)))
      throw new GuardFailed('token', 'the whole line, unchanged')
    return tokenOf(fieldsAt(JSON.parse(textOf(json) ?? ''), 'token'))
  } catch (error) {
    if (!(error instanceof GuardFailed || error instanceof SyntaxError)) throw error
    throw new Refused('TOKEN_DAMAGED', {
      message: `This is no whole join token: ${messageOf(error)}.`,
      next: 'Copy it again, all of its one line, or make a new one: grapevine token create.',
      cause: error,
    })
  }
}

/** The body of a token's certificate; throws GuardFailed. */
export function tokenBodyOf({ body }: Certificate): TokenBody {
  const at = 'token'
  onlyKeys(body, at, ['v', 'typ', 'mesh', 'iss', 'id', 'pub', 'site', 'role', 'labels', 'nbf', 'exp', 'mexp', 'max'])
  wholeAt(own(body, 'v'), 'v', 1, 1)
  oneOfAt(own(body, 'typ'), 'typ', ['token'])
  const mesh = own(body, 'mesh')
  if (!isDigest(mesh)) throw new GuardFailed('mesh', 'a digest')
  return {
    id: textAt(own(body, 'id'), 'id', 32, /^[0-9a-f]{32}$/),
    meshId: mesh,
    issuer: textAt(own(body, 'iss'), 'iss', 32, /^[0-9a-f]{32}$/),
    public: keyAt(own(body, 'pub'), 'pub'),
    site: textAt(own(body, 'site'), 'site', 63, wordPattern),
    role: oneOfAt(own(body, 'role'), 'role', ['relay', 'client']),
    labels: labelsAt(own(body, 'labels')),
    notBefore: instantAt(own(body, 'nbf'), 'nbf'),
    expires: instantAt(own(body, 'exp'), 'exp'),
    membershipExpires: instantAt(own(body, 'mexp'), 'mexp'),
    max: wholeAt(own(body, 'max'), 'max', 1, 1_000_000_000),
  }
}

export function labelsAt(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(fieldsAt(value, 'labels'))
  if (entries.length > labelsMax) throw new GuardFailed('labels', `at most ${labelsMax}`)
  return Object.fromEntries(
    entries.map(([name, label]) => [
      textAt(name, 'labels', 63, wordPattern),
      textAt(label, `labels.${name}`, 63, wordPattern),
    ]),
  )
}

/** Whole seconds in signed statements, so that every language reads the same number. */
export const seconds = (time: number): number => Math.floor(time / 1000)
export const instantAt = (value: unknown, path: string): Instant => instant(wholeAt(value, path, 0, 1e11) * 1000)

function tokenOf(fields: Fields): JoinToken {
  const { seed, ...content } = contentOf(fields)
  const key = signingKey(seed)
  if (!equalBytes(key.public, content.public)) throw new GuardFailed('seed', 'the seed of its key')
  return { ...content, key }
}

/** All but the key, which costs as much to make as ten verifications; throws GuardFailed. */
function contentOf(fields: Fields): Omit<JoinToken, 'key'> & { readonly seed: Uint8Array } {
  onlyKeys(fields, 'token', ['cert', 'seed', 'fleet', 'addresses', 'issuers'])
  const certificate = readCertificate(own(fields, 'cert'), 'cert')
  return {
    ...tokenBodyOf(certificate),
    certificate: fieldsAt(own(fields, 'cert'), 'cert'),
    seed: keyAt(own(fields, 'seed'), 'seed'),
    fleet: textAt(own(fields, 'fleet'), 'fleet', 63, fleetNamePattern),
    addresses: listAt(own(fields, 'addresses'), 'addresses', 8).map((item) =>
      textAt(item, 'addresses', 256, /^\/[\x21-\x7e]+$/),
    ),
    issuers: listAt(own(fields, 'issuers'), 'issuers', 8).map((item) => keyAt(item, 'issuers')),
  }
}

function keyAt(value: unknown, path: string): Uint8Array {
  const key = fromHex(textAt(value, path, 2 * keyLength))
  if (key?.byteLength !== keyLength) throw new GuardFailed(path, `${keyLength} bytes as hex`)
  return key
}

/** What is wrong with an order is the operator's to correct. */
function ordered<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof GuardFailed || error instanceof NotCanonical)) throw error
    throw new Misconfigured('TOKEN_OPTION_INVALID', {
      message: `This token cannot be made: ${error.message}.`,
      next: 'Use letters, digits and . _ / - in names, at most 63.',
      cause: error,
    })
  }
}

const checksum = (bytes: Uint8Array): Uint8Array => (fromHex(sha256(bytes)) ?? new Uint8Array()).subarray(0, 4)

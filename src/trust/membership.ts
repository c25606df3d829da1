/**
 * Who is a member: the certificate a device carries (trust.md §6). Two kinds:
 *
 *   by token    { body, sig by the token's key, token: { body, sig by an issuer } }   made by the device itself, offline
 *   by issuer   { body, sig by an issuer }                                            the origin's own, and renewals
 *
 * Checked cheap things first: size and spelling, fleet, issuer, revocation, peer, times, subset, and only then two signatures.
 */
import { assert } from '#base/assert.ts'
import { utf8 } from '#base/bytes.ts'
import { canonicalJson } from '#base/canonical-json.ts'
import { isDigest, type Digest } from '#base/digest.ts'
import { messageOf, Refused } from '#base/errors.ts'
import { GuardFailed, oneOfAt, onlyKeys, own, textAt, wholeAt, type Fields } from '#base/guard.ts'
import { minute, type Instant } from '#base/time.ts'
import { certificateOf, isSigned, readCertificate, signCertificate, type Certificate } from './certificate.ts'
import { kidOf, type SigningKey } from './keys.ts'
import type { Revocations } from './mesh-documents.ts'
import { peerIdOf, publicKeyOf, type PeerId } from './peer-id.ts'
import { instantAt, labelsAt, seconds, tokenBodyOf, wordPattern, type JoinToken, type TokenBody } from './token.ts'

export type Role = 'origin' | 'relay' | 'client'

/** A membership that was verified. */
export interface Membership {
  readonly peer: PeerId
  readonly name: string
  readonly site: string
  readonly role: Role
  readonly labels: Readonly<Record<string, string>>
  /** The token it was made with, and how many that was made for; undefined where an issuer signed it directly. */
  readonly token: { readonly id: string; readonly max: number } | undefined
  /** Kid of the issuer. */
  readonly issuer: string
  readonly expires: Instant
}

export interface MembershipCheck {
  readonly meshId: Digest
  readonly issuers: readonly { readonly public: Uint8Array }[]
  readonly revocations?: Revocations | undefined
  /** The peer that the secure handshake proved. */
  readonly peer?: PeerId
  readonly now: Instant
}

const certificateBytesMax = 2_048
/** Clocks of a fleet differ; a membership that begins this much in the future is taken. */
const skewMs = 5 * minute
const namePattern = /^[A-Za-z0-9._-]{1,63}$/
const bodyKeys = ['v', 'typ', 'mesh', 'peer', 'name', 'site', 'role', 'labels', 'iat', 'exp']

/**
 * The certificate of a device that joins by token. Site, role and labels are the token's. Refused TOKEN_EXPIRED or
 * TOKEN_NOT_YET_VALID by the device's own clock.
 */
export function enrol({
  token,
  device,
  name,
  now,
}: {
  token: JoinToken
  device: SigningKey
  name: string
  now: Instant
}): Uint8Array {
  if (now >= token.expires)
    throw new Refused('TOKEN_EXPIRED', {
      message: `This join token expired on ${new Date(token.expires).toISOString().slice(0, 16)}Z.`,
      next: 'Make a new one: grapevine token create; and check the clock of this machine.',
    })
  if (now + skewMs < token.notBefore)
    throw new Refused('TOKEN_NOT_YET_VALID', {
      message: `This join token is valid from ${new Date(token.notBefore).toISOString().slice(0, 16)}Z on.`,
      next: 'Check the clock of this machine.',
    })
  assert(namePattern.test(name), `a device cannot be called ${name}`)
  const body = bodyOf({
    ...token,
    peer: peerIdOf(device.public),
    name,
    iat: Math.max(now, token.notBefore),
    exp: token.membershipExpires,
  })
  const certificate = { ...signCertificate('grapevine-member-v1', body, token.key), token: token.certificate }
  return utf8(canonicalJson(certificate))
}

export interface DirectIssue {
  readonly issuer: SigningKey
  readonly meshId: Digest
  readonly peer: PeerId
  readonly name: string
  readonly site: string
  readonly role: Role
  readonly labels: Readonly<Record<string, string>>
  readonly now: Instant
  readonly lifetimeMs: number
}

/** A certificate signed by an issuer itself. */
export function issueMembership(issue: DirectIssue): Uint8Array {
  const { issuer, now, lifetimeMs } = issue
  const body = { ...bodyOf({ ...issue, iat: now, exp: now + lifetimeMs }), iss: kidOf(issuer.public) }
  return utf8(canonicalJson(signCertificate('grapevine-member-v1', body, issuer)))
}

/**
 * The membership in a certificate. Refused MEMBERSHIP_INVALID, _OTHER_FLEET, _ISSUER_UNKNOWN, _REVOKED, _OTHER_PEER, _NOT_YET_VALID,
 * _EXPIRED or _TOO_WIDE.
 */
export function verifyMembership(bytes: Uint8Array, check: MembershipCheck): Membership {
  try {
    const fields = certificateOf(bytes, certificateBytesMax)
    const certificate = readCertificate(fields, 'membership', ['token'])
    const token = own(fields, 'token') === undefined ? undefined : readCertificate(own(fields, 'token'), 'token')
    return token ? byToken(certificate, token, check) : byIssuer(certificate, check)
  } catch (error) {
    if (!(error instanceof GuardFailed)) throw error
    throw refused('MEMBERSHIP_INVALID', `is not understood: ${messageOf(error)}`)
  }
}

function byToken(certificate: Certificate, tokenCertificate: Certificate, check: MembershipCheck): Membership {
  const { body } = certificate
  onlyKeys(body, 'membership', bodyKeys)
  const token = tokenBodyOf(tokenCertificate)
  if (token.meshId !== check.meshId) throw refused('MEMBERSHIP_OTHER_FLEET', 'is of another fleet')
  const issuer = issuerOf(token.issuer, check)
  const member = memberOf(body, token.issuer, token, check)
  const iat = instantAt(own(body, 'iat'), 'iat')
  if (iat < token.notBefore || iat >= token.expires)
    throw refused('MEMBERSHIP_INVALID', 'was made when its token was not valid')
  requireSubset(member, token)
  if (
    !isSigned('grapevine-token-v1', tokenCertificate, issuer) ||
    !isSigned('grapevine-member-v1', certificate, token.public)
  )
    throw refused('MEMBERSHIP_INVALID', 'is not signed by who it says')
  return member
}

function byIssuer(certificate: Certificate, check: MembershipCheck): Membership {
  const { body } = certificate
  onlyKeys(body, 'membership', [...bodyKeys, 'iss'])
  const kid = textAt(own(body, 'iss'), 'iss', 32, /^[0-9a-f]{32}$/)
  if (own(body, 'mesh') !== check.meshId) throw refused('MEMBERSHIP_OTHER_FLEET', 'is of another fleet')
  const issuer = issuerOf(kid, check)
  const member = memberOf(body, kid, undefined, check)
  if (!isSigned('grapevine-member-v1', certificate, issuer))
    throw refused('MEMBERSHIP_INVALID', 'is not signed by who it says')
  return member
}

function issuerOf(kid: string, { issuers, revocations }: MembershipCheck): Uint8Array {
  if (revocations?.issuers.has(kid)) throw refused('MEMBERSHIP_REVOKED', 'comes from an issuer that was revoked')
  const issuer = issuers.find((candidate) => kidOf(candidate.public) === kid)
  if (!issuer) throw refused('MEMBERSHIP_ISSUER_UNKNOWN', 'comes from an issuer that this fleet does not list')
  return issuer.public
}

function memberOf(body: Fields, issuer: string, token: TokenBody | undefined, check: MembershipCheck): Membership {
  wholeAt(own(body, 'v'), 'v', 1, 1)
  oneOfAt(own(body, 'typ'), 'typ', ['member'])
  const mesh = own(body, 'mesh')
  if (!isDigest(mesh)) throw new GuardFailed('mesh', 'a digest')
  if (mesh !== check.meshId) throw refused('MEMBERSHIP_OTHER_FLEET', 'is of another fleet')
  const peer = textAt(own(body, 'peer'), 'peer', 60)
  if (!publicKeyOf(peer)) throw new GuardFailed('peer', 'a peer id of an Ed25519 key')
  const { revocations } = check
  if (revocations?.peers.has(peer) || (token && revocations?.tokens.has(token.id)))
    throw refused('MEMBERSHIP_REVOKED', 'was revoked')
  if (check.peer !== undefined && check.peer !== peer)
    throw refused('MEMBERSHIP_OTHER_PEER', 'belongs to another device')
  const expires = instantAt(own(body, 'exp'), 'exp')
  if (instantAt(own(body, 'iat'), 'iat') > check.now + skewMs)
    throw refused('MEMBERSHIP_NOT_YET_VALID', 'is not valid yet')
  if (expires <= check.now) throw refused('MEMBERSHIP_EXPIRED', 'has expired')
  return {
    peer: peer as PeerId,
    name: textAt(own(body, 'name'), 'name', 63, namePattern),
    site: textAt(own(body, 'site'), 'site', 63, wordPattern),
    role: oneOfAt(own(body, 'role'), 'role', ['origin', 'relay', 'client']),
    labels: labelsAt(own(body, 'labels')),
    token: token && { id: token.id, max: token.max },
    issuer,
    expires,
  }
}

/** A device must not give itself more than its token gave it: else one stolen client token would make relays of any site. */
function requireSubset(member: Membership, token: TokenBody): void {
  const isSame =
    member.site === token.site &&
    member.role === token.role &&
    canonicalJson(member.labels) === canonicalJson(token.labels) &&
    member.expires <= token.membershipExpires
  if (!isSame) throw refused('MEMBERSHIP_TOO_WIDE', 'claims more than its token gives')
}

interface BodyFields {
  readonly meshId: Digest
  readonly peer: PeerId
  readonly name: string
  readonly site: string
  readonly role: Role
  readonly labels: Readonly<Record<string, string>>
  readonly iat: number
  readonly exp: number
}

const bodyOf = ({ meshId, peer, name, site, role, labels, iat, exp }: BodyFields): Fields => ({
  v: 1,
  typ: 'member',
  mesh: meshId,
  peer,
  name,
  site,
  role,
  labels,
  iat: seconds(iat),
  exp: seconds(exp),
})

const refused = (code: string, what: string): Refused => new Refused(code, { message: `A membership ${what}.` })

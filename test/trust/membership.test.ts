import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { textOf, toBase64url, utf8 } from '#base/bytes.ts'
import { canonicalJson } from '#base/canonical-json.ts'
import { Refused } from '#base/errors.ts'
import { after, day } from '#base/time.ts'
import { signCertificate } from '#trust/certificate.ts'
import { domainBytes, kidOf, sign } from '#trust/keys.ts'
import { enrol, issueMembership, verifyMembership, type MembershipCheck } from '#trust/membership.ts'
import { peerIdOf, publicKeyOf } from '#trust/peer-id.ts'
import type { JoinToken } from '#trust/token.ts'
import { fleet, keyOf, now } from '../support/fleet.ts'

const acme = fleet()
const { keys, meshId } = acme
const token = (): JoinToken => acme.token()
const device = keyOf('device')
const peer = peerIdOf(device.public)
const check: MembershipCheck = { meshId, issuers: [keys.issuer], peer, now }
const certificate = enrol({ token: token(), device, name: 'web-01', now })
const none = { issuers: new Set<string>(), peers: new Set<string>(), tokens: new Set<string>() }

const codeOf = (bytes: Uint8Array, more: Partial<MembershipCheck> = {}): string => {
  try {
    verifyMembership(bytes, { ...check, ...more })
    return 'accepted'
  } catch (error) {
    return error instanceof Refused ? error.code : String(error)
  }
}

/** The certificate with its body changed, signed by the token's key as a device could do. */
function bent(change: object): Uint8Array {
  const fields = JSON.parse(textOf(certificate) ?? '') as { body: object; token: object }
  const signed = signCertificate('grapevine-member-v1', { ...fields.body, ...change }, token().key)
  return utf8(canonicalJson({ ...signed, token: fields.token }))
}

describe('a membership made with a token', () => {
  it('says who and what its device is, and is known to every member', () => {
    expect(verifyMembership(certificate, check)).toMatchObject({ peer, name: 'web-01', site: 'berlin', role: 'client' })
  })

  it('names its token, and how many that was made for, so that the origin can count (trust.md §6)', () => {
    const { id } = token()
    expect(verifyMembership(certificate, check).token).toEqual({ id, max: 1 })
  })

  it('serves no other device than the one that the handshake proved (80)', () => {
    expect(codeOf(certificate, { peer: peerIdOf(keyOf('thief').public) })).toBe('MEMBERSHIP_OTHER_PEER')
  })

  it.each([
    ['role', { role: 'relay' }],
    ['site', { site: 'lyon' }],
    ['labels', { labels: { role: 'db' } }],
    ['end', { exp: 4_000_000_000 }],
  ])('cannot claim another %s than its token gives (81, 83)', (_what, change) => {
    expect(codeOf(bent(change))).toBe('MEMBERSHIP_TOO_WIDE')
  })

  it('made after its token expired is void (82)', () => {
    expect(codeOf(bent({ iat: now / 1000 + 8 * 86_400 }), { now: after(now, 9 * day) })).toBe('MEMBERSHIP_INVALID')
  })

  it('is not valid before its time, nor after it (83)', () => {
    expect(codeOf(certificate, { now: after(now, 0 - day) })).toBe('MEMBERSHIP_NOT_YET_VALID')
    expect(codeOf(certificate, { now: after(now, 200 * day) })).toBe('MEMBERSHIP_EXPIRED')
    // Five minutes of difference between two clocks are no reason.
    expect(codeOf(certificate, { now: after(now, -240_000) })).toBe('accepted')
  })

  it('of another fleet, or of an issuer that this one does not list, is refused (84, 85)', () => {
    expect(codeOf(certificate, { meshId: fleet('other').meshId })).toBe('MEMBERSHIP_OTHER_FLEET')
    expect(codeOf(certificate, { issuers: [keyOf('other issuer')] })).toBe('MEMBERSHIP_ISSUER_UNKNOWN')
  })

  it('made in one fleet with a token of another is refused in both (84)', () => {
    const { meshId: other } = fleet('other')
    expect(codeOf(bent({ mesh: other }))).toBe('MEMBERSHIP_OTHER_FLEET')
    expect(codeOf(bent({ mesh: other }), { meshId: other })).toBe('MEMBERSHIP_OTHER_FLEET')
  })

  it('is void once its device, its token or its issuer is revoked (85)', () => {
    const kid = kidOf(keys.issuer.public)
    for (const revocations of [
      { ...none, peers: new Set([peer as string]) },
      { ...none, tokens: new Set([token().id]) },
      { ...none, issuers: new Set([kid]) },
    ])
      expect(codeOf(certificate, { revocations })).toBe('MEMBERSHIP_REVOKED')
  })

  it('cannot be signed by the wrong link of its chain (87)', () => {
    const fields = JSON.parse(textOf(certificate) ?? '') as { body: Record<string, never>; token: object }
    const byIssuer = { ...signCertificate('grapevine-member-v1', fields.body, keys.issuer), token: fields.token }
    expect(codeOf(utf8(canonicalJson(byIssuer)))).toBe('MEMBERSHIP_INVALID')
    const domain = { ...signCertificate('grapevine-token-v1', fields.body, token().key), token: fields.token }
    expect(codeOf(utf8(canonicalJson(domain)))).toBe('MEMBERSHIP_INVALID')
  })

  it('is not proved by a signature that was made for another purpose (88)', () => {
    const { body, token: link } = JSON.parse(textOf(certificate) ?? '') as { body: object; token: object }
    const spelled = utf8(canonicalJson(body))
    for (const signed of [
      spelled,
      domainBytes('grapevine-report-v1', spelled),
      domainBytes('grapevine-receipt-v1', spelled),
    ]) {
      const sig = toBase64url(sign(token().key, signed))
      expect(codeOf(utf8(canonicalJson({ body, sig, token: link })))).toBe('MEMBERSHIP_INVALID')
    }
  })

  it('of a key of small order is signed by nobody (17)', () => {
    const fields = JSON.parse(textOf(certificate) ?? '') as { body: object; token: { body: object } }
    const weak = { ...fields.token.body, pub: `01${'0'.repeat(62)}` }
    const sig = toBase64url(Uint8Array.from({ length: 64 }, (_, index) => (index === 0 ? 1 : 0)))
    const forgery = { body: fields.body, sig, token: signCertificate('grapevine-token-v1', weak, keys.issuer) }
    expect(codeOf(utf8(canonicalJson(forgery)))).toBe('MEMBERSHIP_INVALID')
  })

  it.each([
    ['no peer id', { peer: '12D3KooWthief' }],
    ['a peer id of another kind of key', { peer: 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N' }],
    ['a name that a terminal obeys', { name: 'a[b' }],
    ['a site of another shape', { site: 'a b' }],
    ['a role that nobody knows', { role: 'king' }],
    ['labels that are no words', { labels: { role: 'a b' } }],
    ['seventeen labels', { labels: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`l${n}`, 'x'])) }],
    ['a fraction of a second', { exp: '1' }],
    ['a negative time', { iat: -1 }],
  ])('with %s is refused, and nothing else is thrown', (_what, change) => {
    expect(codeOf(bent(change), { peer: undefined as never })).toBe('MEMBERSHIP_INVALID')
  })

  it('that is checked before its fleet is known to revoke says the first thing that is wrong', () => {
    const revocations = { ...none, peers: new Set([peer as string]) }
    const wrong = { meshId: fleet('other').meshId, issuers: [], revocations, now: after(now, 900 * day) }
    expect(codeOf(certificate, wrong)).toBe('MEMBERSHIP_OTHER_FLEET')
    expect(codeOf(certificate, { ...wrong, meshId })).toBe('MEMBERSHIP_ISSUER_UNKNOWN')
    expect(codeOf(certificate, { ...wrong, meshId, issuers: [keys.issuer] })).toBe('MEMBERSHIP_REVOKED')
    const stranger = { peer: peerIdOf(keyOf('thief').public), now: wrong.now }
    expect(codeOf(certificate, stranger)).toBe('MEMBERSHIP_OTHER_PEER')
  })

  it('has one spelling, no further member, and no more than 2 KiB (89)', () => {
    const text = textOf(certificate) ?? ''
    for (const other of [
      `${text} `,
      text.replace('{', '{"a":1,'),
      text.replace('"v":1', '"v":2'),
      'x'.repeat(3_000),
      '[]',
      '',
    ])
      expect(codeOf(utf8(other)), other.slice(0, 20)).toBe('MEMBERSHIP_INVALID')
  })

  it('whatever byte of it changes, it is refused and nothing else is thrown', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (place, flip) => {
        const bytes = new Uint8Array(certificate)
        const index = place % bytes.length
        bytes[index] = (bytes[index] ?? 0) ^ flip
        expect(codeOf(bytes)).toMatch(/^MEMBERSHIP_/)
      }),
      { numRuns: 300 },
    )
  })
})

describe('a membership signed by an issuer', () => {
  const issue = (issuer = keys.issuer): Uint8Array =>
    issueMembership({
      issuer,
      meshId,
      peer,
      name: 'hq',
      site: 'origin',
      role: 'origin',
      labels: {},
      now,
      lifetimeMs: day,
    })

  it('makes an origin, which no token can', () => {
    expect(verifyMembership(issue(), check)).toMatchObject({ role: 'origin', token: undefined })
    expect(codeOf(issue(keyOf('stranger')))).toBe('MEMBERSHIP_ISSUER_UNKNOWN')
  })
})

describe('a peer id', () => {
  it('holds the public key, and nothing else passes for one', () => {
    expect(publicKeyOf(peer)).toEqual(device.public)
    for (const bad of ['', '12D3Koo', `${peer}x`, `${peer.slice(0, -1)}0`, 'Qm'.repeat(23)])
      expect(publicKeyOf(bad), bad).toBeUndefined()
  })
})

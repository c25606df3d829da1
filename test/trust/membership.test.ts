import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { textOf, utf8 } from '#base/bytes.ts'
import { canonicalJson } from '#base/canonical-json.ts'
import { Refused } from '#base/errors.ts'
import { after, day, type Instant } from '#base/time.ts'
import { signCertificate } from '#trust/certificate.ts'
import { kidOf } from '#trust/keys.ts'
import { enrol, issueMembership, verifyMembership, type MembershipCheck } from '#trust/membership.ts'
import { peerIdOf, publicKeyOf } from '#trust/peer-id.ts'
import { makeToken, readToken, type JoinToken } from '#trust/token.ts'
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

describe('a join token', () => {
  const order = {
    issuer: keys.issuer,
    meshId,
    fleet: 'acme',
    tokenSeed: new Uint8Array(32).fill(7),
    site: 'berlin',
    role: 'relay' as const,
    labels: { role: 'web' },
    now,
    addresses: ['/ip4/192.0.2.1/tcp/47100'],
    issuers: [keys.issuer.public],
  }
  const { text } = makeToken(order)

  it('is one line that says where and what its members are', () => {
    expect(text).toMatch(/^gvj1_[A-Za-z0-9_-]+$/)
    expect(readToken(text)).toMatchObject({ site: 'berlin', role: 'relay', labels: { role: 'web' }, meshId, max: 1 })
  })

  it('with any character changed, missing or added is told as damaged', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: text.length - 1 }), fc.constantFrom('', 'A', 'Zz'), (place, other) => {
        fc.pre(other !== text[place])
        const bad = text.slice(0, place) + other + text.slice(place + 1)
        expect(() => readToken(bad)).toThrow(expect.objectContaining({ code: 'TOKEN_DAMAGED' }))
      }),
      { numRuns: 200 },
    )
  })

  it('with more labels than a membership can hold is not made', () => {
    const labelled = (count: number, length: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`l${n}`, 'x'.repeat(length)]))
    for (const labels of [labelled(17, 1), labelled(10, 60)])
      expect(() => makeToken({ ...order, labels })).toThrow(expect.objectContaining({ code: 'TOKEN_OPTION_INVALID' }))
    const longest = acme.token({ labels: labelled(7, 63), site: 's'.repeat(63), max: 1e9 })
    expect(codeOf(enrol({ token: longest, device, name: 'n'.repeat(63), now }))).toBe('accepted')
  })

  it('makes members in its time only, by the clock of the device', () => {
    const at =
      (time: Instant): (() => Uint8Array) =>
      () =>
        enrol({ token: readToken(text), device, name: 'x', now: time })
    expect(at(after(now, 8 * day))).toThrow(expect.objectContaining({ code: 'TOKEN_EXPIRED' }))
    expect(at(after(now, 0 - day))).toThrow(expect.objectContaining({ code: 'TOKEN_NOT_YET_VALID' }))
    expect(at(after(now, 6 * day))).not.toThrow()
  })
})

describe('a peer id', () => {
  it('holds the public key, and nothing else passes for one', () => {
    expect(publicKeyOf(peer)).toEqual(device.public)
    for (const bad of ['', '12D3Koo', `${peer}x`, `${peer.slice(0, -1)}0`, 'Qm'.repeat(23)])
      expect(publicKeyOf(bad), bad).toBeUndefined()
  })
})

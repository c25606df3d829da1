import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, fromHex, textOf, fromBase64url, toBase64url, utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { codeOf } from '#base/errors.ts'
import { after, day, type Instant } from '#base/time.ts'
import { enrol, verifyMembership } from '#trust/membership.ts'
import { makeToken, readToken, type TokenOrder } from '#trust/token.ts'
import { fleet, keyOf, now } from '../support/fleet.ts'

const acme = fleet()
const { keys, meshId } = acme
const device = keyOf('device')

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
    const certificate = enrol({ token: longest, device, name: 'n'.repeat(63), now })
    expect(verifyMembership(certificate, { meshId, issuers: [keys.issuer], now }).labels).toEqual(labelled(7, 63))
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

  it.each<[string, Partial<TokenOrder>]>([
    ['a site that is no word', { site: 'Köln Mitte' }],
    ['no site', { site: '' }],
    ['the role of an origin', { role: 'origin' }],
    ['a label that is no word', { labels: { role: 'a b' } }],
    ['nobody to join', { max: 0 }],
    ['half a member', { max: 1.5 }],
    ['an end that is no time', { lifetimeMs: Infinity }],
    ['a fleet that cannot be called so', { fleet: 'a fleet' }],
    ['nine addresses', { addresses: Array.from({ length: 9 }, () => '/ip4/192.0.2.1/tcp/1') }],
    ['an address that is none', { addresses: ['192.0.2.1'] }],
  ])('with %s is not made, for no device could read it', (_what, change) => {
    expect(() => makeToken({ ...order, ...change })).toThrow(expect.objectContaining({ code: 'TOKEN_OPTION_INVALID' }))
  })

  /** What somebody makes who knows the format: any content under its right checksum. */
  const line = (json: string): string => {
    const bytes = utf8(json)
    return `gvj1_${toBase64url(concatBytes(bytes, (fromHex(sha256(bytes)) as Uint8Array).subarray(0, 4)))}`
  }
  const outcome = (token: string): string | undefined => {
    try {
      return readToken(token).fleet
    } catch (error) {
      return codeOf(error)
    }
  }

  it('of any content under a right checksum is damaged, and nothing else is thrown', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(outcome(line(json))).toBe('TOKEN_DAMAGED')
      }),
      { numRuns: 200 },
    )
    for (const json of ['', '{', '['.repeat(2_000), `{"a":${'['.repeat(2_000)}${']'.repeat(2_000)}}`, '\ufeff{}'])
      expect(outcome(line(json)), json.slice(0, 9)).toBe('TOKEN_DAMAGED')
    expect(outcome(`gvj1_${'A'.repeat(9_000)}`)).toBe('TOKEN_DAMAGED')
  })

  it('with one member replaced by anything is damaged, or still a token', () => {
    const json = textOf((fromBase64url(text.slice(5)) as Uint8Array).subarray(0, -4)) ?? ''
    const whole = JSON.parse(json) as { cert: { body: object } }
    const body = Object.keys(whole.cert.body)
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(whole), ...body), fc.jsonValue(), (name, value) => {
        const cert = { ...whole.cert, body: { ...whole.cert.body, [name]: value } }
        const changed = body.includes(name) ? { ...whole, cert } : { ...whole, [name]: value }
        expect(outcome(line(JSON.stringify(changed)))).toMatch(/^(TOKEN_DAMAGED|acme|[A-Za-z0-9][A-Za-z0-9._-]*)$/)
      }),
      { numRuns: 200 },
    )
  })

  it('with the seed of another key is damaged: its members would be signed by nobody', () => {
    const json = textOf((fromBase64url(text.slice(5)) as Uint8Array).subarray(0, -4)) ?? ''
    const other = json.replace(/"seed":"[0-9a-f]{64}"/, `"seed":"${'8'.repeat(64)}"`)
    expect([other === json, outcome(line(other))]).toEqual([false, 'TOKEN_DAMAGED'])
  })

  it('that would make a terminal do things is damaged', () => {
    const json = textOf((fromBase64url(text.slice(5)) as Uint8Array).subarray(0, -4)) ?? ''
    expect(outcome(line(json))).toBe('acme')
    expect(outcome(line(json.replace('"acme"', String.raw`"\u001b[2J"`)))).toBe('TOKEN_DAMAGED')
  })
})

import { beforeEach, describe, expect, it } from 'vitest'
import { concatBytes, utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { after, day } from '#base/time.ts'
import { encodeReport, type Report } from '#facts/report.ts'
import { Fleet } from '#origin/fleet.ts'
import { packReport, ReportIntake, type Intake } from '#origin/intake.ts'
import { boxKey } from '#trust/keys.ts'
import { readReceipt, sealReport } from '#trust/seal.ts'
import { TrustedSet } from '#trust/trusted-set.ts'
import { Site, siteStart, type Person } from '../support/site.ts'

let site: Site
let bob: Person
let set: TrustedSet
let intake: ReportIntake
let now = siteStart

beforeEach(() => {
  site = new Site()
  bob = site.person('bob')
  set = TrustedSet.restore(site.meshId, site.first, siteStart)
  intake = new ReportIntake({ set, device: site.origin.key, boxes: [site.keys.box], fleet: new Fleet() })
  now = siteStart
})

const report = (seq: number, more: Partial<Report> = {}): Report => ({
  v: 1,
  seq,
  at: siteStart,
  release: 1,
  bundles: [],
  drift: [],
  ...more,
})
interface Sealing {
  readonly person?: Person
  readonly body?: Uint8Array
  readonly certificate?: Uint8Array
  readonly box?: Uint8Array
}
let nonces = 0
function seal(seq: number, { person = bob, body, certificate, box }: Sealing = {}): Uint8Array {
  return sealReport({
    body: body ?? packReport(certificate ?? person.certificate, encodeReport(report(seq))),
    device: person.key,
    seq,
    origin: box ?? site.keys.box.public,
    ephemeral: new Uint8Array(32).fill(++nonces),
    nonce: new Uint8Array(24).fill(nonces),
  })
}
const receipted = ({ receipt }: Intake): string[] => (receipt ? readReceipt(receipt, [site.origin.peer]) : [])
const codes = ({ refused }: Intake): string[] => refused.map(({ code }) => code)

describe('reports that reach the origin', () => {
  it('are opened, counted, kept and receipted by their names', () => {
    const sealed = [seal(1), seal(1, { person: site.person('carol') })]
    const taken = intake.take(sealed, now)
    expect(taken.changed.map(({ name, seq }) => [name, seq])).toEqual([
      ['bob', 1],
      ['carol', 1],
    ])
    expect([receipted(taken), codes(taken)]).toEqual([sealed.map(sha256), []])
  })

  it('are counted once, and receipted each time they come: the first receipt may have been lost', () => {
    const sealed = seal(1)
    intake.take([sealed], now)
    const again = intake.take([sealed], now)
    expect([again.changed, receipted(again)]).toEqual([[], [sha256(sealed)]])
  })

  it('of nobody need no receipt', () => {
    expect(intake.take([], now).receipt).toBeUndefined()
  })

  it('of one batch are judged one by one: a bad one does not cost the others', () => {
    const good = seal(1)
    const taken = intake.take([utf8('noise'), good], now)
    expect([taken.changed.length, codes(taken)]).toEqual([1, ['SEAL_INVALID']])
    expect(receipted(taken)).toContain(sha256(good))
  })
})

describe('a report that is refused', () => {
  it.each([
    ['noise', () => utf8('noise'), 'SEAL_INVALID'],
    ['sealed to another origin', () => seal(1, { box: boxKey(new Uint8Array(32).fill(9)).public }), 'SEAL_INVALID'],
    ['without a membership', () => seal(1, { body: utf8('') }), 'REPORT_INVALID'],
    [
      'whose membership is longer than all of it',
      () => seal(1, { body: Uint8Array.of(255, 255, 1) }),
      'REPORT_INVALID',
    ],
    ['that is no report', () => seal(1, { body: packReport(bob.certificate, utf8('{"v":1}')) }), 'REPORT_INVALID'],
    [
      'under the membership of another device',
      () => seal(1, { certificate: site.person('carol').certificate }),
      'MEMBERSHIP_OTHER_PEER',
    ],
    [
      'of another fleet',
      () => seal(1, { certificate: new Site('other').person('bob').certificate }),
      'MEMBERSHIP_OTHER_FLEET',
    ],
  ])('changes nothing, and is receipted, or it would be carried for ever: %s', (_what, make, code) => {
    const sealed = make()
    const taken = intake.take([sealed], now)
    expect([codes(taken), taken.changed, receipted(taken)]).toEqual([[code], [], [sha256(sealed)]])
    expect(intake.fleet.list()).toEqual([])
  })

  it('of a revoked device changes nothing', () => {
    const revocations = { issuers: new Set<string>(), peers: new Set([bob.peer as string]), tokens: new Set<string>() }
    set.absorb(site.release([], { revocations }), now)
    expect(codes(intake.take([seal(1)], now))).toEqual(['MEMBERSHIP_REVOKED'])
  })

  it('of an expired membership changes nothing', () => {
    now = after(siteStart, 91 * day)
    expect(codes(intake.take([seal(1)], now))).toEqual(['MEMBERSHIP_EXPIRED'])
  })

  it('because the clock of its device is ahead is not receipted: time mends it', () => {
    now = after(siteStart, -86_400_000)
    const taken = intake.take([seal(1)], now)
    expect([codes(taken), taken.receipt]).toEqual([['MEMBERSHIP_NOT_YET_VALID'], undefined])
  })
})

describe('a hello at the origin', () => {
  it('lists the device', () => {
    const { peer, name } = bob
    const membership = {
      peer,
      name,
      site: 'berlin',
      role: 'client',
      labels: {},
      token: undefined,
      issuer: 'i',
      expires: now,
    } as const
    expect(intake.greeted(membership, now)?.name).toBe('bob')
    expect(intake.fleet.list()).toHaveLength(1)
    expect(intake.peer).toBe(site.origin.peer)
  })
})

describe('the body of a report', () => {
  it('is the length of the membership, the membership, the report', () => {
    expect([...packReport(Uint8Array.of(7, 8), Uint8Array.of(9))]).toEqual([0, 2, 7, 8, 9])
    expect(packReport(new Uint8Array(300), new Uint8Array()).slice(0, 2)).toEqual(Uint8Array.of(1, 44))
    expect(concatBytes(Uint8Array.of(0, 0))).toEqual(packReport(new Uint8Array(), new Uint8Array()))
  })
})

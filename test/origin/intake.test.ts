import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { after, day } from '#base/time.ts'
import { compress } from '#content/compress.ts'
import { encodeInventoryPart } from '#facts/inventory-part.ts'
import { changesBetween, packagesDigest } from '#facts/packages.ts'
import { encodeReport, type Report } from '#facts/report.ts'
import { Fleet } from '#origin/fleet.ts'
import { ReportIntake, type Intake } from '#origin/intake.ts'
import { packReport } from '#origin/report-body.ts'
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
    body: body ?? packReport({ membership: certificate ?? person.certificate, report: encodeReport(report(seq)) }),
    device: person.key,
    seq,
    origin: box ?? site.keys.box.public,
    ephemeral: new Uint8Array(32).fill(++nonces),
    nonce: new Uint8Array(24).fill(nonces),
  })
}
const receipted = ({ receipt }: Intake): string[] =>
  receipt ? readReceipt(receipt, [site.origin.peer]).map(({ name }) => name) : []
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
    [
      'that is no report',
      () => seal(1, { body: packReport({ membership: bob.certificate, report: utf8('{"v":1}') }) }),
      'REPORT_INVALID',
    ],
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

describe('a report that says that nothing changed', () => {
  const same = (seq: number, more: Partial<Report['same']> = {}, person = bob): Uint8Array =>
    seal(seq, {
      person,
      body: packReport({ report: encodeReport(report(seq, { same: { state: 1, facts: 0, inventory: 0, ...more } })) }),
    })
  const anew = ({ receipt }: Intake): boolean[] =>
    receipt ? readReceipt(receipt, [site.origin.peer]).map((receipted) => receipted.anew) : []

  it('needs no membership while the one that is known holds, and leaves all as it is', () => {
    const body = packReport({
      membership: bob.certificate,
      report: encodeReport(report(1, { bundles: [{ name: 'web', version: 1, state: 'applied', results: [] }] })),
    })
    intake.take([seal(1, { body })], now)
    const taken = intake.take([same(2)], after(now, day))
    expect([anew(taken), codes(taken)]).toEqual([[false], []])
    expect(taken.changed).toMatchObject([
      { seq: 2, stateSeq: 1, lastReport: after(now, day), bundles: [{ name: 'web' }] },
    ])
  })

  it('of a device that is not known, or whose membership is over, is answered by asking for all of it', () => {
    const unknown = intake.take([same(2)], now)
    expect([anew(unknown), unknown.changed, intake.fleet.list()]).toEqual([[true], [], []])
    intake.take([seal(1)], now)
    const over = intake.take([same(2)], after(now, 91 * day))
    expect([anew(over), over.changed]).toEqual([[true], []])
  })

  it('is refused where its device was revoked since', () => {
    intake.take([seal(1)], now)
    const revocations = { issuers: new Set<string>(), peers: new Set<string>([bob.peer]), tokens: new Set<string>() }
    set = TrustedSet.restore(site.meshId, site.release([], { revocations }), siteStart)
    intake = new ReportIntake({ set, device: site.origin.key, boxes: [site.keys.box], fleet: intake.fleet })
    expect(codes(intake.take([same(2)], now))).toEqual(['MEMBERSHIP_REVOKED'])
  })

  it.each([['state'], ['facts'], ['inventory']] as const)(
    'since one whose %s never came is answered by asking for all',
    (what) => {
      intake.take([seal(1)], now)
      const taken = intake.take([same(3, { [what]: 2 })], now)
      expect([anew(taken), taken.changed.map(({ seq }) => seq)]).toEqual([[true], [3]])
    },
  )
})

describe('the inventory in a report', () => {
  const lists = ['', 'a:all 1\n', 'a:all 1\nb:all 1\n', 'a:all 2\n'] as const
  const told = (seq: number, from: number, to: number): Uint8Array => {
    const [base, list] = [lists[from] ?? '', lists[to] ?? '']
    const packages = {
      ...(from > 0 && { base: packagesDigest(base) }),
      digest: packagesDigest(list),
      count: to,
      changes: changesBetween(base, list),
    }
    const inventory = compress(encodeInventoryPart({ packages }))
    return seal(seq, {
      body: packReport({ membership: bob.certificate, report: encodeReport(report(seq)), inventory }),
    })
  }
  const anew = ({ receipt }: Intake): boolean[] =>
    receipt ? readReceipt(receipt, [site.origin.peer]).map((receipted) => receipted.anew) : []

  it('is handed on to be kept where it is whole, or builds on the list that is known or the one before', () => {
    for (const [seq, from, to] of [
      [1, 0, 1],
      [2, 1, 2],
      [3, 1, 3],
      [4, 3, 1],
      [5, 0, 2],
    ] as const) {
      const taken = intake.take([told(seq, from, to)], now)
      expect([anew(taken), taken.parts.map(({ part }) => part.digest)]).toEqual([[false], [packagesDigest(lists[to])]])
    }
  })

  it('that builds on anything else is not kept, and the device is asked for all of it', () => {
    intake.take([told(1, 0, 1)], now)
    const taken = intake.take([told(2, 2, 3)], now)
    expect([anew(taken), taken.parts]).toEqual([[true], []])
    expect(intake.fleet.list()[0]?.packages?.digest).toBe(packagesDigest(lists[1]))
    expect(intake.take([told(3, 0, 3)], now).parts).toHaveLength(1)
  })

  it('that was overtaken by a newer one changes nothing', () => {
    intake.take([told(1, 0, 1)], now)
    intake.take([told(3, 1, 3)], now)
    const taken = intake.take([told(2, 1, 2)], now)
    expect([anew(taken), taken.parts, taken.changed]).toEqual([[false], [], []])
  })

  it('that is malformed costs its report, and nothing else', () => {
    const inventory = compress(utf8('{"packages":5}'))
    const body = packReport({ membership: bob.certificate, report: encodeReport(report(1)), inventory })
    const taken = intake.take([seal(1, { body })], now)
    expect([codes(taken), receipted(taken).length, taken.changed]).toEqual([['INVENTORY_INVALID'], 1, []])
  })
})

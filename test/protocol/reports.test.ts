import { beforeEach, describe, expect, it } from 'vitest'
import { sha256, type Digest } from '#base/digest.ts'
import type { MemberEffect } from '#member/member.ts'
import type { LinkId } from '#protocol/link.ts'
import {
  reportAgainMs,
  reportAgainMsMax,
  reportBatchBytes,
  reportBatchMs,
  reportFlightBytes,
  reportFlightMs,
  reportLanMs,
  reportsCarriedMax,
  reportsPerBringerBytesMax,
  reportsPerBringerMax,
  reportsPerMessageMax,
} from '#protocol/params.ts'
import { signReceipt } from '#trust/seal.ts'
import { addressOf, of, Site, Stage, type Person } from '../support/site.ts'

let site: Site
let stage: Stage
let bob: Person
const far = addressOf(200)
let made = 0
/** Made-up sealed bytes: nobody on the way can tell. */
const sealed = (): Uint8Array => {
  const bytes = new Uint8Array(200)
  new DataView(bytes.buffer).setUint32(0, ++made)
  return bytes
}

beforeEach(() => {
  site = new Site()
  stage = new Stage(site, site.person('relay', { role: 'relay' }))
  bob = site.person('bob')
  stage.start()
})

const toOrigin = (): LinkId => stage.meet(site.origin, { direction: 'out', address: far })
const bring = (link: LinkId, ...reports: Uint8Array[]): MemberEffect[] => {
  const effects = stage.say(link, { t: 'reports', sealed: reports })
  for (const { sealed: bytes } of of('spool', effects))
    stage.feed({ type: 'spooled', name: sha256(bytes), bytes: bytes.byteLength })
  return effects
}
/** A report of our own lies in the outbox. */
const own = (bytes = 1_000): Digest => {
  const name = sha256(sealed())
  stage.feed({ type: 'spooled', name, bytes })
  return name
}
/** What is read from the outbox to be sent: link and names. */
const sent = (effects: readonly MemberEffect[]): { link: LinkId; names: readonly Digest[] }[] =>
  of('read-reports', effects).map(({ link, names }) => ({ link, names }))
const namesSent = (effects: readonly MemberEffect[]): Digest[] => sent(effects).flatMap(({ names }) => names)
const receipt = (link: LinkId, ...names: Digest[]): MemberEffect[] =>
  stage.say(link, {
    t: 'receipt',
    bytes: signReceipt(
      site.origin.key,
      names.map((name) => ({ name, anew: false })),
    ),
  })
const receipts = (link: LinkId): number => stage.said(link).filter(({ t }) => t === 'receipt').length

describe('the way of a report', () => {
  it('leads to the origin where there is a link, gathered a moment for the line', () => {
    const link = toOrigin()
    const names = [own(), own()]
    expect(sent(stage.pass(reportBatchMs - 1))).toEqual([])
    expect(sent(stage.pass(1))).toEqual([{ link, names }])
  })

  it('leads to an acting member of the site that reaches the outside, almost at once', () => {
    stage = new Stage(site, site.person('alice'))
    stage.start()
    stage.meet(site.person('idle'))
    stage.meet(site.person('lost'), { acting: true, reach: false })
    const link = stage.meet(bob, { acting: true, reach: true })
    const name = own()
    expect(sent(stage.pass(reportLanMs))).toEqual([{ link, names: [name] }])
  })

  it('opens when a neighbour begins to reach the outside: nothing waits for the next try', () => {
    stage = new Stage(site, site.person('alice'))
    stage.start()
    const link = stage.meet(bob)
    const name = own()
    expect(sent(stage.pass(600_000))).toEqual([])
    stage.say(link, { t: 'uplink', acting: true, reach: true, others: [] })
    expect(sent(stage.pass(reportLanMs))).toEqual([{ link, names: [name] }])
  })

  it('goes on over another link when the first is gone before the receipt came', () => {
    const first = toOrigin()
    const name = own()
    expect(namesSent(stage.pass(reportBatchMs))).toEqual([name])
    stage.lose(first)
    const second = toOrigin()
    expect(sent(stage.pass(reportBatchMs))).toEqual([{ link: second, names: [name] }])
  })

  it('is tried again later and later, for ever, until the receipt comes', () => {
    const link = toOrigin()
    const name = own()
    const times: number[] = []
    const start = stage.now
    for (let ms = 0; ms < 20 * reportAgainMsMax; ms += 1_000)
      if (namesSent(stage.pass(1_000)).length > 0) times.push(stage.now - start)
    const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    expect(pauses[0]).toBeLessThanOrEqual(reportAgainMs + 1_000)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(reportAgainMsMax + 1_000)
    expect(times.length).toBeGreaterThan(20)
    receipt(link, name)
    expect([namesSent(stage.pass(10 * reportAgainMsMax)), stage.member.protocol.reports.waiting]).toEqual([[], 0])
  })

  it('leads over another each time where several reach the outside, so that one that swallows reports does not get all', () => {
    stage = new Stage(site, site.person('alice'))
    stage.start()
    const links = ['u1', 'u2'].map((name) => stage.meet(site.person(name), { acting: true, reach: true }))
    own()
    const ways = [...sent(stage.pass(reportLanMs)), ...sent(stage.pass(reportAgainMs + 1_000))].map(({ link }) => link)
    expect(new Set(ways)).toEqual(new Set(links))
  })

  it('never leads back to who brought it', () => {
    const link = stage.meet(bob, { acting: true, reach: true })
    bring(link, sealed())
    expect(sent(stage.pass(600_000))).toEqual([])
  })
})

describe('carrying for others', () => {
  it('stores a report before it goes on, and passes the receipt back to who brought it', () => {
    const [link, origin] = [stage.meet(bob), toOrigin()]
    const bytes = sealed()
    expect(of('spool', bring(link, bytes))).toEqual([{ type: 'spool', sealed: bytes }])
    expect(sent(stage.pass(reportBatchMs))).toEqual([{ link: origin, names: [sha256(bytes)] }])
    stage.feed({ type: 'report-read', link: origin, sealed: [bytes] })
    expect(stage.said(origin).at(-1)).toEqual({ t: 'reports', sealed: [bytes] })
    const effects = receipt(origin, sha256(bytes))
    expect(of('unspool', effects)).toEqual([{ type: 'unspool', names: [sha256(bytes)] }])
    expect(receipts(link)).toBe(1)
  })

  it('passes the receipt back over the new link of who brought it, where the old one is gone', () => {
    const [first, origin] = [stage.meet(bob), toOrigin()]
    const bytes = sealed()
    bring(first, bytes)
    stage.pass(reportBatchMs)
    stage.lose(first)
    const second = stage.meet(bob)
    receipt(origin, sha256(bytes))
    expect(receipts(second)).toBe(1)
  })

  it('of a report that comes again after a restart passes the receipt back too', () => {
    const bytes = sealed()
    stage.feed({ type: 'spooled', name: sha256(bytes), bytes: 200 })
    const [link, origin] = [stage.meet(bob), toOrigin()]
    bring(link, bytes)
    receipt(origin, sha256(bytes))
    expect(receipts(link)).toBe(1)
  })

  it('of what comes again and again sends it on now and then, not each time', () => {
    const [link, origin] = [stage.meet(bob), toOrigin()]
    const bytes = sealed()
    let count = 0
    for (let ms = 0; ms < 20_000; ms += 100) {
      bring(link, bytes)
      count += sent(stage.pass(100)).filter((way) => way.link === origin).length
    }
    expect(count).toBeGreaterThan(1)
    expect(count).toBeLessThanOrEqual(20_000 / reportFlightMs + 1)
  })

  it('has a limit for each member, so that one that brings too many does not keep the others out', () => {
    const [flood, honest] = [stage.meet(bob), stage.meet(site.person('carol'))]
    let taken = 0
    for (let count = 0; count < 2 * reportsPerBringerMax; count += reportsPerMessageMax)
      taken += of('spool', bring(flood, ...Array.from({ length: reportsPerMessageMax }, sealed))).length
    expect(taken).toBe(reportsPerBringerMax)
    expect(of('spool', bring(honest, sealed()))).toHaveLength(1)
    stage.lose(flood)
    expect(of('spool', bring(stage.meet(bob), sealed()))).toEqual([])
  })

  it('has a limit in bytes, too: a few large ones are as much as many small ones', () => {
    const [flood, honest] = [stage.meet(bob), stage.meet(site.person('carol'))]
    const large = (): Uint8Array => {
      const bytes = new Uint8Array(114_000)
      bytes.set(sealed())
      return bytes
    }
    let taken = 0
    for (let count = 0; count < 150; count++) taken += of('spool', bring(flood, large())).length
    expect(taken).toBe(Math.floor(reportsPerBringerBytesMax / large().byteLength))
    expect(of('spool', bring(honest, large()))).toHaveLength(1)
  })

  it('has a limit for all together', () => {
    for (let number = 0; number < 6; number++) {
      const link = stage.meet(site.person(`flood-${number}`))
      for (let count = 0; count < reportsPerBringerMax; count += reportsPerMessageMax)
        bring(link, ...Array.from({ length: reportsPerMessageMax }, sealed))
    }
    expect(stage.member.protocol.reports.waiting).toBe(reportsCarriedMax)
  })

  it('takes a report again that could not be stored, when it comes again', () => {
    const link = stage.meet(bob)
    const bytes = sealed()
    expect(of('spool', stage.say(link, { t: 'reports', sealed: [bytes] }))).toHaveLength(1)
    expect(of('spool', stage.say(link, { t: 'reports', sealed: [bytes] }))).toEqual([])
    stage.pass(reportFlightMs)
    expect(of('spool', stage.say(link, { t: 'reports', sealed: [bytes] }))).toHaveLength(1)
  })
})

describe('many reports at once', () => {
  it('go in batches that fit a message, a few at a time, the next ones when receipts come', () => {
    const link = toOrigin()
    const names = Array.from({ length: 1_000 }, () => own(4_200))
    const first = sent(stage.pass(reportBatchMs))
    const bytes = namesSent(stage.effects).length * 4_200
    expect(Math.max(...first.map((batch) => batch.names.length)) * 4_200).toBeLessThanOrEqual(reportBatchBytes)
    expect(Math.max(...first.map((batch) => batch.names.length))).toBeLessThanOrEqual(reportsPerMessageMax)
    expect(bytes).toBeLessThanOrEqual(reportFlightBytes + 4_200)
    while (stage.member.protocol.reports.waiting > 0) {
      const flying = namesSent(stage.effects.splice(0))
      expect(flying.length).toBeGreaterThan(0)
      for (let at = 0; at < flying.length; at += 128) receipt(link, ...flying.slice(at, at + 128))
    }
    expect(names.length).toBe(1_000)
  })

  it('that the origin never answers do not keep those back that it would', () => {
    const link = toOrigin()
    for (let count = 0; count < 200; count++) own(4_200)
    stage.pass(reportBatchMs)
    const good = own(4_200)
    expect(namesSent(stage.pass(30 * reportFlightMs))).toContain(good)
    receipt(link, good)
    expect(stage.wakes).toBeLessThan(500)
  })

  it('all arrive in the end over a line that loses every second batch', () => {
    const link = toOrigin()
    for (let count = 0; count < 500; count++) own(4_200)
    for (let round = 0; stage.member.protocol.reports.waiting > 0 && round < 2_000; round++)
      sent(stage.pass(5_000)).forEach(({ names }, at) => void (at % 2 === 0 && receipt(link, ...names)))
    expect(stage.member.protocol.reports.waiting).toBe(0)
  })
})

describe('reports of our own', () => {
  const say = (seq: number, keep?: number): Digest => {
    const name = sha256(sealed())
    stage.feed({ type: 'spooled', name, bytes: 1_000, own: { seq, ...(keep !== undefined && { keep }) } })
    return name
  }

  it('are superseded by the newest, but for the one that it names', () => {
    const names = [say(1), say(2, 0), say(3, 2), say(4, 2)]
    expect(of('unspool', stage.effects).map((effect) => effect.names)).toEqual([[names[0]], [names[2]]])
    expect(stage.member.protocol.reports.waiting).toBe(2)
  })

  it('wait however long, and of those that wait the newest goes first, before those of others', () => {
    bring(stage.meet(bob), sealed())
    const names = [say(1), say(2), say(3)]
    stage.pass(86_400_000)
    toOrigin()
    expect(namesSent(stage.pass(reportBatchMs)).slice(0, 3)).toEqual(names.toReversed())
  })

  it('stay after a restart, when nobody knows what supersedes what, until the next is made', () => {
    const names = [say(5), say(6)]
    expect(of('unspool', stage.effects)).toEqual([])
    say(7, 0)
    expect(of('unspool', stage.effects).map((effect) => effect.names)).toEqual([names])
  })

  it('are told to the agent as received, by number, and whether the origin needs all anew', () => {
    const member = stage.member
    const told: unknown[] = []
    const handle = member.agent?.handle.bind(member.agent)
    if (member.agent && handle)
      member.agent.handle = (input, now, out) => {
        if (input.type === 'report-received') told.push(input)
        handle(input, now, out)
      }
    const link = toOrigin()
    const bytes = signReceipt(site.origin.key, [
      { name: say(1), anew: true },
      { name: say(2), anew: false },
      { name: own(), anew: true },
    ])
    stage.say(link, { t: 'receipt', bytes })
    expect(told).toEqual([
      { type: 'report-received', seq: 1, anew: true },
      { type: 'report-received', seq: 2, anew: false },
    ])
  })
})

describe('a receipt', () => {
  it('that the origin did not sign empties nothing', () => {
    const link = stage.meet(bob)
    const name = own()
    const effects = stage.say(link, { t: 'receipt', bytes: signReceipt(bob.key, [{ name, anew: false }]) })
    expect(of('log', effects).map(({ fields }) => fields['code'])).toEqual(['RECEIPT_INVALID'])
    expect([of('unspool', effects), stage.member.protocol.reports.waiting]).toEqual([[], 1])
  })

  it('for reports that nobody here waits for goes no further', () => {
    const [link, origin] = [stage.meet(bob), toOrigin()]
    expect(receipt(origin, sha256(sealed()))).toEqual([])
    expect(receipts(link)).toBe(0)
  })

  it('is believed whoever brings it: its signature is what counts', () => {
    const link = stage.meet(bob)
    const name = own()
    receipt(link, name)
    expect(stage.member.protocol.reports.waiting).toBe(0)
  })
})

describe('a member that leaves', () => {
  it('hands what waits to any neighbour of its site where no way leads to the origin, and to others never', () => {
    const link = stage.meet(bob)
    const name = own()
    expect([namesSent(stage.pass(60_000)), stage.member.protocol.reports.unsent]).toEqual([[], 1])
    stage.feed({ type: 'leaving' })
    expect(sent(stage.pass(reportLanMs))).toEqual([{ link, names: [name] }])
    expect([stage.member.protocol.reports.unsent, stage.member.protocol.reports.waiting]).toEqual([0, 1])
  })

  it('goes by the origin where that is there, at once, also with what is to be tried again later', () => {
    stage.meet(bob)
    const link = toOrigin()
    const name = own()
    expect(namesSent(stage.pass(reportBatchMs))).toEqual([name])
    stage.pass(reportFlightMs)
    stage.feed({ type: 'leaving' })
    expect(sent(stage.pass(reportBatchMs))).toEqual([{ link, names: [name] }])
  })
})

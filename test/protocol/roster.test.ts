import { beforeEach, describe, expect, it } from 'vitest'
import type { KnownAddress } from '#protocol/effect.ts'
import type { Address, LinkId } from '#protocol/link.ts'
import {
  addressesMax,
  outsideDialsMax,
  politeDialMs,
  redialMs,
  redialMsMax,
  rosterKnownMax,
  rosterMax,
  siteLinksSoon,
  siteLinksWanted,
} from '#protocol/params.ts'
import type { MemberEffect } from '#member/member.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { addressOf, of, Site, Stage, type Person } from '../support/site.ts'

let site: Site
let stage: Stage
let above: Person
let below: Person
const far = addressOf(200)

beforeEach(() => {
  site = new Site()
  stage = new Stage(site, site.person('alice'))
  above = site.personBeside(stage.self.peer, 'above')
  below = site.personBeside(stage.self.peer, 'below')
})

const dials = (effects: readonly MemberEffect[]): string[] => of('dial', effects).map(({ address }) => address)
const full = (person: Person): Address => `${person.address}/p2p/${person.peer}` as Address
const fail = (address: string): MemberEffect[] =>
  stage.feed({ type: 'dial-failed', address: address as Address, reason: 'nobody answers' })
const seen = (person: Person): MemberEffect[] => stage.feed({ type: 'seen', address: full(person), peer: person.peer })
/** A peer id that nobody has: its key is not needed to be dialled. */
const madeUp = (number: number): PeerId => `12D3KooW${'A'.repeat(40)}${String(number).replaceAll('0', 'z')}` as PeerId
const hearsay = (first: number, count: number): { peer: PeerId; addresses: Address[] }[] =>
  Array.from({ length: count }, (_, index) => ({
    peer: madeUp(first + index),
    addresses: [`/ip4/198.51.100.${index}/tcp/${first}` as Address],
  }))
const known = (): KnownAddress[] => stage.member.protocol.knownAddresses()

describe('each way to a neighbour is enough by itself', () => {
  it('the LAN: the lower peer id dials at once, the other a little later in case the first cannot', () => {
    stage.start()
    expect(dials(seen(above))).toEqual([full(above)])
    expect(dials(seen(below))).toEqual([])
    expect(dials(stage.pass(politeDialMs - 1))).not.toContain(full(below))
    expect(dials(stage.pass(1))).toEqual([full(below)])
  })

  it('an address that an admin gave, whoever goes outside', () => {
    const effects = stage.feed({ type: 'started', addresses: [], bootstrap: [far] })
    expect(dials(effects)).toEqual([far])
  })

  it('an address from an earlier run', () => {
    stage = new Stage(site, stage.self, { known: [{ address: far, peer: above.peer, inside: true }] })
    expect(dials(stage.start())).toEqual([far])
  })

  it('the word of a neighbour in our site, which is asked on behalf of all that it knows', () => {
    stage.start()
    const link = stage.meet(below)
    const effects = stage.say(link, { t: 'roster', members: [{ peer: above.peer, addresses: [above.address] }] })
    expect(dials(effects)).toEqual([full(above)])
  })

  it('and where a neighbour says it listens', () => {
    stage.start()
    const link = stage.meet(above)
    expect(dials(stage.lose(link))).toEqual([])
    expect(dials(stage.pass(redialMs))).toEqual([full(above)])
  })
})

describe('the address of another site', () => {
  beforeEach(() => {
    stage = new Stage(site, stage.self, { known: [{ address: far, inside: false }] })
  })

  it('is not dialled by a client while another of its site acts', () => {
    stage.start()
    stage.meet(below, { acting: true, reach: true })
    expect(dials(stage.pass(120_000))).not.toContain(far)
  })

  it('is dialled by a client that is alone, once it has listened for others', () => {
    expect(dials(stage.start())).toEqual([])
    expect(dials(stage.pass(1_300))).toEqual([far])
  })

  it('is dialled by a relay at once', () => {
    stage = new Stage(site, site.person('relay', { role: 'relay' }), { known: [{ address: far, inside: false }] })
    expect(dials(stage.start())).toEqual([far])
  })

  it('is never dialled by the origin, to which the sites come', () => {
    stage = new Stage(site, site.origin)
    stage.start()
    const relay = site.person('relay', { role: 'relay' })
    stage.lose(stage.meet(relay))
    expect(dials(stage.pass(600_000))).toEqual([])
  })

  it('stays outside whatever neighbours say of it, once its own hello told', () => {
    stage.start()
    stage.pass(1_300)
    const link = stage.meet(site.origin, { direction: 'out', address: far })
    const liar = stage.meet(below, { acting: true, reach: true })
    stage.lose(link)
    const { peer, address } = site.origin
    stage.say(liar, { t: 'roster', members: [{ peer, addresses: [far, address] }] })
    stage.feed({ type: 'seen', address: full(site.origin), peer })
    expect(dials(stage.pass(300_000)).filter((told) => told === far || told.includes(peer))).toEqual([])
  })

  it('is ignored in rosters that come from there', () => {
    stage.start()
    stage.pass(1_300)
    const link = stage.meet(site.origin, { direction: 'out', address: far })
    stage.say(link, { t: 'roster', members: hearsay(0, 10) })
    expect(known().filter(({ peer }) => peer?.startsWith('12D3KooWAAAA'))).toEqual([])
  })

  it('is one of a few that are tried at once', () => {
    const many = Array.from({ length: 8 }, (_, number) => ({ address: addressOf(100 + number), inside: false }))
    stage = new Stage(site, site.person('relay', { role: 'relay' }), { known: many })
    const first = dials(stage.start())
    expect(first).toHaveLength(outsideDialsMax)
    expect(dials(fail(first[0] ?? ''))).toEqual([many[outsideDialsMax]?.address])
  })
})

describe('a dial', () => {
  it('that failed is tried again later and later, up to a minute apart, for ever', () => {
    stage.feed({ type: 'started', addresses: [], bootstrap: [far] })
    const pauses: number[] = []
    for (let time = 0; time < 12; time++) {
      fail(far)
      const failedAt = stage.now
      while (stage.now - failedAt <= redialMsMax && !dials(stage.pass(100)).includes(far));
      pauses.push(stage.now - failedAt)
    }
    expect(pauses[0]).toBeLessThanOrEqual(redialMs + 100)
    expect(pauses.at(-1)).toBeGreaterThanOrEqual(redialMsMax / 2)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(redialMsMax + 100)
  })

  it('is not repeated while it is under way', () => {
    stage.feed({ type: 'started', addresses: [], bootstrap: [far] })
    expect(dials(stage.pass(600_000))).toEqual([])
  })

  it('goes to one address of a member at a time', () => {
    stage.start()
    const link = stage.meet(below)
    const addresses = Array.from({ length: addressesMax }, (_, number) => addressOf(50 + number))
    const effects = stage.say(link, { t: 'roster', members: [{ peer: above.peer, addresses }] })
    expect(dials(effects)).toHaveLength(1)
  })

  it('is not made to an address whose member turned out to be a neighbour already', () => {
    stage.feed({ type: 'started', addresses: [], bootstrap: [far] })
    const kept = stage.meet(below, { direction: 'in' })
    const surplus = stage.linkUp(below, 'out', far)
    expect(stage.farewell(surplus).byes).toEqual(['DUPLICATE'])
    stage.lose(surplus)
    expect(dials(stage.pass(600_000))).toEqual([])
    expect(stage.farewell(kept).byes).toEqual([])
  })

  it('that met ourselves is not made again', () => {
    stage.feed({ type: 'started', addresses: [], bootstrap: [far] })
    stage.lose(stage.linkUp(stage.self, 'out', far))
    expect(dials(stage.pass(600_000))).toEqual([])
  })
})

describe('a neighbour that tells of made-up members', () => {
  let liar: LinkId

  beforeEach(() => {
    stage = new Stage(site, stage.self, { known: [{ address: far, inside: false }] })
    stage.start()
    liar = stage.meet(below, { acting: true, reach: true })
  })

  it('makes us knock at no more doors at once than we want neighbours', () => {
    const effects = stage.say(liar, { t: 'roster', members: hearsay(1, rosterMax) })
    const began = [...dials(effects), ...dials(stage.pass(politeDialMs))]
    expect(began.length).toBeGreaterThan(0)
    expect(began.length).toBeLessThan(siteLinksWanted)
  })

  it('is remembered up to the limit, and what the token told is never pushed out', () => {
    for (let first = 1; known().length < rosterKnownMax && first < 10_000; first += rosterMax)
      stage.say(liar, { t: 'roster', members: hearsay(first, rosterMax) })
    for (let round = 0; round < 30; round++) {
      for (const address of dials(stage.pass(5_000))) fail(address)
      stage.say(liar, { t: 'roster', members: hearsay(20_000 + round * rosterMax, rosterMax) })
    }
    expect(known().length).toBeLessThanOrEqual(rosterKnownMax)
    expect(known()).toContainEqual({ address: far, inside: false })
  })

  it('does not make us keep over a restart what nobody answered at', () => {
    const told = dials(stage.say(liar, { t: 'roster', members: hearsay(1, 4) }))
    for (const address of [...told, ...dials(stage.pass(politeDialMs))]) fail(address)
    expect(known().map(({ address }) => address)).toEqual([far, full(below)])
  })

  it('cannot speak for the address of another', () => {
    stage.say(liar, { t: 'roster', members: [{ peer: above.peer, addresses: [full(site.origin)] }] })
    stage.feed({ type: 'seen', address: full(site.origin), peer: above.peer })
    const link = stage.linkUp(above)
    stage.greet(link, above, { addresses: [full(site.origin)] })
    stage.say(link, { t: 'ready', acting: false, reach: false })
    expect(known().filter(({ address }) => address.includes(site.origin.peer))).toEqual([])
  })
})

describe('the roster that is handed out', () => {
  it('names the neighbours of our site to whoever comes, but not the newcomer to itself nor others', () => {
    stage.start()
    stage.meet(above)
    stage.meet(site.person('lyonnais', { site: 'lyon' }))
    const link = stage.meet(below)
    const rosters = stage.said(link).flatMap((message) => (message.t === 'roster' ? [message] : []))
    expect(rosters).toEqual([{ t: 'roster', members: [{ peer: above.peer, addresses: [above.address] }] }])
  })

  it('still names a neighbour when the surplus one of its two links is gone', () => {
    stage.start()
    stage.meet(above, { direction: 'out' })
    stage.lose(stage.linkUp(above, 'in'))
    const link = stage.meet(below)
    expect(stage.said(link).some((message) => message.t === 'roster')).toBe(true)
  })

  it('is told to nobody of another site', () => {
    stage.start()
    stage.meet(above)
    const link = stage.meet(site.person('lyonnais', { site: 'lyon' }))
    expect(stage.said(link).some((message) => message.t === 'roster')).toBe(false)
  })
})

describe('addresses over a restart', () => {
  it('are saved soon after a neighbour was met, once for many, and say what its hello proved', () => {
    stage.start()
    stage.meet(above)
    stage.meet(below)
    const saves = of('save-addresses', stage.pass(60_000))
    expect(saves).toHaveLength(1)
    expect(saves[0]?.known).toEqual(
      [above, below].map((person) => ({ address: full(person), peer: person.peer, inside: true })),
    )
  })
})

describe('queries to the LAN', () => {
  it('go on, further and further apart, while a member is alone in its site, and end with the first neighbour', () => {
    stage.start()
    const alone = of('query', stage.pass(600_000)).length
    expect([alone > 8, alone < 20]).toEqual([true, true])
    stage.meet(above)
    expect(of('query', stage.pass(600_000))).toEqual([])
  })
})

describe('a site that starts in one second', () => {
  it('is linked a few at once and then one by one, so that handshakes leave room for what is to be done', () => {
    const site = new Site()
    const stage = new Stage(site, site.person('alice'))
    stage.start()
    const dialled = (ms: number): number => of('dial', stage.pass(ms)).length
    for (let number = 1; number <= 30; number++) {
      const other = site.person(`other-${number}`)
      stage.feed({ type: 'seen', address: other.address, peer: other.peer })
    }
    expect(of('dial', stage.effects).length).toBeLessThanOrEqual(siteLinksSoon)
    dialled(politeDialMs)
    const soon = of('dial', stage.effects).length
    dialled(60_000)
    expect(soon).toBeLessThan(siteLinksSoon + 2)
    expect(of('dial', stage.effects).length).toBeGreaterThan(siteLinksWanted - 2)
  })
})

import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { after } from '#base/time.ts'
import { admissionMs, banMs, siteLinksMax, strikesKnownMax } from '#protocol/params.ts'
import { announced, addressOf, of, Site, siteStart, Stage, type Person } from '../support/site.ts'

let site: Site
let stage: Stage
let bob: Person

beforeEach(() => {
  site = new Site()
  stage = new Stage(site, site.person('alice'))
  bob = site.person('bob')
  stage.start()
})

describe('who greets first', () => {
  it('the dialler does, and says who it is, what it has and where it listens', () => {
    const link = stage.linkUp(bob, 'out')
    expect(stage.said(link)).toEqual([
      {
        t: 'hello',
        wire: 1,
        membership: stage.self.certificate,
        versions: site.versions(),
        addresses: [stage.self.address],
      },
    ])
  })

  it('who was dialled says nothing before the hello was judged, then greets and is ready', () => {
    const link = stage.linkUp(bob)
    expect(stage.said(link)).toEqual([])
    const effects = stage.greet(link, bob)
    expect(stage.said(link).map((message) => message.t)).toEqual(['hello', 'ready'])
    expect(of('admit', effects)).toEqual([{ type: 'admit', link }])
  })

  it('a link is a neighbour only once both accepted each other', () => {
    const link = stage.linkUp(bob)
    stage.greet(link, bob)
    expect(stage.member.protocol.neighbours.list()).toEqual([])
    stage.say(link, { t: 'ready', acting: false, reach: false })
    expect(stage.member.protocol.neighbours.list().map(({ peer }) => peer)).toEqual([bob.peer])
  })
})

describe('who is not let in', () => {
  /** What a link was closed with, after this hello. */
  const refusal = (other: Person, more: Parameters<Stage['greet']>[2] = {}): string[] => {
    const link = stage.linkUp(other)
    const effects = stage.greet(link, other, more)
    expect(of('admit', effects)).toEqual([])
    expect(stage.said(link).map((message) => message.t)).toEqual(['bye'])
    return stage.farewell(link).byes
  }

  it('a member of another fleet', () => {
    expect(refusal(new Site('other').person('eve'))).toEqual(['MEMBERSHIP_OTHER_FLEET'])
  })

  it('one that shows the membership of another device', () => {
    const eve = site.person('eve')
    expect(refusal(eve, { membership: bob.certificate })).toEqual(['MEMBERSHIP_OTHER_PEER'])
  })

  it('one that shows no membership but noise', () => {
    expect(refusal(bob, { membership: utf8('let me in') })).toEqual(['MEMBERSHIP_INVALID'])
  })

  it('one of another version of the protocol', () => {
    expect(refusal(bob, { wire: 2 })).toEqual(['WIRE_VERSION'])
  })

  it('one whose membership has expired', () => {
    stage.now = after(siteStart, 91 * 86_400_000)
    expect(refusal(bob)).toEqual(['MEMBERSHIP_EXPIRED'])
  })

  it('ourselves, where a home was copied or an address is our own', () => {
    const link = stage.linkUp(stage.self, 'out')
    expect(stage.farewell(link)).toEqual({ byes: ['SELF'], closes: ['SELF'] })
  })

  it('more neighbours of the own site than there is room for; another site is not counted there', () => {
    for (let number = 0; number < siteLinksMax; number++) stage.meet(site.person(`c${number}`))
    expect(refusal(bob)).toEqual(['FULL'])
    expect(stage.farewell(stage.meet(site.origin)).byes).toEqual([])
  })

  it('more than there is room for, also where all of them greet before any is ready', () => {
    const links = Array.from({ length: siteLinksMax + 5 }, (_, number) => {
      const other = site.person(`c${number}`)
      const link = stage.linkUp(other)
      stage.greet(link, other)
      return link
    })
    const full = links.filter((link) => stage.farewell(link).byes.includes('FULL'))
    expect(full).toHaveLength(5)
  })
})

describe('what is heard before admission', () => {
  it('nothing but hello, ready and bye: anything else ends the link', () => {
    const link = stage.linkUp(bob)
    stage.say(link, { t: 'head', versions: site.versions(), ask: true })
    expect(stage.farewell(link)).toEqual({ byes: ['OUT_OF_ORDER'], closes: ['OUT_OF_ORDER'] })
  })

  it('a ready before the hello, a second hello and a second ready end the link', () => {
    const early = stage.linkUp(bob)
    stage.say(early, { t: 'ready', acting: false, reach: false })
    stage.lose(early)
    const twice = stage.linkUp(bob)
    stage.greet(twice, bob)
    stage.greet(twice, bob)
    stage.lose(twice)
    const ready = stage.meet(bob)
    stage.say(ready, { t: 'ready', acting: false, reach: false })
    expect([early, twice, ready].map((link) => stage.farewell(link).byes)).toEqual([
      ['OUT_OF_ORDER'],
      ['OUT_OF_ORDER'],
      ['OUT_OF_ORDER'],
    ])
  })

  it('no chunk is served, and the asker is told why', () => {
    const link = stage.linkUp(bob)
    const run = { content: site.meshId, first: 0, count: 1 }
    const strange = stage.feed({ type: 'asked', link, ask: 7, run })
    stage.greet(link, bob)
    const early = stage.feed({ type: 'asked', link, ask: 8, run })
    stage.say(link, { t: 'ready', acting: false, reach: false })
    const late = stage.feed({ type: 'asked', link, ask: 9, run })
    expect([strange, early, late].flatMap((effects) => of('deny', effects).map(({ code }) => code))).toEqual([
      'NOT_ADMITTED',
      'NOT_ADMITTED',
      'NOT_HERE',
    ])
  })

  it('gossip is not even looked at on a link whose other side has not proved itself, or that was closed', () => {
    const link = stage.linkUp(bob)
    const bytes = announced(site.release([]))
    expect(of('verdict', stage.feed({ type: 'gossip', link, bytes }))[0]?.verdict).toBe('ignore')
    stage.say(link, { t: 'ready', acting: false, reach: false })
    expect(of('verdict', stage.feed({ type: 'gossip', link, bytes }))[0]?.verdict).toBe('ignore')
    expect(stage.member.protocol.self.set.release).toBe(1)
  })

  it('a link that is not established in time is closed, and never earlier', () => {
    const silent = stage.linkUp(bob)
    const half = stage.linkUp(site.person('carol'))
    stage.greet(half, site.person('carol'))
    stage.pass(admissionMs - 1)
    expect(stage.farewell(silent).byes).toEqual([])
    stage.pass(1)
    expect([silent, half].map((link) => stage.farewell(link).byes)).toEqual([['TOO_SLOW'], ['TOO_SLOW']])
  })
})

describe('two links to one member', () => {
  it('the one that the lower peer id dialled stays, whichever came first', () => {
    const above = site.personBeside(stage.self.peer, 'above')
    const below = site.personBeside(stage.self.peer, 'below')
    const kept = (other: Person, first: 'in' | 'out', second: 'in' | 'out'): string[] => {
      const links = [stage.linkUp(other, first), stage.linkUp(other, second)]
      const closed = links.map((link) => stage.farewell(link).byes.includes('DUPLICATE'))
      for (const link of links) stage.lose(link)
      return [first, second].filter((_, index) => !closed[index])
    }
    expect([kept(above, 'in', 'out'), kept(above, 'out', 'in')]).toEqual([['out'], ['out']])
    expect([kept(below, 'in', 'out'), kept(below, 'out', 'in')]).toEqual([['in'], ['in']])
  })

  it('of two by one side the newer stays: the older may be dead without our knowing', () => {
    const links = [stage.meet(bob), stage.linkUp(bob)]
    expect(links.map((link) => stage.farewell(link).byes)).toEqual([['DUPLICATE'], []])
  })
})

describe('a membership that ends while a link is open', () => {
  it('loses its link the moment it expires, though no metadata comes', () => {
    const guest = site.person('guest', { lifetimeMs: 3_600_000 })
    const link = stage.meet(guest)
    stage.pass(3_599_000)
    expect(stage.farewell(link).byes).toEqual([])
    stage.pass(1_000)
    expect(stage.farewell(link)).toEqual({ byes: ['MEMBERSHIP_EXPIRED'], closes: ['MEMBERSHIP_EXPIRED'] })
  })

  it('loses its link with the very announcement that revokes it, and nothing is said to it afterwards', () => {
    const [guest, carol] = [stage.meet(bob), stage.meet(site.person('carol'))]
    const revocations = { issuers: new Set<string>(), peers: new Set([bob.peer as string]), tokens: new Set<string>() }
    stage.feed({ type: 'gossip', link: carol, bytes: announced(site.release([], { revocations })) })
    expect(stage.farewell(guest)).toEqual({ byes: ['MEMBERSHIP_REVOKED'], closes: ['MEMBERSHIP_REVOKED'] })
    expect(stage.said(guest).at(-1)).toEqual({ t: 'bye', code: 'MEMBERSHIP_REVOKED' })
    expect(stage.farewell(carol).byes).toEqual([])
  })
})

describe('misbehaviour', () => {
  const misbehave = (other: Person): string[] => {
    const link = stage.meet(other)
    stage.feed({ type: 'message', link, bytes: utf8('noise') })
    const { byes } = stage.farewell(link)
    stage.lose(link)
    return byes
  }

  it('three times keeps a member out for a while, and no longer', () => {
    expect([1, 2, 3].map(() => misbehave(bob))).toEqual([['MESSAGE_INVALID'], ['MESSAGE_INVALID'], ['BANNED']])
    const knocking = stage.linkUp(bob)
    expect(stage.farewell(knocking).byes).toEqual(['BANNED'])
    stage.lose(knocking)
    stage.pass(banMs)
    const again = stage.meet(bob)
    expect(stage.farewell(again).byes).toEqual([])
  })

  it('that lies far apart is forgiven', () => {
    for (let time = 0; time < 5; time++) {
      expect(misbehave(bob)).toEqual(['MESSAGE_INVALID'])
      stage.pass(banMs + 1)
    }
  })

  it('keeps us from dialling: a banned member is not dialled before its ban is over, and then it is', () => {
    for (let time = 0; time < 3; time++) misbehave(bob)
    stage.feed({ type: 'seen', address: bob.address, peer: bob.peer })
    expect(of('dial', stage.pass(banMs - 1_000))).toEqual([])
    const dials = of('dial', stage.pass(70_000)).map(({ address }) => address)
    expect(dials.some((address) => address.startsWith(bob.address))).toBe(true)
  })

  it('of a crowd of strangers does not make us forget whom we banned', () => {
    for (let time = 0; time < 3; time++) misbehave(bob)
    for (let number = 0; number <= strikesKnownMax; number++) {
      const stranger = { ...bob, peer: `stranger ${number}` as Person['peer'], address: addressOf(9) }
      const link = stage.linkUp(stranger)
      stage.feed({ type: 'message', link, bytes: utf8('noise') })
      stage.lose(link)
    }
    expect(stage.farewell(stage.linkUp(bob)).byes).toEqual(['BANNED'])
  })
})

import { beforeEach, describe, expect, it } from 'vitest'
import {
  politeDialMs,
  redialMsMax,
  tradeLinksMax,
  tradeLinksWanted,
  tradersMax,
  tradeRedialMs,
  tradeTellMs,
} from '#protocol/params.ts'
import type { LinkId } from '#protocol/link.ts'
import type { TraderEntry } from '#protocol/wire.ts'
import { addressOf, of, Site, Stage, type Person } from '../support/site.ts'

let site: Site
let stage: Stage
let origin: LinkId
const far = addressOf(200)

/** A relay of Berlin, linked with the origin. */
function relay(trade: boolean): void {
  stage = new Stage(site, site.person('berlin-relay', { role: 'relay' }), { trade })
  stage.start()
  origin = stage.meet(site.origin, { direction: 'out', address: far })
}

beforeEach(() => {
  site = new Site()
  relay(true)
})

const elsewhere = (name: string, where: string = name): Person => site.person(name, { site: where, role: 'relay' })
const entryOf = ({ peer, site: where, address }: Person): TraderEntry => ({ peer, site: where, addresses: [address] })
/** What a relay of another site is told when it dials us. */
function answerTo(other: Person, trade: boolean): string[] {
  const link = stage.linkUp(other)
  stage.greet(link, other, trade ? { trade: true } : {})
  return stage.farewell(link).byes
}
const above = (): Person => site.personBeside(stage.self.peer, 'above', { site: 'lyon', role: 'relay' })
const below = (): Person => site.personBeside(stage.self.peer, 'below', { site: 'oslo', role: 'relay' })
const name = (...traders: Person[]) => stage.say(origin, { t: 'traders', traders: traders.map(entryOf) })
const dialled = (effects = stage.effects): string[] => of('dial', effects).map(({ address }) => address)
const addressAt = ({ address, peer }: Person): string => `${address}/p2p/${peer}`

describe('a relay that does not trade', () => {
  beforeEach(() => relay(false))

  it('refuses the relays of other sites, whatever they do', () => {
    expect([answerTo(elsewhere('lyon'), true), answerTo(elsewhere('oslo'), false)]).toEqual([
      ['NO_TRADE'],
      ['NO_TRADE'],
    ])
  })

  it('says nothing of trade, and dials nobody whom the origin names', () => {
    name(above(), below())
    stage.pass(60_000)
    expect(stage.said(origin)[0]).not.toHaveProperty('trade')
    expect(dialled().filter((address) => address.includes('/p2p/'))).toEqual([])
  })
})

describe('a relay that trades', () => {
  it('lets in those of other sites that trade, and no client and no other relay of theirs', () => {
    expect(answerTo(elsewhere('lyon'), true)).toEqual([])
    expect(answerTo(elsewhere('oslo'), false)).toEqual(['NO_TRADE'])
    expect(answerTo(site.person('lyonnais', { site: 'lyon' }), true)).toEqual(['NO_TRADE'])
  })

  it('has room for so many', () => {
    const answers = Array.from({ length: tradeLinksMax + 2 }, (_, number) =>
      answerTo(elsewhere(`site-${number}`), true),
    )
    expect(answers.flat()).toEqual(['FULL', 'FULL'])
  })

  it('dials whom the origin names: at once where its peer id is lower, else later, in case the other cannot', () => {
    const [high, low] = [above(), below()]
    name(high, low)
    expect(dialled()).toEqual([addressAt(high)])
    stage.pass(politeDialMs)
    expect(dialled()).toEqual([addressAt(high), addressAt(low)])
  })

  it('believes nobody but the origin, dials nobody of its own site, and no address of another peer', () => {
    const trader = stage.meet(elsewhere('lyon'), {})
    stage.say(trader, { t: 'traders', traders: [entryOf(above())] })
    const own = site.person('berlin-relay-2', { role: 'relay' })
    name({ ...own, site: 'berlin' }, { ...above(), address: addressAt(below()) as Person['address'] })
    stage.pass(politeDialMs)
    expect(dialled().filter((address) => address.includes('/p2p/'))).toEqual([])
  })

  it('seeks so many links, to other sites before a second relay of one', () => {
    const twins = [elsewhere('twin-1', 'lyon'), elsewhere('twin-2', 'lyon')]
    const others = Array.from({ length: tradeLinksWanted - 1 }, (_, number) => elsewhere(`site-${number}`))
    stage.linkUp(twins[0] as Person)
    name(...twins, ...others)
    stage.pass(politeDialMs)
    expect(new Set(dialled())).toEqual(new Set(others.map(addressAt)))
  })

  it('tries one that cannot be reached again, later and later', () => {
    const high = above()
    name(high)
    const tries = (ms: number): number => {
      const effects = []
      for (let passed = 0; passed < ms; passed += 500) {
        const now = stage.pass(500)
        effects.push(...now)
        for (const address of dialled(now))
          stage.feed({ type: 'dial-failed', address: address as typeof far, reason: 'no' })
      }
      return dialled(effects).length
    }
    stage.feed({ type: 'dial-failed', address: addressAt(high) as typeof far, reason: 'nobody answers' })
    expect(tries(tradeRedialMs)).toBe(1)
    expect(tries(3_600_000)).toBeLessThan(20)
  })

  it('goes on seeking the origin while it has a link to a trader only', () => {
    stage.lose(origin)
    const trader = elsewhere('lyon')
    const link = stage.linkUp(trader)
    stage.greet(link, trader, { trade: true })
    stage.say(link, { t: 'ready', acting: true, reach: true })
    expect(stage.member.protocol.standing.reach).toBe(true)
    expect(dialled(stage.pass(redialMsMax))).toContain(addressAt(site.origin))
  })
})

describe('the origin', () => {
  beforeEach(() => {
    stage = new Stage(site, site.origin)
    stage.start()
  })

  /** A relay greets the origin. */
  function greeted(person: Person, trade: boolean): LinkId {
    const link = stage.linkUp(person)
    stage.greet(link, person, trade ? { trade: true } : {})
    stage.say(link, { t: 'ready', acting: true, reach: false })
    return link
  }
  const namedTo = (link: LinkId): string[] =>
    stage.said(link).flatMap((message) => (message.t === 'traders' ? message.traders.map(({ site: of }) => of) : []))

  it('tells traders of those of other sites, each once, and nobody else of anybody', () => {
    const links = [
      greeted(elsewhere('lyon'), true),
      greeted(elsewhere('lyon-2', 'lyon'), true),
      greeted(elsewhere('oslo'), true),
      greeted(elsewhere('rome'), false),
      greeted(site.person('lyonnais', { site: 'lyon' }), true),
    ]
    stage.pass(tradeTellMs)
    const late = greeted(elsewhere('bern'), true)
    stage.pass(tradeTellMs)
    const named = links.map((link) => namedTo(link))
    expect(named).toEqual([['oslo', 'bern'], ['oslo', 'bern'], ['lyon', 'lyon', 'bern'], [], []])
    expect(namedTo(late).sort()).toEqual(['lyon', 'lyon', 'oslo'])
  })

  it('names no more than a relay can use, and none that went', () => {
    const first = greeted(elsewhere('first'), true)
    stage.lose(greeted(elsewhere('gone'), true))
    for (let number = 0; number < tradersMax + 5; number++) greeted(elsewhere(`site-${number}`), true)
    stage.pass(tradeTellMs)
    expect(namedTo(first)).toHaveLength(tradersMax)
    expect(namedTo(first)).not.toContain('gone')
  })
})

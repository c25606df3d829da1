import { beforeEach, describe, expect, it } from 'vitest'
import { Random } from '#base/random.ts'
import { after, instant, type Instant } from '#base/time.ts'
import { Newsless } from '#protocol/newsless.ts'
import { newslessMs, reachMs } from '#protocol/params.ts'
import { Site, Stage, type Person } from '../support/site.ts'

const start = instant(1_000_000)

/** How often it begins to look within so many hours, woken whenever it wants; `news` tells the time of the newest timestamp. */
function looksIn(hours: number, news: (now: Instant) => Instant | undefined): number {
  const newsless = new Newsless(new Random('newsless'))
  let [looks, wasLooking] = [0, newsless.looks(start, news(start))]
  for (let now = start, wakes = 0; now < after(start, hours * newslessMs); wakes++) {
    expect(wakes).toBeLessThan(100 * hours)
    const next = newsless.nextWake() ?? after(now, newslessMs)
    expect(next).toBeGreaterThan(now)
    now = next
    const isLooking = newsless.looks(now, news(now))
    if (isLooking && !wasLooking) looks++
    wasLooking = isLooking
  }
  return looks
}

describe('a member without news', () => {
  it('looks outside about once an hour', () => {
    expect(looksIn(100, () => undefined)).toBeGreaterThan(80)
    expect(looksIn(100, () => start)).toBeLessThan(120)
  })

  it('does not while timestamps come, nor for one of the future only once', () => {
    expect(looksIn(100, (now) => instant(now - newslessMs / 4))).toBe(0)
    expect(looksIn(100, () => after(start, 1_000 * newslessMs))).toBe(0)
  })
})

describe('a site whose member says that it goes outside, and does not', () => {
  let site: Site
  let stage: Stage
  let liar: Person
  beforeEach(() => {
    site = new Site()
    stage = new Stage(site, site.person('alice'))
    liar = site.personBeside(stage.self.peer, 'below')
    stage.start()
  })
  /** Whether alice acts at some time within so many hours. */
  const actsWithin = (hours: number): boolean => {
    for (let ms = 0; ms < hours * newslessMs; ms += reachMs / 2) {
      stage.pass(reachMs / 2)
      if (stage.member.protocol.standing.acting) return true
    }
    return false
  }

  it('looks for itself after some hours, and not before', () => {
    stage.meet(liar, { acting: true, reach: true })
    expect(actsWithin(0.9)).toBe(false)
    expect(actsWithin(3)).toBe(true)
  })

  it('also where the liar makes up relays elsewhere in the site', () => {
    const link = stage.meet(liar)
    stage.say(link, {
      t: 'uplink',
      acting: false,
      reach: false,
      others: [{ peer: site.person('made-up').peer, role: 'relay', hops: 1 }],
    })
    expect(actsWithin(0.9)).toBe(false)
    expect(actsWithin(3)).toBe(true)
  })
})

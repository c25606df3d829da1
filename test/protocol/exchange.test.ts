import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import type { ContentRef } from '#content/content-ref.ts'
import type { MemberEffect } from '#member/member.ts'
import { Bitmap } from '#protocol/bitmap.ts'
import type { FetchEnd, LinkId } from '#protocol/link.ts'
import {
  contentsPerLinkMax,
  haveMs,
  lanCreditBytes,
  openAgainMs,
  pauseMs,
  runChunksMax,
  runsPerMessageMax,
  wanCreditBytesMin,
} from '#protocol/params.ts'
import type { Message } from '#protocol/wire.ts'
import { addressOf, of, Site, Stage, type Person } from '../support/site.ts'

let site: Site
let stage: Stage
let bob: Person
let carol: Person
const far = addressOf(200)
const digestOf = (label: string): Digest => sha256(utf8(label))
const small: ContentRef = { digest: digestOf('small'), length: 1_000 }
const large: ContentRef = {
  digest: digestOf('large'),
  length: 320_000,
  list: { digest: digestOf('list'), length: 360 },
}
const completed: Digest[] = []

beforeEach(() => {
  site = new Site()
  stage = new Stage(site, site.person('alice'))
  bob = site.person('bob')
  carol = site.person('carol')
  completed.length = 0
  stage.start()
})

const turn = (into: MemberEffect[]) => ({
  now: stage.now,
  out: (effect: MemberEffect): void => void into.push(effect),
  notify: (notice: { type: string; content?: Digest }): void => {
    if (notice.type === 'complete' && notice.content) completed.push(notice.content)
  },
})
function want(ref: ContentRef, priority = 20): MemberEffect[] {
  const effects: MemberEffect[] = []
  stage.member.protocol.want(turn(effects), ref, priority)
  stage.effects.push(...effects)
  return effects
}
function unwant(digest: Digest): MemberEffect[] {
  const effects: MemberEffect[] = []
  stage.member.protocol.unwant(turn(effects), digest)
  stage.effects.push(...effects)
  return effects
}
/** The store opened a content, in which these chunks were. */
function opened(ref: ContentRef, chunks: number, ...here: number[]): MemberEffect[] {
  const have = new Bitmap(chunks)
  for (const index of here) have.add(index)
  return stage.feed({ type: 'opened', content: ref.digest, chunks, have: have.bytes })
}
const all = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const fetches = (effects: readonly MemberEffect[]) => of('fetch', effects)
const chunk = (fetch: number, index: number, verdict: 'stored' | 'already' | 'wrong' | 'unstored' = 'stored') =>
  stage.feed({ type: 'chunk', fetch, index, bytes: 32_000, verdict })
const ended = (fetch: number, end: FetchEnd) => stage.feed({ type: 'fetch-ended', fetch, end })
const have = (link: LinkId, ref: ContentRef, chunks: number, ...here: number[]): MemberEffect[] => {
  const bits = new Bitmap(chunks)
  for (const index of here) bits.add(index)
  return stage.say(link, { t: 'have', content: ref.digest, chunks, ...(here.length > 0 && { bits: bits.bytes }) })
}
const told = (link: LinkId, effects: readonly MemberEffect[] = stage.effects): Message[] =>
  stage.said(link, effects).filter(({ t }) => ['want', 'unwant', 'have', 'more'].includes(t))
const isSpinning = (): boolean => (stage.member.nextWake() ?? Infinity) <= stage.now

describe('wanting a content', () => {
  it('opens its list first, then itself, and only then asks neighbours for it', () => {
    const link = stage.meet(bob)
    expect(of('open', want(large)).map(({ ref }) => ref.digest)).toEqual([large.list?.digest])
    const effects = opened(large.list as ContentRef, 1, 0)
    expect(of('open', effects).map(({ ref }) => ref)).toEqual([large])
    expect(told(link)).toEqual([])
    opened(large, 10)
    expect(told(link)).toEqual([{ t: 'want', contents: [large.digest] }])
  })

  it('that is here already is told as complete, each time it is wanted', () => {
    stage.feed({ type: 'added', refs: [small] })
    opened(small, 1, 0)
    want(small)
    want(small)
    expect(completed).toEqual([small.digest, small.digest])
  })

  it('whose list two contents share waits for that list once, and both go on when it is here', () => {
    const other: ContentRef = { ...large, digest: digestOf('twin') }
    want(large)
    expect(of('open', want(other))).toEqual([])
    const effects = opened(large.list as ContentRef, 1, 0)
    expect(of('open', effects).map(({ ref }) => ref.digest)).toEqual([large.digest, other.digest])
  })

  it('asks a neighbour that comes later about everything that is missing', () => {
    want(small)
    opened(small, 1)
    expect(told(stage.meet(bob))).toEqual([{ t: 'want', contents: [small.digest] }])
  })

  it('asks for the more urgent first', () => {
    const link = stage.meet(bob)
    const later: ContentRef = { digest: digestOf('later'), length: 1_000 }
    want(later, 30)
    want(small, 10)
    opened(later, 1)
    opened(small, 1)
    stage.say(link, { t: 'have', content: later.digest, chunks: 1 })
    const first = fetches(stage.effects).map(({ run }) => run.content)
    expect(first).toEqual([later.digest])
    want({ digest: digestOf('a'), length: 1_000 }, 5)
    expect(stage.member.protocol.exchange.content(later.digest)?.priority).toBe(30)
    want(later, 1)
    expect(stage.member.protocol.exchange.content(later.digest)?.priority).toBe(1)
  })
})

describe('a content that could not be opened', () => {
  it('is opened again later, for as long as it is wanted, and nothing spins meanwhile', () => {
    want(small)
    stage.feed({ type: 'open-failed', content: small.digest, code: 'DISK_FULL' })
    expect(isSpinning()).toBe(false)
    expect(of('open', stage.pass(openAgainMs - 1))).toEqual([])
    expect(of('open', stage.pass(1)).map(({ ref }) => ref)).toEqual([small])
    stage.feed({ type: 'open-failed', content: small.digest, code: 'DISK_FULL' })
    unwant(small.digest)
    expect(of('open', stage.pass(600_000))).toEqual([])
  })
})

describe('letting go of a content', () => {
  it('while it is fetched cancels what is under way, tells neighbours, and takes no more notice of it', () => {
    const link = stage.meet(bob)
    want(small)
    opened(small, 1)
    const [fetch] = fetches(have(link, small, 1))
    const effects = unwant(small.digest)
    expect(of('cancel', effects).map((cancel) => cancel.fetch)).toEqual([fetch?.fetch])
    expect(told(link, effects)).toEqual([{ t: 'unwant', contents: [small.digest] }])
    const late = chunk(fetch?.fetch ?? 0, 0)
    ended(fetch?.fetch ?? 0, 'cancelled')
    expect([completed, told(link, late), isSpinning()]).toEqual([[], [], false])
  })

  it('while its list is fetched lets go of the list too', () => {
    const link = stage.meet(bob)
    want(large)
    opened(large.list as ContentRef, 1)
    const effects = unwant(large.digest)
    expect(told(link, effects)).toEqual([{ t: 'unwant', contents: [large.list?.digest] }])
    expect([...stage.member.protocol.exchange.contents()]).toEqual([])
  })

  it('keeps the list where another content waits for it', () => {
    const other: ContentRef = { ...large, digest: digestOf('twin') }
    want(large)
    want(other)
    opened(large.list as ContentRef, 1)
    unwant(large.digest)
    unwant(large.list?.digest as Digest)
    const kept = new Set([...stage.member.protocol.exchange.contents()].map(({ ref }) => ref.digest))
    expect(kept).toEqual(new Set([other.digest, large.list?.digest]))
  })

  it('that is complete changes nothing: it is still served', () => {
    const link = stage.meet(bob)
    stage.feed({ type: 'added', refs: [small] })
    opened(small, 1, 0)
    unwant(small.digest)
    const run = { content: small.digest, first: 0, count: 1 }
    expect(of('serve', stage.feed({ type: 'asked', link, ask: 1, run }))).toEqual([
      { type: 'serve', link, ask: 1, run },
    ])
  })
})

describe('fetching', () => {
  beforeEach(() => {
    want(large)
    opened(large.list as ContentRef, 1, 0)
  })

  it('asks a neighbour only for what it says it has, in runs, and each chunk once', () => {
    const link = stage.meet(bob)
    opened(large, 10)
    const asked = fetches(have(link, large, 10, 2, 3, 4, 8)).flatMap(({ run }) =>
      all(run.count).map((at) => run.first + at),
    )
    expect(asked.toSorted((a, b) => a - b)).toEqual([2, 3, 4, 8])
  })

  it('asks several neighbours at once, and none of them for the same chunk', () => {
    const links = [stage.meet(bob), stage.meet(carol)]
    opened(large, 10)
    const runs = [
      ...fetches(have(links[0] as LinkId, large, 10, 0, 1, 2, 3, 4)),
      ...fetches(have(links[1] as LinkId, large, 10)),
    ]
    const asked = runs.flatMap(({ run }) => all(run.count).map((at) => run.first + at))
    expect(asked.toSorted((a, b) => a - b)).toEqual(all(10))
    expect(new Set(runs.map(({ link }) => link))).toEqual(new Set(links))
  })

  it('keeps no more under way on a link than its credit: megabytes on the LAN', () => {
    const huge: ContentRef = { ...large, digest: digestOf('huge'), length: 64_000_000 }
    const link = stage.meet(bob)
    want(huge)
    opened(huge, 2_000)
    const runs = fetches(have(link, huge, 2_000))
    const bytes = runs.reduce((sum, { run }) => sum + run.count, 0) * 32_000
    expect(bytes).toBeGreaterThan(lanCreditBytes / 2)
    expect(bytes).toBeLessThanOrEqual(lanCreditBytes + 32_000)
    expect(Math.max(...runs.map(({ run }) => run.count))).toBeLessThanOrEqual(runChunksMax)
  })

  it('and little on a line before its rate is known', () => {
    stage = new Stage(site, site.person('relay', { role: 'relay' }))
    stage.start()
    const huge: ContentRef = { digest: digestOf('huge'), length: 64_000_000 }
    const link = stage.meet(site.origin, { direction: 'out', address: far })
    want(huge)
    opened(huge, 2_000)
    const runs = fetches(have(link, huge, 2_000))
    expect(runs.reduce((sum, { run }) => sum + run.count, 0) * 32_000).toBeLessThanOrEqual(wanCreditBytesMin + 32_000)
    expect(runs[0]?.run.first).toBe(0)
  })

  it('goes outside only while we act', () => {
    const link = stage.meet(site.origin, { direction: 'out', address: far })
    stage.meet(bob, { acting: true, reach: true })
    opened(large, 10)
    expect([told(link), fetches(have(link, large, 10))]).toEqual([[], []])
  })

  it('ends with the news to whoever asked, and with no further interest', () => {
    const [link, other] = [stage.meet(bob), stage.meet(carol)]
    stage.say(other, { t: 'want', contents: [large.digest] })
    opened(large, 10, ...all(8))
    expect(told(other)[0]).toMatchObject({ t: 'have', chunks: 10 })
    const [run] = fetches(have(link, large, 10))
    chunk(run?.fetch ?? 0, 8)
    expect(told(other, stage.pass(haveMs))).toEqual([{ t: 'more', content: large.digest, runs: [[8, 1]] }])
    const last = chunk(run?.fetch ?? 0, 9)
    expect(told(other, last).slice(-1)).toEqual([{ t: 'have', content: large.digest, chunks: 10 }])
    expect(told(link, last)).toEqual([{ t: 'unwant', contents: [large.digest] }])
  })

  it('of a chunk that fails here is asked of another at once', () => {
    const links = [stage.meet(bob), stage.meet(carol)] as [LinkId, LinkId]
    opened(large, 1)
    const [first] = fetches(have(links[0], large, 1))
    have(links[1], large, 1)
    const again = fetches(ended(first?.fetch ?? 0, 'failed'))
    expect(again.map(({ link }) => link)).toEqual([links[1]])
  })

  it('leaves who denied alone for a moment, asks anew what it has, and goes on when it says so', () => {
    const link = stage.meet(bob)
    opened(large, 1)
    const [first] = fetches(have(link, large, 1))
    expect(fetches(ended(first?.fetch ?? 0, 'denied'))).toEqual([])
    expect(told(link, stage.pass(pauseMs - 1))).toEqual([])
    expect(told(link, stage.pass(1))).toEqual([{ t: 'want', contents: [large.digest] }])
    expect(fetches(have(link, large, 1))).toHaveLength(1)
  })

  it('of the only one who has it goes on after a wrong chunk, and the third wrong one bans', () => {
    const link = stage.meet(bob)
    opened(large, 1)
    for (let time = 0; time < 3; time++) {
      const [fetch] = fetches(have(link, large, 1))
      expect(of('cancel', chunk(fetch?.fetch ?? 0, 0, 'wrong'))).toHaveLength(1)
      ended(fetch?.fetch ?? 0, 'cancelled')
      stage.pass(pauseMs)
    }
    expect(stage.farewell(link).byes).toEqual(['BANNED'])
    const blamed = of('log', stage.effects).filter(({ event }) => event === 'peer.blamed')
    expect(blamed.map(({ fields }) => fields['what'])).toEqual(['CHUNK_WRONG', 'CHUNK_WRONG', 'CHUNK_WRONG'])
  })

  it('does not spin when a pause outlives what it was for', () => {
    const links = [stage.meet(bob), stage.meet(carol)] as [LinkId, LinkId]
    opened(large, 1)
    const [first] = fetches(have(links[0], large, 1))
    have(links[1], large, 1)
    const [again] = fetches(ended(first?.fetch ?? 0, 'denied'))
    chunk(again?.fetch ?? 0, 0)
    expect(completed.length + of('send', stage.effects).length).toBeGreaterThan(0)
    stage.pass(pauseMs + 1)
    expect([isSpinning(), told(links[0], stage.pass(60_000))]).toEqual([false, []])
  })

  it('stops for a while where the disk is full, and blames nobody', () => {
    const link = stage.meet(bob)
    opened(large, 10)
    const [fetch] = fetches(have(link, large, 10))
    chunk(fetch?.fetch ?? 0, fetch?.run.first ?? 0, 'unstored')
    const quiet = [...ended(fetch?.fetch ?? 0, 'failed'), ...have(link, large, 10), ...stage.pass(openAgainMs - 1)]
    expect([fetches(quiet), of('open', quiet)]).toEqual([[], []])
    expect(of('open', stage.pass(1)).map(({ ref }) => ref)).toEqual([large])
    expect(told(link, opened(large, 10))).toEqual([{ t: 'want', contents: [large.digest] }])
    expect(fetches(have(link, large, 10)).length).toBeGreaterThan(0)
  })

  it('forgets what a neighbour had when its link is gone', () => {
    const link = stage.meet(bob)
    opened(large, 1)
    const [first] = fetches(have(link, large, 1))
    stage.lose(link)
    ended(first?.fetch ?? 0, 'failed')
    const other = stage.meet(carol)
    expect(fetches(have(other, large, 1)).map((fetch) => fetch.link)).toEqual([other])
    expect(isSpinning()).toBe(false)
  })
})

describe('serving', () => {
  it('begins with the first chunk that is here, and never goes beyond what is', () => {
    const link = stage.meet(bob)
    want(large)
    opened(large.list as ContentRef, 1, 0)
    opened(large, 10, 3, 4)
    const answer = (first: number, count: number): string => {
      const [effect] = stage.feed({ type: 'asked', link, ask: 1, run: { content: large.digest, first, count } })
      return effect?.type === 'deny' ? effect.code : (effect?.type ?? '')
    }
    expect([answer(3, 2), answer(3, 3), answer(2, 1), answer(3, 0), answer(0, runChunksMax + 1)]).toEqual([
      'serve',
      'NOT_HERE',
      'NOT_HERE',
      'NOT_HERE',
      'NOT_HERE',
    ])
  })
})

describe('what a neighbour says it has', () => {
  it('of another number of chunks than there are is held against it', () => {
    const link = stage.meet(bob)
    want(small)
    opened(small, 1)
    const effects = have(link, small, 2)
    expect(of('log', effects).map(({ fields }) => fields['what'])).toEqual(['HAVE_WRONG'])
    expect(fetches(effects)).toEqual([])
  })

  it('of contents that we have or never asked for is not kept', () => {
    const link = stage.meet(bob)
    stage.feed({ type: 'added', refs: [small] })
    opened(small, 1, 0)
    have(link, small, 1)
    stage.say(link, { t: 'more', content: small.digest, runs: [[0, 1]] })
    expect(stage.member.protocol.exchange.content(small.digest)?.offers.size).toBe(0)
    expect(have(link, { digest: digestOf('unknown'), length: 5 }, 1)).toEqual([])
  })

  it('is told to subscribers as a bitmap where it is too scattered for runs', () => {
    const count = 2 * runsPerMessageMax + 4
    const huge: ContentRef = { ...small, digest: digestOf('huge'), length: count * 1_000 }
    const [link, other] = [stage.meet(bob), stage.meet(carol)]
    stage.say(other, { t: 'want', contents: [huge.digest] })
    want(huge)
    opened(huge, count)
    have(link, huge, count)
    const odd = fetches(stage.effects).flatMap(({ fetch, run }) =>
      all(run.count).map((at) => ({ fetch, index: run.first + at })),
    )
    let effects: MemberEffect[] = []
    const news: number[] = []
    // Every other chunk comes, faster than news are told.
    for (let at = 0; at < odd.length; at++) {
      const { fetch, index } = odd[at] as { fetch: number; index: number }
      if (index % 2 === 0) continue
      news.push(index)
      effects = chunk(fetch, index)
      odd.push(
        ...fetches(effects).flatMap(({ fetch: id, run }) =>
          all(run.count).map((step) => ({ fetch: id, index: run.first + step })),
        ),
      )
    }
    expect(news.length).toBeGreaterThan(100)
    const messages = told(other, stage.pass(haveMs))
    expect(messages).toHaveLength(1)
    expect(messages[0]?.t).toBe(news.length > runsPerMessageMax ? 'have' : 'more')
  })
})

describe('limits', () => {
  it('a neighbour that wants more contents than the limit is told so and closed, not before', () => {
    const link = stage.meet(bob)
    const many = (first: number, count: number): Digest[] => all(count).map((index) => digestOf(`c${first + index}`))
    stage.say(link, { t: 'want', contents: many(0, contentsPerLinkMax) })
    stage.say(link, { t: 'want', contents: many(0, 10) })
    expect(stage.farewell(link).byes).toEqual([])
    stage.say(link, { t: 'want', contents: many(contentsPerLinkMax, 1) })
    expect(stage.farewell(link)).toEqual({ byes: ['TOO_MUCH'], closes: ['TOO_MUCH'] })
  })

  it('we ourselves never want more of a neighbour than that, and go on with the rest as contents come', () => {
    const link = stage.meet(bob)
    const refs = all(contentsPerLinkMax + 5).map((index): ContentRef => ({ digest: digestOf(`c${index}`), length: 10 }))
    for (const ref of refs) {
      want(ref)
      opened(ref, 1)
    }
    const wanted = (): number =>
      told(link).reduce((sum, message) => sum + (message.t === 'want' ? message.contents.length : 0), 0)
    expect(wanted()).toBe(contentsPerLinkMax)
    for (const ref of refs.slice(0, 3)) {
      const [fetch] = fetches(have(link, ref, 1))
      chunk(fetch?.fetch ?? 0, 0)
      ended(fetch?.fetch ?? 0, 'done')
    }
    expect(wanted()).toBe(contentsPerLinkMax + 3)
    stage.lose(link)
    const again = stage.meet(bob)
    expect(told(again)).toHaveLength(1)
  })
})

describe('who acts for a site', () => {
  const isCarrying = (): boolean => {
    const pack = site.release([
      {
        name: 'theirs',
        version: 1,
        manifest: { digest: digestOf('manifest'), length: 100 },
        custom: { select: { labels: { role: 'web' } } },
      },
    ])
    stage.feed({ type: 'metadata', pack })
    return of('open', stage.effects).some(({ ref }) => ref.digest === digestOf('manifest'))
  }

  it('fetches what is meant for others once one of them asks in vain', () => {
    const link = stage.meet(bob)
    stage.pass(2_000)
    stage.say(link, { t: 'want', contents: [digestOf('something')] })
    expect(isCarrying()).toBe(true)
  })

  it('also where they asked before it acted', () => {
    const link = stage.meet(bob)
    stage.say(link, { t: 'want', contents: [digestOf('something')] })
    stage.pass(2_000)
    expect(isCarrying()).toBe(true)
  })

  it('fetches nothing for others that nobody asks for, nor where it does not act', () => {
    stage.meet(bob)
    stage.pass(2_000)
    expect(isCarrying()).toBe(false)
    stage = new Stage(site, site.person('dave'))
    stage.start()
    const link = stage.meet(carol, { acting: true, reach: true })
    stage.say(link, { t: 'want', contents: [digestOf('something')] })
    stage.pass(2_000)
    expect(isCarrying()).toBe(false)
  })
})

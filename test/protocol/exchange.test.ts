import { beforeEach, describe, expect, it } from 'vitest'
import { type Digest } from '#base/digest.ts'
import type { ContentRef } from '#content/content-ref.ts'
import type { LinkId } from '#protocol/link.ts'
import { haveMs, lanCreditBytesMin, openAgainMs, pauseMs, runChunksMax, wanCreditBytesStart } from '#protocol/params.ts'
import { of, Stage } from '../support/site.ts'
import {
  begin,
  replaceStage,
  site,
  stage,
  bob,
  carol,
  far,
  digestOf,
  small,
  large,
  completed,
  want,
  unwant,
  opened,
  all,
  fetches,
  chunk,
  ended,
  have,
  told,
  isSpinning,
} from '../support/exchange-stage.ts'

beforeEach(begin)

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

describe('a content whose list is gone from the disk', () => {
  it('wants its list anew, and is opened once that is here again', () => {
    const list = large.list as ContentRef
    want(large)
    opened(list, 1, 0)
    stage.effects.splice(0)
    stage.feed({ type: 'open-failed', content: large.digest, code: 'CONTENT_MISSING' })
    expect(of('open', stage.pass(openAgainMs)).map(({ ref }) => ref)).toEqual([list])
    expect(of('open', opened(list, 1, 0)).map(({ ref }) => ref)).toEqual([large])
    expect(isSpinning()).toBe(false)
  })
})

describe('letting go of a content', () => {
  it('that is let go is not told of any more: what came a moment ago would be asked for in vain', () => {
    const [link, other] = [stage.meet(bob), stage.meet(carol)]
    want(small)
    opened(small, 10)
    stage.say(other, { t: 'want', contents: [small.digest] })
    const [run] = fetches(have(link, small, 10))
    chunk(run?.fetch ?? 0, run?.run.first ?? 0)
    unwant(small.digest)
    expect(told(other, stage.pass(10 * haveMs))).toEqual([])
  })

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
    expect(bytes).toBeGreaterThan(lanCreditBytesMin / 2)
    expect(bytes).toBeLessThanOrEqual(lanCreditBytesMin + 32_000)
    expect(Math.max(...runs.map(({ run }) => run.count))).toBeLessThanOrEqual(runChunksMax)
  })

  it('and little on a line before its rate is known', () => {
    replaceStage(new Stage(site, site.person('relay', { role: 'relay' })))
    stage.start()
    const huge: ContentRef = { digest: digestOf('huge'), length: 64_000_000 }
    const link = stage.meet(site.origin, { direction: 'out', address: far })
    want(huge)
    opened(huge, 2_000)
    const runs = fetches(have(link, huge, 2_000))
    expect(runs.reduce((sum, { run }) => sum + run.count, 0) * 32_000).toBeLessThanOrEqual(wanCreditBytesStart + 32_000)
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
    expect(stage.farewell(link).byes).toEqual(['BANNED_WRONG_BYTES'])
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

import { beforeEach, describe, expect, it } from 'vitest'
import { type Digest } from '#base/digest.ts'
import type { ContentRef } from '#content/content-ref.ts'
import type { MemberEffect } from '#member/member.ts'
import { contentsPerLinkMax, haveMs, runChunksMax, runsPerMessageMax } from '#protocol/params.ts'
import { of, Stage } from '../support/site.ts'
import {
  begin,
  replaceStage,
  site,
  stage,
  bob,
  carol,
  digestOf,
  small,
  large,
  want,
  opened,
  all,
  fetches,
  chunk,
  ended,
  have,
  told,
} from '../support/exchange-stage.ts'

beforeEach(begin)

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

describe('contents that were removed', () => {
  it('are neither served nor offered any more, and can be wanted anew; one that is being fetched stays', () => {
    const link = stage.meet(bob)
    stage.feed({ type: 'added', refs: [small] })
    opened(small, 1, 0)
    want(large)
    stage.feed({ type: 'evicted', contents: [small.digest, large.digest, digestOf('unknown')] })
    const ask = { type: 'asked', link, ask: 1, run: { content: small.digest, first: 0, count: 1 } } as const
    expect(of('deny', stage.feed(ask)).map(({ code }) => code)).toEqual(['NOT_HERE'])
    expect(told(link, stage.say(link, { t: 'want', contents: [small.digest] }))).toEqual([])
    expect(stage.member.protocol.exchange.content(large.digest)?.phase).toBe('listing')
    expect(of('open', want(small)).map(({ ref }) => ref)).toEqual([small])
    opened(small, 1, 0)
    expect(of('serve', stage.feed(ask))).toHaveLength(1)
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
    replaceStage(new Stage(site, site.person('dave')))
    stage.start()
    const link = stage.meet(carol, { acting: true, reach: true })
    stage.say(link, { t: 'want', contents: [digestOf('something')] })
    stage.pass(2_000)
    expect(isCarrying()).toBe(false)
  })
})

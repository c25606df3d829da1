import { beforeEach, describe, expect, it } from 'vitest'
import { noBudget, type Budget } from '#protocol/budget.ts'
import type { LinkId } from '#protocol/link.ts'
import { asksHeldPerLinkMax } from '#protocol/params.ts'
import { all, begin, bob, carol, large, opened, replaceStage, site, stage, want } from '../support/exchange-stage.ts'
import { of, Stage } from '../support/site.ts'

beforeEach(begin)

/** A member with all ten chunks of 32,000 bytes, whose neighbours in its own site are served within this limit. */
function servesWithin(rates: Partial<Budget>): { bobs: LinkId; carols: LinkId } {
  replaceStage(new Stage(site, site.person('alice'), { budget: () => ({ ...noBudget, ...rates }) }))
  stage.start()
  const links = { bobs: stage.meet(bob), carols: stage.meet(carol) }
  want(large)
  if (large.list) opened(large.list, 1, 0)
  opened(large, 10, ...all(10))
  return links
}

const asks = (link: LinkId, ask: number, count = 10) =>
  stage.feed({ type: 'asked', link, ask, run: { content: large.digest, first: 0, count } })
const answered = (ask: number, bytes: number, isGone = false) => stage.feed({ type: 'part-served', ask, bytes, isGone })
const shown = (effects: Parameters<typeof of<'serve'>>[1]): string[] =>
  of('serve', effects).map(({ ask, run, part }) => `${ask}: ${run.first}+${run.count} ${part ?? 'whole'}`)

describe('an ask', () => {
  it('without a limit is served at once and whole', () => {
    const { bobs } = servesWithin({ wanUp: 1_000 })
    expect(shown(asks(bobs, 1))).toEqual(['1: 0+10 whole'])
  })

  it('within a limit is served in parts, as the budget allows, and the last part ends it', () => {
    const { bobs } = servesWithin({ lanUp: 64_000 })
    const parts = shown(asks(bobs, 1))
    expect(parts).toEqual(['1: 0+2 more'])
    expect(shown(stage.pass(10_000))).toEqual([])
    for (let rest = 0; rest < 20 && !parts.at(-1)?.endsWith('last'); rest++)
      parts.push(...shown(answered(1, 64_000)), ...shown(stage.pass(1_000)))
    expect(parts.map((part) => Number(/\+(\d+)/.exec(part)?.[1])).reduce((a, b) => a + b)).toBe(10)
    expect(parts.at(-1)).toMatch(/last$/)
    answered(1, 64_000)
    expect(stage.pass(60_000).filter(({ type }) => type === 'serve')).toEqual([])
  })

  it('takes turns with those of others', () => {
    const { bobs, carols } = servesWithin({ lanUp: 32_000 })
    asks(bobs, 1)
    asks(carols, 2)
    answered(1, 64_000)
    const next = shown(stage.pass(1_500))
    expect(next.map((part) => part.slice(0, 2))).toEqual(['2:'])
  })

  it('whose asker is gone, or whose link is, costs nothing more', () => {
    const { bobs, carols } = servesWithin({ lanUp: 32_000 })
    asks(bobs, 1)
    asks(carols, 2)
    stage.lose(carols)
    answered(1, 0, true)
    // What was not sent is there for the next.
    expect(shown(asks(bobs, 3))).toEqual(['3: 0+2 more'])
    stage.lose(bobs)
    expect(of('serve', stage.pass(60_000))).toEqual([])
  })

  it('waits while nothing may pass, and nothing spins', () => {
    const { bobs } = servesWithin({ lanUp: 0 })
    asks(bobs, 1)
    const before = stage.wakes
    expect(of('serve', stage.pass(25_000))).toEqual([])
    expect(stage.wakes - before).toBeLessThan(20)
  })

  it('is denied where as many of its neighbour wait as may', () => {
    const { bobs, carols } = servesWithin({ lanUp: 0 })
    for (let ask = 0; ask < asksHeldPerLinkMax; ask++) expect(of('deny', asks(bobs, ask))).toEqual([])
    expect(of('deny', asks(bobs, 1_000))).toMatchObject([{ code: 'TOO_BUSY' }])
    expect(of('deny', asks(carols, 1_001))).toEqual([])
  })
})

import { beforeEach, describe, expect, it } from 'vitest'
import { noBudget } from '#protocol/budget.ts'
import {
  begin,
  ended,
  fetches,
  have,
  large,
  opened,
  replaceStage,
  site,
  stage,
  want,
} from '../support/exchange-stage.ts'
import { Stage } from '../support/site.ts'

beforeEach(begin)

const rate = 16_000

/** A member whose line is limited, before the origin, which has the ten chunks of 32,000 bytes that it wants; the ask that it makes. */
function asksOutside(): { fetch: number; count: number } {
  const relay = site.person('relay', { role: 'relay' })
  replaceStage(new Stage(site, relay, { budget: () => ({ ...noBudget, wanDown: rate }) }))
  stage.start()
  const origin = stage.meet(site.origin, { direction: 'out', acting: true, reach: true })
  stage.pass(60_000)
  want(large)
  if (large.list) opened(large.list, 1, 0)
  opened(large, 10)
  const [ask] = fetches(have(origin, large, 10))
  return { fetch: ask?.fetch ?? 0, count: ask?.run.count ?? 0 }
}
const room = (): number => stage.member.protocol.budgets.wanDown.room(stage.now)

describe('an ask over a limited line', () => {
  it('is no larger than what may come, and the next one waits', () => {
    const { count } = asksOutside()
    expect(count).toBe(2)
    expect(room()).toBe(0)
    expect(fetches(stage.pass(1_000))).toEqual([])
  })

  it('that brought nothing is given back', () => {
    const { fetch } = asksOutside()
    ended(fetch, 'failed')
    expect(room()).toBeGreaterThan(60_000)
  })

  it('pays for what came: a chunk that came as a patch cost little', () => {
    const { fetch } = asksOutside()
    for (const index of [0, 1]) stage.feed({ type: 'chunk', fetch, index, bytes: 2_000, verdict: 'stored' })
    // What the first two did not cost is asked for at once.
    const next = fetches(stage.effects).slice(1)
    expect(next.map(({ run }) => [run.first, run.count])).toEqual([
      [2, 1],
      [3, 1],
    ])
  })
})

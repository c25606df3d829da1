import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { instant, type Instant } from '#base/time.ts'
import { budgetPlan } from '#node/budget.ts'
import { parseConfig } from '#node/config.ts'

const plan = (text: string) => budgetPlan(parseConfig(text, 'c'))
const at = (text: string): Instant => instant(Date.parse(text))
const shown = (time: Instant | undefined): string | undefined => time && new Date(time).toISOString().slice(0, 16)

const office = `
wan:
  down: 4 Mbit
  up: 1 Mbit
  schedule: [{ days: mon-fri, from: "07:00", to: "19:00", down: 1 Mbit, up: 256 kbit }]
`

describe('the schedule of a budget', () => {
  beforeEach(() => vi.stubEnv('TZ', 'Europe/Berlin'))
  afterEach(() => vi.unstubAllEnvs())

  it('without one is the same for ever, and no limit where none is given', () => {
    expect(plan('')(at('2026-03-06T12:00Z'))).toEqual({
      wanDown: undefined,
      wanUp: undefined,
      lanUp: undefined,
      until: undefined,
    })
    expect(plan('{ wan: { down: 0 }, lan: { up: 80 Mbit } }')(at('2026-03-06T12:00Z'))).toMatchObject({
      wanDown: 0,
      lanUp: 10_000_000,
    })
  })

  it.each([
    ['2026-03-05T05:59Z', 500_000, '2026-03-05T06:00'],
    ['2026-03-05T06:00Z', 125_000, '2026-03-05T18:00'],
    ['2026-03-05T18:00Z', 500_000, '2026-03-06T06:00'],
    // From Friday evening to Monday.
    ['2026-03-06T19:00Z', 500_000, '2026-03-09T06:00'],
    // In summer the same hour of the wall is another hour of the world.
    ['2026-07-06T05:00Z', 125_000, '2026-07-06T17:00'],
  ])('goes by the clock on the wall: at %s it is %i until %s', (time, wanDown, until) => {
    const budget = plan(office)(at(time))
    expect([budget.wanDown, shown(budget.until)]).toEqual([wanDown, until])
  })

  it('is an hour shorter or longer in the night in which the clock is changed', () => {
    const night = plan('wan: { schedule: [{ from: "22:00", to: "06:00", down: 8 Mbit }], down: 1 Mbit }')
    const hoursOf = (evening: string): number => {
      const { wanDown, until } = night(at(evening))
      expect(wanDown).toBe(1_000_000)
      return ((until ?? 0) - at(evening)) / 3_600_000
    }
    expect([hoursOf('2026-03-28T21:00Z'), hoursOf('2026-10-24T20:00Z'), hoursOf('2026-06-10T20:00Z')]).toEqual([
      7, 9, 8,
    ])
  })

  it('reaches past midnight into a day that it does not name', () => {
    const weekend = plan('wan: { schedule: [{ days: "fri-sat,wed", from: "20:00", to: "04:00", up: 0 }] }')
    const upAt = (time: string) => weekend(at(time)).wanUp
    expect(['2026-03-08T02:00Z', '2026-03-08T03:00Z', '2026-03-08T20:00Z', '2026-03-04T20:00Z'].map(upAt)).toEqual([
      0,
      undefined,
      undefined,
      0,
    ])
  })

  it('takes the first of two that overlap, and says until when that is', () => {
    const both = plan(
      'wan: { schedule: [{ from: "12:00", to: "13:00", down: 0 }, { from: "00:00", to: "24:00", down: 8 Mbit }] }',
    )
    const seen = ['2026-03-05T10:00Z', '2026-03-05T11:00Z', '2026-03-05T12:00Z'].map((time) => {
      const { wanDown, until } = both(at(time))
      return [wanDown, shown(until)]
    })
    expect(seen).toEqual([
      [1_000_000, '2026-03-05T11:00'],
      [0, '2026-03-05T12:00'],
      [1_000_000, '2026-03-05T23:00'],
    ])
  })
})

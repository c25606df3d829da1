import { describe, expect, it } from 'vitest'
import { instant } from '#base/time.ts'
import { openingsAhead } from '#policy/ahead.ts'
import type { Window } from '#policy/model.ts'

const at = (text: string) => instant(Date.parse(text))
const nightly: Window = { rule: 'FREQ=DAILY', start: '2026-01-01T02:30', durationMs: 7_200_000, zone: 'Europe/Berlin' }
const shown = (windows: readonly Window[], from: string, count = 2): string[] =>
  openingsAhead(windows, at(from), count).map(
    ({ opens, closes, localOpens, note }) =>
      `${new Date(opens).toISOString().slice(5, 16)} ${new Date(closes).toISOString().slice(11, 16)} ${localOpens.slice(11, 16)}${note ? ` ${note.slice(0, 5)}` : ''}`,
  )

describe('openings ahead', () => {
  it('are moved in the night that has no 02:30, and say so', () => {
    expect(shown([nightly], '2026-03-28T12:00Z')).toEqual(['03-29T01:30 03:30 03:30 moved', '03-30T00:30 02:30 02:30'])
  })

  it('open at the first 02:30 of the night that has two, and say so', () => {
    expect(shown([nightly], '2026-10-24T12:00Z')).toEqual(['10-25T00:30 02:30 02:30 this ', '10-26T01:30 03:30 02:30'])
  })

  it('tell of a clock that changes while they are open', () => {
    const early = { ...nightly, start: '2026-01-01T01:30' }
    expect(shown([early], '2026-03-28T12:00Z', 1)).toEqual(['03-29T00:30 02:30 01:30 the c'])
    expect(shown([early], '2026-10-24T12:00Z', 1)).toEqual(['10-24T23:30 01:30 01:30 the c'])
  })

  it('begin with the one that is open, join what overlaps, and end where none opens again', () => {
    const once: Window = { start: '2026-05-01T06:00', durationMs: 7_200_000, zone: 'UTC' }
    const overlapping = { ...once, start: '2026-05-01T07:00' }
    expect(shown([once, overlapping], '2026-05-01T06:30Z', 9)).toEqual(['05-01T06:00 09:00 06:00'])
    expect(shown([once], '2026-05-01T08:00Z', 9)).toEqual([])
    expect(shown([], '2026-05-01T08:00Z', 9)).toEqual([])
  })

  it('are one where a window has no end, and as many as asked for where it has', () => {
    const endless = { ...nightly, rule: 'FREQ=HOURLY' }
    expect(openingsAhead([endless], at('2026-05-01T06:30Z'), 9).length).toBeLessThanOrEqual(9)
    expect(openingsAhead([nightly], at('2026-05-01T06:30Z'), 40)).toHaveLength(40)
  })
})

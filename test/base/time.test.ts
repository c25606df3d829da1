import { describe, expect, it } from 'vitest'
import { Misconfigured } from '#base/errors.ts'
import {
  after,
  day,
  durationOf,
  earliest,
  fromDate,
  hour,
  instant,
  minute,
  parseDuration,
  second,
  since,
  toDate,
  toTimestamp,
} from '#base/time.ts'

describe('a duration', () => {
  it.each([
    ['250ms', 250],
    ['60s', 60_000],
    ['15m', 15 * minute],
    ['1.5h', 90 * minute],
    ['7d', 7 * day],
    ['2w', 14 * day],
    ['0s', 0],
    ['PT3H', 3 * hour],
    ['PT1.5S', 1500],
    ['P1DT12H', 36 * hour],
    ['P2W', 14 * day],
    ['PT1H30M15S', hour + 30 * minute + 15 * second],
  ])('is read from %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each(['', '5', 's', '-5s', '+5s', '5 s', '5S', '1e3s', 'P', 'PT', 'P1DT', 'P1M', 'P1Y', 'pt3h', 'PT3H ', 'soon'])(
    'is not read from "%s"',
    (text) => {
      expect(parseDuration(text)).toBeUndefined()
    },
  )

  it('that an operator wrote wrongly is refused by DURATION_INVALID, naming the setting and what to write', () => {
    expect(durationOf('90s', '--ttl')).toBe(90 * second)
    const wrong = (): unknown => durationOf('next week', '--ttl')
    expect(wrong).toThrow(Misconfigured)
    expect(wrong).toThrow(
      expect.objectContaining({
        code: 'DURATION_INVALID',
        where: '--ttl',
        exitCode: 2,
        next: expect.stringContaining('7d'),
      }),
    )
  })
})

describe('a date', () => {
  const newYear = instant(Date.UTC(2026, 0, 31, 12, 30, 5))

  it('of signed metadata has one spelling, in UTC and without fractions, and comes back as it went', () => {
    expect(toDate(newYear)).toBe('2026-01-31T12:30:05Z')
    expect(fromDate(toDate(newYear))).toBe(newYear)
    expect(toDate(instant(newYear + 999))).toBe('2026-01-31T12:30:05Z')
  })

  it('in documents keeps its milliseconds', () => {
    expect(toTimestamp(instant(newYear + 7))).toBe('2026-01-31T12:30:05.007Z')
  })

  it.each([
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-31T24:00:00Z',
    '2026-01-31T12:30:60Z',
    '2026-01-31T12:30:05.000Z',
    '2026-01-31T12:30:05+00:00',
    '2026-01-31t12:30:05z',
    '2026-01-31',
    ' 2026-01-31T12:30:05Z',
    '',
  ])('of signed metadata is not read from "%s"', (text) => {
    expect(fromDate(text)).toBeUndefined()
  })
})

describe('instants', () => {
  it('and durations add and subtract', () => {
    expect(after(instant(1000), 500)).toBe(1500)
    expect(since(instant(1000), instant(1500))).toBe(500)
  })

  it('yield the earliest one that is set, also where that is the year 1970, and none of none', () => {
    expect(earliest(instant(5), undefined, instant(3), instant(4))).toBe(3)
    expect(earliest(undefined, instant(0), instant(4))).toBe(0)
    expect(earliest(undefined, undefined)).toBeUndefined()
    expect(earliest()).toBeUndefined()
  })
})

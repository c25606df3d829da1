import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from '#base/errors.ts'
import { instant } from '#base/time.ts'
import { readWindows, windowState } from '#policy/window.ts'
import type { Window } from '#policy/model.ts'

const hour = 3_600_000
const at = (text: string): ReturnType<typeof instant> => instant(Date.parse(text))
const iso = (time: number | undefined): string | undefined =>
  time === undefined ? undefined : new Date(time).toISOString().slice(0, 16)
/** `open opens closes` at a time, in UTC. */
function seen(windows: readonly Window[], now: string): string {
  const { open, opens, closes } = windowState(windows, at(now))
  return [open ? 'open' : 'shut', iso(opens), iso(closes)].filter(Boolean).join(' ')
}
function codeOfThrow(act: () => unknown): string {
  try {
    act()
    return 'none'
  } catch (error) {
    return codeOf(error) ?? String(error)
  }
}
const weekly = (start: string, zone: string, hours = 1): Window[] => [
  { rule: 'FREQ=WEEKLY', start, durationMs: hours * hour, zone },
]

describe('a weekly window at 02:30 in Berlin', () => {
  const night = weekly('2026-03-01T02:30', 'Europe/Berlin')

  it('is open from its opening on and shut from its closing on', () => {
    expect(seen(night, '2026-03-08T01:29:59Z')).toBe('shut 2026-03-08T01:30 2026-03-08T02:30')
    expect(seen(night, '2026-03-08T01:30:00Z')).toBe('open 2026-03-08T01:30 2026-03-08T02:30')
    expect(seen(night, '2026-03-08T02:29:59Z')).toBe('open 2026-03-08T01:30 2026-03-08T02:30')
    expect(seen(night, '2026-03-08T02:30:00Z')).toBe('shut 2026-03-15T01:30 2026-03-15T02:30')
  })

  it('opens at 03:30+02:00 in the night that has no 02:30', () => {
    expect(seen(night, '2026-03-28T12:00:00Z')).toBe('shut 2026-03-29T01:30 2026-03-29T02:30')
    expect(seen(night, '2026-03-29T01:29:00Z')).toBe('shut 2026-03-29T01:30 2026-03-29T02:30')
    expect(seen(night, '2026-03-29T01:31:00Z')).toBe('open 2026-03-29T01:30 2026-03-29T02:30')
  })

  it('opens once, at 02:30+02:00, in the night that has 02:30 twice', () => {
    expect(seen(night, '2026-10-24T12:00:00Z')).toBe('shut 2026-10-25T00:30 2026-10-25T01:30')
    expect(seen(night, '2026-10-25T01:30:00Z')).toBe('shut 2026-11-01T01:30 2026-11-01T02:30')
  })

  it('did not open before its start', () => {
    expect(seen(night, '2026-02-22T01:45:00Z')).toBe('shut 2026-03-01T01:30 2026-03-01T02:30')
    expect(seen(night, '1970-01-01T00:00:00Z')).toBe('shut 2026-03-01T01:30 2026-03-01T02:30')
  })
})

describe('a window', () => {
  it('across the change of the clock lasts its exact duration', () => {
    const autumn: Window[] = [{ start: '2026-10-25T01:00', durationMs: 3 * hour, zone: 'Europe/Berlin' }]
    expect(seen(autumn, '2026-10-25T00:00:00Z')).toBe('open 2026-10-24T23:00 2026-10-25T02:00')
    const spring: Window[] = [{ start: '2026-03-29T01:00', durationMs: 3 * hour, zone: 'Europe/Berlin' }]
    expect(seen(spring, '2026-03-29T01:00:00Z')).toBe('open 2026-03-29T00:00 2026-03-29T03:00')
  })

  it('in Asia/Kolkata opens half an hour beside the hours of UTC', () => {
    expect(seen(weekly('2026-01-03T02:00', 'Asia/Kolkata'), '2026-06-01T00:00:00Z')).toBe(
      'shut 2026-06-05T20:30 2026-06-05T21:30',
    )
  })

  it('without rule opens once and never again', () => {
    const once: Window[] = [{ start: '2026-01-03T02:00', durationMs: hour, zone: 'UTC' }]
    expect(seen(once, '2026-01-03T02:00:00Z')).toBe('open 2026-01-03T02:00 2026-01-03T03:00')
    expect(seen(once, '2026-01-03T03:00:00Z')).toBe('shut')
  })

  it('with a COUNT or UNTIL that is over never opens again', () => {
    const over = (rule: string): Window[] => [
      { rule, start: '2026-01-01T00:00', durationMs: hour, zone: 'Europe/Berlin' },
    ]
    expect(seen(over('FREQ=DAILY;COUNT=3'), '2026-01-02T12:00:00Z')).toBe('shut 2026-01-02T23:00 2026-01-03T00:00')
    expect(seen(over('FREQ=DAILY;COUNT=3'), '2026-01-03T12:00:00Z')).toBe('shut')
    expect(seen(over('FREQ=DAILY;UNTIL=20260102'), '2026-01-02T12:00:00Z')).toBe('shut')
  })

  it('with UNTIL in UTC ends there by the clock of UTC, not of its zone', () => {
    const last = (until: string): string =>
      seen(
        [{ rule: `FREQ=DAILY;UNTIL=${until}`, start: '2026-01-01T00:30', durationMs: hour, zone: 'Europe/Berlin' }],
        '2026-01-02T12:00:00Z',
      )
    expect(last('20260102T233000Z')).toBe('shut 2026-01-02T23:30 2026-01-03T00:30')
    expect(last('20260102T232959Z')).toBe('shut')
    expect(last('20260103')).toBe('shut 2026-01-02T23:30 2026-01-03T00:30')
  })

  it('with an exception does not open then', () => {
    const [window] = weekly('2026-01-03T02:00', 'UTC')
    const windows = window ? [{ ...window, except: ['2026-01-10T02:00', '2026-01-17T02:00:00'] }] : []
    expect(seen(windows, '2026-01-04T00:00:00Z')).toBe('shut 2026-01-24T02:00 2026-01-24T03:00')
    expect(seen(windows, '2026-01-10T02:30:00Z')).toBe('shut 2026-01-24T02:00 2026-01-24T03:00')
  })

  it('on patch Tuesday opens on the second Tuesday', () => {
    const windows: Window[] = [
      { rule: 'FREQ=MONTHLY;BYDAY=TU;BYSETPOS=2', start: '2026-01-01T22:00', durationMs: hour, zone: 'UTC' },
    ]
    expect(seen(windows, '2026-02-01T00:00:00Z')).toBe('shut 2026-02-10T22:00 2026-02-10T23:00')
  })
})

describe('several windows', () => {
  const window = (start: string, hours: number): Window => ({ start, durationMs: hours * hour, zone: 'UTC' })

  it('are open where one of them is, and none at all is always open', () => {
    expect(seen([], '2026-01-01T00:00:00Z')).toBe('open')
    const two = [window('2026-01-01T00:00', 1), window('2026-01-01T06:00', 1)]
    expect(seen(two, '2026-01-01T06:30:00Z')).toBe('open 2026-01-01T06:00 2026-01-01T07:00')
    expect(seen(two, '2026-01-01T03:00:00Z')).toBe('shut 2026-01-01T06:00 2026-01-01T07:00')
  })

  it('that overlap or touch are one, from the first opening to the last closing', () => {
    const three = [window('2026-01-01T02:00', 2), window('2026-01-01T00:00', 3), window('2026-01-01T04:00', 1)]
    for (const now of ['00:00', '02:30', '03:30', '04:59'])
      expect(seen([...three], `2026-01-01T${now}:00Z`)).toBe('open 2026-01-01T00:00 2026-01-01T05:00')
    expect(seen(three, '2025-12-31T00:00:00Z')).toBe('shut 2026-01-01T00:00 2026-01-01T05:00')
    expect(seen(three, '2026-01-01T05:00:00Z')).toBe('shut')
  })

  it('of which a short one lies in a long one close with the long one', () => {
    const nested = [window('2026-01-01T00:00', 10), window('2026-01-01T05:00', 1)]
    expect(seen(nested, '2026-01-01T08:00:00Z')).toBe('open 2026-01-01T00:00 2026-01-01T10:00')
  })

  it('without end stay open, and say when to ask again', () => {
    const always: Window[] = [
      { rule: 'FREQ=DAILY', start: '2026-01-01T00:00', durationMs: 24 * hour, zone: 'Europe/Berlin' },
    ]
    for (const now of ['2026-03-29T00:30:00Z', '2026-06-01T12:00:00Z', '2026-10-25T12:00:00Z']) {
      const state = windowState(always, at(now))
      expect(state.open).toBe(true)
      expect(state.closes).toBeGreaterThan(at(now))
    }
  })

  it('answer the same whatever was asked before', () => {
    const make = (): Window[] => [
      { rule: 'FREQ=HOURLY;BYMINUTE=0,40', start: '2026-03-28T20:00', durationMs: 0.75 * hour, zone: 'Europe/Berlin' },
      { rule: 'FREQ=DAILY', start: '2026-03-28T02:30', durationMs: 2 * hour, zone: 'Europe/Berlin' },
    ]
    const asked = make()
    fc.assert(
      fc.property(fc.integer({ min: at('2026-03-27T00:00:00Z'), max: at('2026-03-31T00:00:00Z') }), (now) => {
        expect(windowState(asked, instant(now))).toEqual(windowState(make(), instant(now)))
      }),
      { seed: 1, numRuns: 60 },
    )
  })
})

describe('the windows in signed metadata', () => {
  const window = { rule: 'FREQ=DAILY', start: '2026-01-03T02:00', durationMs: hour, zone: 'UTC' }

  it('are read as they were written', () => {
    const windows = [window, { start: '2026-01-03T02:00', durationMs: hour, zone: 'UTC', except: [] }]
    expect(readWindows(JSON.parse(JSON.stringify(windows)))).toEqual(windows)
  })

  it.each([
    ['no list', { windows: [] }],
    ['too many', Array.from({ length: 33 }, () => window)],
    ['an unknown member', [{ ...window, open: true }]],
    ['no duration', [{ ...window, durationMs: undefined }]],
    ['a duration of a year', [{ ...window, durationMs: 365 * 24 * hour }]],
    ['a rule of each second', [{ ...window, rule: 'FREQ=SECONDLY' }]],
    ['a rule with a line break', [{ ...window, rule: 'FREQ=DAILY\nDTSTART:19700101T000000Z' }]],
    ['a rule that never opens', [{ ...window, rule: 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30' }]],
    ['a start that is none', [{ ...window, start: 'tomorrow' }]],
    ['a zone that is none', [{ ...window, zone: '+02:00' }]],
    ['an exception that is none', [{ ...window, except: ['x'] }]],
  ])('of %s are refused', (_, value) => {
    expect(() => readWindows(value)).toThrowError(expect.objectContaining({ name: 'Refused', code: 'WINDOWS_INVALID' }))
  })

  it('that were read never make a throw, at any time', () => {
    const part = fc.constantFrom(
      'COUNT=5',
      'INTERVAL=999',
      'BYDAY=-1SU',
      'BYMONTHDAY=-31',
      'BYWEEKNO=53',
      'BYYEARDAY=366',
      'BYHOUR=2,3',
      'BYSETPOS=-1',
      'UNTIL=20270101',
      'WKST=SU',
    )
    const rules = fc
      .tuple(fc.constantFrom('HOURLY', 'DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY'), fc.uniqueArray(part, { maxLength: 2 }))
      .map(([frequency, parts]) => [`FREQ=${frequency}`, ...parts].join(';'))
    const times = fc.oneof(
      fc.integer(),
      fc.double({ noNaN: true }),
      fc.constantFrom(8.64e15, -8.64e15, Number.MAX_SAFE_INTEGER),
    )
    fc.assert(
      fc.property(rules, times, (rule, now) => {
        const attempt = (): unknown => windowState(readWindows([{ ...window, rule }]), instant(now))
        expect(codeOfThrow(attempt)).toMatch(/^(?:none|WINDOWS_INVALID)$/)
      }),
      { seed: 3, numRuns: 60 },
    )
  })
})

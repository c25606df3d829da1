import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { instant } from '#base/time.ts'
import { latestOpening, nextOpening, openingFaults, wallOf } from '#policy/opening.ts'
import { windowState } from '#policy/window.ts'
import type { Window } from '#policy/model.ts'

const hour = 3_600_000
const day = 24 * hour

/** An oracle without the calendar libraries: wall-clock time of a zone by Intl, openings by counting hours. */
const formats = new Map<string, Intl.DateTimeFormat>()
function wallIn(zone: string, time: number): number {
  let format = formats.get(zone)
  if (!format) {
    const two = { month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' } as const
    format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, year: 'numeric', ...two })
    formats.set(zone, format)
  }
  return Date.parse(`${format.format(time).replace(' ', 'T')}Z`)
}
function exactIn(zone: string, wall: number): number {
  const candidates = [-day, day].map((shift) => wall - (wallIn(zone, wall + shift) - (wall + shift)))
  const fitting = candidates.filter((time) => wallIn(zone, time) === wall)
  return fitting.length > 0 ? Math.min(...fitting) : (candidates[0] ?? wall)
}
const steps: Readonly<Record<string, { hours: number; days?: readonly number[] }>> = {
  'FREQ=DAILY': { hours: 24 },
  'FREQ=DAILY;INTERVAL=3': { hours: 72 },
  'FREQ=HOURLY;INTERVAL=7': { hours: 7 },
  'FREQ=HOURLY': { hours: 1 },
  'FREQ=WEEKLY;BYDAY=SA,SU': { hours: 24, days: [0, 6] },
}
function openingsOf(window: Window, until: number): number[] {
  const { hours, days } = steps[window.rule ?? ''] ?? { hours: 24 }
  const openings: number[] = []
  for (let wall = wallOf(window.start) ?? 0; wall < until + day; wall += hours * hour)
    if (!days || days.includes(new Date(wall).getUTCDay())) openings.push(exactIn(window.zone, wall))
  return openings.sort((a, b) => a - b)
}

/** Zones, and a change of their clocks in 2026 to look around. */
const changes: Readonly<Record<string, string>> = {
  'Europe/Berlin': '2026-03-29T01:00Z',
  'America/New_York': '2026-03-08T07:00Z',
  'Australia/Lord_Howe': '2026-04-04T15:00Z',
  'Africa/Casablanca': '2026-03-22T02:00Z',
  'Asia/Kolkata': '2026-04-01T00:00Z',
}
const windowIn = (zone: string): fc.Arbitrary<Window> =>
  fc.record({
    rule: fc.constantFrom(...Object.keys(steps)),
    start: fc.constantFrom('2026-03-01T02:30', '2026-03-07T01:45', '2026-02-01T23:00', '2026-03-05T02:00'),
    durationMs: fc.integer({ min: 1, max: 60 }).map((halves) => (halves * hour) / 2),
    zone: fc.constant(zone),
  })
const timeIn = (zone: string): fc.Arbitrary<number> =>
  fc.oneof(
    fc.integer({ min: -120, max: 120 }).map((minutes) => Date.parse(changes[zone] ?? '') + minutes * 60_000),
    fc.integer({ min: Date.parse('2026-02-01T00:00Z'), max: Date.parse('2026-05-01T00:00Z') }),
  )
const zone = fc.constantFrom(...Object.keys(changes))
const until = Date.parse('2026-06-15T00:00Z')

describe('openings', () => {
  it('are those that counting finds, before and after any time, in any zone', () => {
    fc.assert(
      fc.property(
        zone.chain((name) => fc.tuple(windowIn(name), timeIn(name))),
        ([window, now]) => {
          const openings = openingsOf(window, until)
          expect(latestOpening(window, instant(now))).toBe(openings.findLast((time) => time <= now))
          expect(nextOpening(window, instant(now))).toBe(openings.find((time) => time > now))
        },
      ),
      { seed: 5, numRuns: 300 },
    )
  })

  it('at their own millisecond are the latest, not the next', () => {
    const window = { rule: 'FREQ=DAILY', start: '2026-01-01T02:00', durationMs: hour, zone: 'UTC' }
    const opening = instant(Date.parse('2026-01-05T02:00Z'))
    expect(latestOpening(window, opening)).toBe(opening)
    expect(nextOpening(window, opening)).toBe(opening + day)
    expect(latestOpening(window, instant(opening - 1))).toBe(opening - day)
  })

  it('that change places in a night without them are told in the order of the night (Lord Howe, 4 October 2026)', () => {
    const rule = 'FREQ=DAILY;BYHOUR=2;BYMINUTE=15,35'
    const window = { rule, start: '2026-10-01T02:15', durationMs: hour, zone: 'Australia/Lord_Howe' }
    const [first, second] = ['2026-10-03T15:35Z', '2026-10-03T15:45Z'].map((time) => instant(Date.parse(time)))
    expect(nextOpening(window, instant(Date.parse('2026-10-03T15:00Z')))).toBe(first)
    expect(nextOpening(window, first ?? instant(0))).toBe(second)
    expect(latestOpening(window, instant((second ?? 0) - 1))).toBe(first)
  })

  it('on a day that a zone left out are on the next one (Samoa, 30 December 2011)', () => {
    const window = { start: '2011-12-30T02:00', durationMs: hour, zone: 'Pacific/Apia' }
    expect(nextOpening(window, instant(Date.parse('2011-12-30T09:00Z')))).toBe(Date.parse('2011-12-30T12:00Z'))
    expect(latestOpening(window, instant(Date.parse('2011-12-30T12:30Z')))).toBe(Date.parse('2011-12-30T12:00Z'))
  })
})

const several = fc.array(zone.chain(windowIn), { minLength: 1, maxLength: 3 })

describe('the union of windows', () => {
  it('is the one that merging all openings finds', () => {
    fc.assert(
      fc.property(several, zone.chain(timeIn), (list, now) => {
        const spans = list
          .flatMap((window) =>
            openingsOf(window, until).map((opens) => ({ opens, closes: opens + window.durationMs, count: 1 })),
          )
          .sort((a, b) => a.opens - b.opens)
        const merged: typeof spans = []
        for (const span of spans) {
          const last = merged.at(-1)
          if (!last || span.opens > last.closes) merged.push({ ...span })
          else Object.assign(last, { closes: Math.max(last.closes, span.closes), count: last.count + 1 })
        }
        const wanted = merged.find(({ closes }) => closes > now) ?? { opens: 0, closes: 0, count: 0 }
        const state = windowState(list, instant(now))
        expect(state.open).toBe(wanted.opens <= now)
        // A union of many openings may be told shorter than it is, but never longer.
        const cut = wanted.count > 32
        expect(state.closes).toSatisfy((closes: number) =>
          cut ? closes > now && closes <= wanted.closes : closes === wanted.closes,
        )
        expect(state.opens).toSatisfy((opens: number) => (cut ? opens >= wanted.opens : opens === wanted.opens))
      }),
      { seed: 6, numRuns: 300 },
    )
  })
})

describe('a faulty window', () => {
  it('tells all its faults at once', () => {
    const faults = openingFaults({
      rule: 'FREQ=X',
      start: '2026-02-29T02:00',
      durationMs: 1,
      zone: 'Mars',
      except: ['x'],
    })
    expect(faults.map(({ field }) => field)).toEqual(['zone', 'start', 'except', 'rule'])
  })

  it.each([
    '2026-1-3T02:00',
    '2026-01-03',
    '2026-01-03T02:00Z',
    '2026-01-03T24:00',
    '2026-02-29T02:00',
    '1969-01-01T00:00',
    '2200-01-01T00:00',
  ])('may start at %s, which is no local time', (start) => {
    expect(wallOf(start)).toBeUndefined()
  })

  it('never opens by an UNTIL that is no date', () => {
    const window = {
      rule: 'FREQ=DAILY;UNTIL=20261399T000000Z',
      start: '2026-01-01T00:00',
      durationMs: hour,
      zone: 'UTC',
    }
    expect(openingFaults(window)[0]).toMatchObject({ field: 'rule' })
  })
})

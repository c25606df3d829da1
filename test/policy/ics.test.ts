import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { windowsOfCalendar } from '#policy/ics.ts'

const calendar = (...events: string[][]): string =>
  [
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    ...events.flatMap((event) => ['BEGIN:VEVENT', ...event, 'END:VEVENT']),
    'END:VCALENDAR',
    '',
  ].join('\r\n')
const windows = (text: string, zone?: string): unknown => {
  const read = windowsOfCalendar(text, zone)
  expect(read.faults).toEqual([])
  return read.windows
}
const hour = 3_600_000

describe('a calendar file', () => {
  it('gives a window for each event: start, zone, rule, duration and exceptions', () => {
    const text = calendar(
      [
        'UID:1',
        'DTSTART;TZID=Europe/Berlin:20260103T020000',
        'DURATION:PT3H',
        'RRULE:FREQ=WEEKLY;BYDAY=SA',
        'EXDATE;TZID=Europe/Berlin:20260110T020000,20260117T020000',
      ],
      ['UID:2', 'DTSTART:20260201T220000Z', 'DTEND:20260202T013000Z'],
    )
    expect(windows(text)).toEqual([
      {
        rule: 'FREQ=WEEKLY;BYDAY=SA',
        start: '2026-01-03T02:00:00',
        durationMs: 3 * hour,
        zone: 'Europe/Berlin',
        except: ['2026-01-10T02:00:00', '2026-01-17T02:00:00'],
      },
      { start: '2026-02-01T22:00:00', durationMs: 3.5 * hour, zone: 'UTC' },
    ])
  })

  it('brings times in UTC into the zone of their event', () => {
    const text = calendar([
      'DTSTART;TZID=Europe/Berlin:20260701T020000',
      'DTEND:20260701T010000Z',
      'RRULE:FREQ=DAILY',
      'EXDATE:20260702T000000Z',
    ])
    expect(windows(text)).toMatchObject([{ durationMs: hour, except: ['2026-07-02T02:00:00'] }])
  })

  it('with times of no zone takes the zone beside it, else that of the calendar, else UTC', () => {
    const event = ['DTSTART:20260103T020000', 'DURATION:PT1H']
    expect(windows(calendar(event), 'Asia/Kolkata')).toMatchObject([{ zone: 'Asia/Kolkata' }])
    expect(windows(calendar(event).replace('VERSION:2.0', 'X-WR-TIMEZONE:Europe/Paris'))).toMatchObject([
      { zone: 'Europe/Paris' },
    ])
    expect(windows(calendar(event))).toMatchObject([{ zone: 'UTC' }])
  })

  it('with a zone of another program finds the IANA name in it, or takes the one beside it', () => {
    const event = (zone: string): string => calendar([`DTSTART;TZID="${zone}":20260103T020000`, 'DURATION:PT1H'])
    expect(windows(event('/example.net/Europe/Berlin'))).toMatchObject([{ zone: 'Europe/Berlin' }])
    expect(windows(event('W. Europe Standard Time'), 'Europe/Berlin')).toMatchObject([{ zone: 'Europe/Berlin' }])
    expect(windowsOfCalendar(event('W. Europe Standard Time'), undefined).faults).toEqual([
      {
        line: 3,
        message: 'There is no time zone "W. Europe Standard Time".',
        next: 'Give the zone beside it: { ics: FILE, zone: Europe/Berlin }.',
      },
    ])
  })

  it('with a moved, a cancelled and an added instance has those changes', () => {
    const text = calendar(
      ['UID:1', 'DTSTART:20260103T020000Z', 'DURATION:PT1H', 'RRULE:FREQ=WEEKLY', 'RDATE:20260105T020000Z'],
      ['UID:1', 'RECURRENCE-ID:20260110T020000Z', 'DTSTART:20260111T020000Z', 'DURATION:PT1H'],
      ['UID:1', 'RECURRENCE-ID:20260117T020000Z', 'DTSTART:20260117T020000Z', 'DURATION:PT1H', 'STATUS:CANCELLED'],
    )
    const moved = ['2026-01-10T02:00:00', '2026-01-17T02:00:00']
    expect(windows(text)).toEqual([
      { rule: 'FREQ=WEEKLY', start: '2026-01-03T02:00:00', durationMs: hour, zone: 'UTC', except: moved },
      { start: '2026-01-05T02:00:00', durationMs: hour, zone: 'UTC', except: moved },
      { start: '2026-01-11T02:00:00', durationMs: hour, zone: 'UTC' },
    ])
  })

  it('with an event of whole days takes them as days', () => {
    expect(windows(calendar(['DTSTART;VALUE=DATE:20260103', 'DTEND;VALUE=DATE:20260105']), 'Europe/Berlin')).toEqual([
      { start: '2026-01-03T00:00:00', durationMs: 48 * hour, zone: 'Europe/Berlin' },
    ])
    expect(windows(calendar(['DTSTART;VALUE=DATE:20260103']))).toMatchObject([{ durationMs: 24 * hour }])
  })

  it.each([
    ['that is none', 'hello', 1, 'This is no calendar'],
    ['without events', calendar(), 1, 'no events'],
    ['with an event without start', calendar(['DURATION:PT1H']), 3, 'DTSTART'],
    ['with an event without end', calendar(['DTSTART:20260103T020000Z']), 3, 'DTEND'],
    [
      'with an event that ends before it begins',
      calendar(['DTSTART:20260103T020000Z', 'DTEND:20260103T010000Z']),
      3,
      'lasts from one minute',
    ],
    [
      'with a rule that a window cannot have',
      calendar(['DTSTART:20260103T020000Z', 'DURATION:PT1H', 'RRULE:FREQ=SECONDLY']),
      3,
      'cannot open secondly',
    ],
    [
      'with too many events',
      calendar(...Array.from({ length: 257 }, () => ['DTSTART:20260103T020000Z', 'DURATION:PT1H'])),
      1,
      'More than 256',
    ],
    ['that is too long', 'x'.repeat(300_000), 1, 'longer than'],
  ])('%s is told with its line', (_, text, line, words) => {
    const { faults } = windowsOfCalendar(text, undefined)
    expect(faults[0]).toMatchObject({ line })
    expect(faults[0]?.message).toContain(words)
  })

  it('of any bytes gives windows or faults, never a throw', () => {
    const lines = fc.constantFrom(
      'DTSTART:20260103T020000Z',
      'DTSTART:x',
      'DTSTART;TZID=:99999999T999999',
      'DURATION:PT1H',
      'DURATION:-P9W',
      'DTEND:0',
      'RRULE:FREQ=',
      'RRULE:FREQ=DAILY;COUNT=-1',
      'EXDATE:x,y',
      'RDATE;VALUE=PERIOD:20260103T020000Z/PT1H',
      'RECURRENCE-ID:x',
      'BEGIN:VEVENT',
      'END:VCALENDAR',
      ':::',
      ' fold',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(lines, fc.string()), { maxLength: 6 }), (event) => {
        const { windows, faults } = windowsOfCalendar(calendar(event), undefined)
        expect(windows.length + faults.length).toBeGreaterThan(0)
      }),
      { seed: 4, numRuns: 300 },
    )
  })
})

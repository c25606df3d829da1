/** A year of windows in two zones, with everything that goes wrong in one. */
import { describe, expect, it } from 'vitest'
import { Random } from '#base/random.ts'
import { day, hour, minute } from '#base/time.ts'
import { spansOf, YearDevice, yearEnd, yearStart, type Plan, type Span } from '../support/year.ts'

/** `days`: of the week, 0 is Sunday. */
interface Rule {
  readonly rule: string
  readonly time: string
  readonly hours: number
  readonly days: readonly number[]
}
const everyDay = [0, 1, 2, 3, 4, 5, 6]
const rules: Readonly<Record<string, readonly Rule[]>> = {
  nightly: [{ rule: 'FREQ=DAILY', time: '02:30', hours: 3, days: everyDay }],
  weekly: [{ rule: 'FREQ=WEEKLY;BYDAY=SU', time: '01:30', hours: 5, days: [0] }],
  joined: [
    { rule: 'FREQ=WEEKLY;BYDAY=SA,SU,WE', time: '23:00', hours: 2, days: [0, 3, 6] },
    { rule: 'FREQ=WEEKLY;BYDAY=SU,MO,TH', time: '00:30', hours: 2, days: [0, 1, 4] },
  ],
}

const formats = new Map<string, Intl.DateTimeFormat>()
/** Milliseconds by which the clock of a zone is ahead of UTC, by Intl alone: not by the library that the windows use. */
function offsetAt(zone: string, time: number): number {
  let format = formats.get(zone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, timeZoneName: 'longOffset' })
    formats.set(zone, format)
  }
  const [, sign = '+', hours = '0', minutes = '0'] = /GMT(?:([+-])(\d\d):(\d\d))?$/.exec(format.format(time)) ?? []
  return (sign === '-' ? -1 : 1) * (Number(hours) * hour + Number(minutes) * minute)
}

/** The real time of a local one; a time that a night has not, or twice, is read by the clock of the day before. */
function realTimeOf(zone: string, local: number): number {
  const before = offsetAt(zone, local - day)
  const early = local - before
  const offset = offsetAt(zone, early)
  return offset !== before && offsetAt(zone, local - offset) === offset ? local - offset : early
}

/** Openings by counting days. */
function openings(name: string, zone: string): Span[] {
  const spans: [number, number][] = []
  for (let date = yearStart - 2 * day; date < yearEnd; date += day)
    for (const { time, hours, days } of rules[name] ?? []) {
      if (!days.includes(new Date(date).getUTCDay())) continue
      const [hourOf = 0, minuteOf = 0] = time.split(':').map(Number)
      const opens = realTimeOf(zone, date + hourOf * hour + minuteOf * minute)
      spans.push([opens, opens + hours * hour])
    }
  spans.sort(([a], [b]) => a - b)
  const joined: [number, number][] = []
  for (const [from, to] of spans) {
    const last = joined.at(-1)
    if (last && from <= last[1]) last[1] = Math.max(last[1], to)
    else joined.push([from, to])
  }
  return joined
}

function planOf(seed: string, zone: string): Plan {
  const random = new Random(seed)
  return {
    bundles: Object.entries(rules).map(([name, list]) => ({
      name,
      custom: {
        windows: list.map(({ rule, time, hours }) => ({
          rule,
          start: `2025-12-01T${time}`,
          durationMs: hours * hour,
          zone,
        })),
        ...(name === 'weekly' && { aheadMs: 3 * day }),
      },
    })),
    off: spansOf(random.stream('off'), 40, hour, 3 * day),
    asleep: spansOf(random.stream('asleep'), 60, hour, 12 * hour),
    cut: spansOf(random.stream('cut'), 40, hour, 4 * day),
    wrong: spansOf(random.stream('wrong'), 20, hour, day).map((span) => ({
      span,
      byMs: random.between(-5 * hour, 5 * hour),
    })),
    published: Array.from({ length: 70 }, () => ({
      at: yearStart + random.below(yearEnd - yearStart - day),
      name: random.pick(Object.keys(rules)) ?? '',
    })),
  }
}

const overlaps = ([from, to]: Span, [a, b]: Span): boolean => a < to && b > from

/** Windows that had a prepared version throughout, on a machine that ran throughout, and whether an apply of it began in them. */
function judged(device: YearDevice, plan: Plan, name: string, zone: string): { held: number; missed: string[] } {
  const disturbed = [...plan.off, ...plan.asleep, ...plan.wrong.map(({ span }) => span)]
  const missed: string[] = []
  let held = 0
  for (const [opens, closes] of openings(name, zone)) {
    const around: Span = [opens - minute, closes + minute]
    if (disturbed.some((span) => overlaps(span, around))) continue
    const current = device.learnt.findLast(({ at, name: of }) => of === name && at < closes)
    if (!current || current.at > opens) continue
    const key = `${name}@${current.version}`
    if ((device.prepared.get(key) ?? Number.POSITIVE_INFINITY) > opens) continue
    if ((device.applied.get(key) ?? Number.POSITIVE_INFINITY) < opens) continue
    const began = device.begun.some(
      (one) => one.name === name && one.version === current.version && one.real >= opens && one.real < closes,
    )
    if (began) held++
    else missed.push(`${key} ${new Date(opens).toISOString()}`)
  }
  return { held, missed }
}

describe.each(['Europe/Berlin', 'America/New_York'])(
  'a year in %s with outages, sleep and clocks that are set',
  (zone) => {
    it.each(['a', 'b', 'c'])(
      'has no apply outside a window and no missed window that had its content (seed %s)',
      (seed) => {
        const plan = planOf(`${zone} ${seed}`, zone)
        const device = new YearDevice(plan, new Random(`${seed} world`))
        device.run()
        let held = 0
        for (const name of Object.keys(rules)) {
          const open = openings(name, zone)
          const outside = device.begun.filter(
            (one) => one.name === name && !open.some(([from, to]) => from <= one.wall && one.wall < to),
          )
          expect(outside.map(({ version, wall }) => `${name}@${version} ${new Date(wall).toISOString()}`)).toEqual([])
          const result = judged(device, plan, name, zone)
          expect(result.missed).toEqual([])
          held += result.held
        }
        expect(held, 'windows that were judged').toBeGreaterThan(15)
        expect(device.missed.size, 'bundles that missed a window and said so').toBeGreaterThan(0)
        expect(device.wakes).toBeLessThan(20_000)
      },
    )
  },
)

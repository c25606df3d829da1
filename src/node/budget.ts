/**
 * The limits of `config.yaml` as a function of time (protocol.md §6). A schedule speaks of the clock on the wall of this machine: each of its
 * spans is turned into two points in time by the zone of the machine, so a span that begins at 07:00 does so in summer and in winter,
 * and on the night of the change it is an hour longer or shorter. A time that the change leaves out is taken an hour later.
 */
import { GuardFailed, fieldsAt, listAt, onlyKeys, own } from '#base/guard.ts'
import { earliest, instant, type Instant } from '#base/time.ts'
import type { Budget, BudgetPlan, Rate } from '#protocol/budget.ts'

export interface ScheduledBudget {
  /** 0 is Sunday. */
  readonly days: readonly number[]
  /** Minutes from midnight; `to` lies on the next day where it is not later. */
  readonly from: number
  readonly to: number
  /** What it does not name stays as it is outside the schedule. Bytes a second, as all rates. */
  readonly down?: Rate
  readonly up?: Rate
}

export interface BudgetSettings {
  readonly wan: { readonly down: Rate; readonly up: Rate; readonly schedule: readonly ScheduledBudget[] }
  readonly lan: { readonly up: Rate }
}

/** A span lasts a day at most, so one that began yesterday may go on; the next one begins within a week. */
const daysAround = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8]

/** The limits at a time; where entries of the schedule overlap, the first one counts. */
export function budgetPlan({ wan, lan }: BudgetSettings): BudgetPlan {
  return (now): Budget => {
    let until: Instant | undefined
    let current: ScheduledBudget | undefined
    for (const entry of wan.schedule)
      for (const [from, to] of spansOf(entry, now)) {
        if (from <= now && now < to) current ??= entry
        for (const edge of [from, to]) if (edge > now) until = earliest(until, edge)
      }
    return { wanDown: current?.down ?? wan.down, wanUp: current?.up ?? wan.up, lanUp: lan.up, until }
  }
}

function spansOf({ days, from, to }: ScheduledBudget, now: Instant): [Instant, Instant][] {
  const today = new Date(now)
  const at = (day: number, minutes: number): Date =>
    new Date(today.getFullYear(), today.getMonth(), today.getDate() + day, 0, minutes)
  return daysAround
    .filter((day) => days.includes(at(day, 12 * 60).getDay()))
    .map((day) => [instant(at(day, from).getTime()), instant(at(day, to > from ? to : to + 24 * 60).getTime())])
}

const bitsOf = { kbit: 1e3, Mbit: 1e6, Gbit: 1e9 }
/** A chunk of 64 KiB in 16 s: an asker gives up after 30 s without one. */
const rateBitsMin = 32_000
const entriesMax = 64
const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const clockPattern = /^(?:([01]?\d|2[0-3]):([0-5]\d)|24:00)$/

/** Bytes a second of a rate such as `4 Mbit`; undefined where none is given. Throws GuardFailed. */
export function rateAt(value: unknown, name: string): Rate {
  if (value === undefined || value === 0) return value
  const [, number, unit] = /^(\d{1,6}(?:\.\d{1,3})?) ?([kMG]bit)$/.exec(typeof value === 'string' ? value : '') ?? []
  const bits = Number(number) * bitsOf[unit as keyof typeof bitsOf]
  if (bits === 0 || bits >= rateBitsMin) return bits / 8
  throw new GuardFailed(name, 'a rate such as 256 kbit or 4 Mbit, of at least 32 kbit, or 0')
}

/** Spans of the week with their rates. Throws GuardFailed. */
export function scheduleAt(value: unknown, name: string): ScheduledBudget[] {
  return listAt(value, name, entriesMax).map((item, index) => {
    const path = `${name}.${index}`
    const fields = fieldsAt(item, path)
    onlyKeys(fields, path, ['days', 'from', 'to', 'down', 'up'])
    const [from, to] = ['from', 'to'].map((key) => clockAt(own(fields, key), `${path}.${key}`)) as [number, number]
    if (from === to) throw new GuardFailed(`${path}.to`, 'another time than "from"; a whole day is from 00:00 to 24:00')
    const [down, up] = ['down', 'up'].map((key) => rateAt(own(fields, key), `${path}.${key}`))
    const days = own(fields, 'days')
    return { days: days === undefined ? [...dayNames.keys()] : daysAt(days, `${path}.days`), from, to, down, up }
  })
}

/** Minutes from midnight. */
function clockAt(value: unknown, path: string): number {
  const found = clockPattern.exec(typeof value === 'string' ? value : '')
  if (!found) throw new GuardFailed(path, 'a time such as "07:00", up to "24:00"')
  return found[1] === undefined ? 24 * 60 : Number(found[1]) * 60 + Number(found[2])
}

/** Days of `mon-fri`, `sat`, `sat,sun` or `fri-mon`. */
function daysAt(value: unknown, path: string): number[] {
  const days = new Set<number>()
  for (const part of (typeof value === 'string' ? value : '').split(',')) {
    const [first = -1, last = first, ...rest] = part.split('-').map((name) => dayNames.indexOf(name.trim()))
    if (first < 0 || last < 0 || rest.length > 0) throw new GuardFailed(path, 'days such as mon-fri or sat,sun')
    for (let day = first; day !== last; day = (day + 1) % 7) days.add(day)
    days.add(last)
  }
  return [...days]
}

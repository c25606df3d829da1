/**
 * When one window opens. The only file that loads the calendar libraries. A rule is expanded in wall-clock time, as if the
 * zone were UTC, and each opening is then placed in the zone: in a night without 02:30 it opens at 03:30, in a night with
 * two it opens at the first (Temporal's "compatible"); RFC 5545 §3.3.10 alone would drop the opening in the night without.
 * Times outside the years 1970 to 2199 have no openings. Nothing here throws on a window that `openingFaults` passes.
 */
import { RRuleTemporal } from 'rrule-temporal'
import { Temporal } from 'temporal-polyfill'
import { messageOf } from '#base/errors.ts'
import { instant } from '#base/time.ts'
import type { Instant } from '#base/time.ts'
import { ruleFault } from './rule.ts'
import { nearest } from './suggestion.ts'
import type { RuleFault } from './rule.ts'
import type { Window } from './model.ts'

export interface OpeningFault extends RuleFault {
  readonly field: 'start' | 'zone' | 'rule' | 'except'
}

/** Wall-clock time as milliseconds, as if the zone were UTC. */
type Wall = number

interface Course {
  readonly rule: RRuleTemporal
  readonly zone: string
  readonly except: ReadonlySet<Wall>
}

const localTime = /^(?:19[7-9]\d|20\d\d|21\d\d)-\d\d-\d\dT\d\d:\d\d(?::\d\d)?$/
const zoneName = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/
const timeMin = Date.UTC(1970, 0, 3)
const timeMax = Date.UTC(2199, 11, 1)
/** Openings looked at for one answer. One or two do, but for those within a change of the clock. */
const stepsMax = 4000

/** Made once per window, because reading a rule costs more than asking it. */
const courses = new WeakMap<Window, Course>()

/** The latest opening at or before `time`; undefined where there is none. */
export function latestOpening(window: Window, time: Instant): Instant | undefined {
  return seek(window, time, -1)
}

/** The first opening after `time`; undefined where the window never opens again. */
export function nextOpening(window: Window, time: Instant): Instant | undefined {
  return seek(window, time, 1)
}

/** What is wrong with a window's zone, start, exceptions and rule; empty where it opens at least once. */
export function openingFaults(window: Window): OpeningFault[] {
  const faults: OpeningFault[] = []
  if (!isZone(window.zone))
    faults.push({ field: 'zone', message: `There is no time zone "${window.zone}".`, next: zoneAdvice(window.zone) })
  if (wallOf(window.start) === undefined) {
    const next = 'Write it like "2026-01-03T02:00"; zone says where.'
    faults.push({ field: 'start', message: `"${window.start}" is no local time.`, next })
  }
  const wrong = (window.except ?? []).find((time) => wallOf(time) === undefined)
  if (wrong !== undefined) faults.push({ field: 'except', message: `"${wrong}" is no local time.` })
  const fault = window.rule === undefined ? undefined : ruleFault(window.rule)
  if (fault) faults.push({ field: 'rule', ...fault })
  return faults.length > 0 ? faults : neverFault(window)
}

/** The milliseconds of a local time such as `2026-01-03T02:00`, as if in UTC; undefined where the calendar has no such time. */
export function wallOf(text: string): Wall | undefined {
  if (!localTime.test(text)) return undefined
  const full = text.length === 16 ? `${text}:00` : text
  const wall = Date.parse(`${full}Z`)
  return Number.isNaN(wall) || new Date(wall).toISOString().slice(0, 19) !== full ? undefined : wall
}

/** The local time in `zone` at a UTC time such as `2026-01-03T01:00:00Z`; the UTC time itself where either is unknown. */
export function localTimeAt(zone: string, utc: string): string {
  const time = Date.parse(utc)
  const wall = isZone(zone) && !Number.isNaN(time) ? wallAt(zone, instant(time)) : time
  return Number.isNaN(wall) ? utc : new Date(wall).toISOString().slice(0, 19)
}

/** What a change of the clock does to an opening of this window: moved, at an hour that comes twice, or under it. Undefined: nothing. */
export function clockNote(window: Window, opens: Instant, closes: Instant): string | undefined {
  const { rule, zone } = courseOf(window)
  const wall = wallAt(zone, opens)
  const named = rule.next(new Date(wall - 1))?.epochMilliseconds === wall
  if (!named) return 'moved: the clock is set forward over the time that the rule names'
  const local = Temporal.Instant.fromEpochMilliseconds(wall).toZonedDateTimeISO('UTC').toPlainDateTime()
  const later = local.toZonedDateTime(zone, { disambiguation: 'later' }).epochMilliseconds
  if (later !== opens) return 'this local time comes twice that night: it opens at the first'
  const change = wallAt(zone, closes) - closes - (wall - opens)
  if (change === 0) return undefined
  return `the clock is set ${change > 0 ? 'forward' : 'back'} while it is open; it lasts as long as always`
}

function seek(window: Window, time: Instant, direction: 1 | -1): Instant | undefined {
  const now = Math.min(timeMax, Math.max(timeMin, time))
  try {
    return seekIn(courseOf(window), instant(now), direction)
  } catch {
    // The library gives up on a rule that matches nothing for thousands of years: that window does not open.
    return undefined
  }
}

/**
 * Walks over the rule's wall-clock openings in one direction and keeps the nearest in exact time. Around a change of the
 * clock the two orders differ by up to that change, so there it begins earlier and looks further.
 */
function seekIn(course: Course, time: Instant, direction: 1 | -1): Instant | undefined {
  const { zone } = course
  // The library leaves the time itself out, which is right for "after"; "at or before" begins a millisecond later.
  let cursor = wallAt(zone, time) - direction * clockChangeAt(zone, time) + (direction === -1 ? 1 : 0)
  let best: Instant | undefined
  let wallMost: Wall = 0
  for (let step = 0; step < stepsMax; step++) {
    const found = direction === 1 ? course.rule.next(new Date(cursor)) : course.rule.previous(new Date(cursor))
    const wall: Wall = found?.epochMilliseconds ?? Number.NaN
    if (!(wall >= timeMin && wall <= timeMax) || (best !== undefined && wall * direction > wallMost * direction)) break
    cursor = wall
    if (course.except.has(wall)) continue
    const exact = exactAt(zone, wall)
    const beyond = direction === 1 ? exact > time : exact <= time
    if (!beyond || (best !== undefined && (exact - best) * direction >= 0)) continue
    best = exact
    const change = clockChangeAt(zone, exact)
    if (change === 0) break
    wallMost = wall + direction * change
  }
  return best
}

/** Milliseconds by which the clock of a zone changes within two days of a time; mostly 0, an hour twice a year. */
function clockChangeAt(zone: string, time: Instant): number {
  const offsets = [-2, 0, 2].map((days) => {
    const near = instant(time + days * 86_400_000)
    return wallAt(zone, near) - near
  })
  return Math.max(...offsets) - Math.min(...offsets)
}

function courseOf(window: Window): Course {
  let course = courses.get(window)
  if (!course) {
    const start = new Date(wallOf(window.start) ?? 0).toISOString().replaceAll(/[-:]|\.000/g, '')
    const rule = zoned(window.rule ?? 'FREQ=DAILY;COUNT=1', window.zone)
    const except = new Set<Wall>()
    for (const time of window.except ?? []) except.add(wallOf(time) ?? 0)
    course = { rule: new RRuleTemporal({ rruleString: `DTSTART:${start}\nRRULE:${rule}` }), zone: window.zone, except }
    courses.set(window, course)
  }
  return course
}

/** The rule with its UNTIL in wall-clock time: RFC 5545 writes it in UTC, and a date alone means the whole of that day. */
function zoned(rule: string, zone: string): string {
  return rule.replace(/UNTIL=(\d{8})(?:T(\d{6})(Z?))?/, (_, date: string, time: string | undefined, utc: string) => {
    const text = `${date}T${time ?? '235959'}`
    if (time === undefined || !utc) return `UNTIL=${text}Z`
    const exact = Temporal.Instant.from(`${text}Z`).epochMilliseconds
    return `UNTIL=${new Date(wallAt(zone, instant(exact))).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
  })
}

function wallAt(zone: string, time: Instant): Wall {
  const zonedTime = Temporal.Instant.fromEpochMilliseconds(time).toZonedDateTimeISO(zone)
  return time + zonedTime.offsetNanoseconds / 1e6
}

function exactAt(zone: string, wall: Wall): Instant {
  const local = Temporal.Instant.fromEpochMilliseconds(wall).toZonedDateTimeISO('UTC').toPlainDateTime()
  return instant(local.toZonedDateTime(zone, { disambiguation: 'compatible' }).epochMilliseconds)
}

function neverFault(window: Window): OpeningFault[] {
  const field = window.rule === undefined ? 'start' : 'rule'
  try {
    if (seekIn(courseOf(window), instant(timeMin), 1) !== undefined) return []
  } catch (error) {
    // The library gives up after ten thousand periods without an opening.
    if (!messageOf(error).includes('exceeded'))
      return [{ field, message: `This rule cannot be followed: ${messageOf(error)}.` }]
  }
  return [{ field, message: 'This window never opens.', next: 'Look at its rule, UNTIL, COUNT and exceptions.' }]
}

export function isZone(zone: string): boolean {
  if (!zoneName.test(zone)) return false
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone)
    return true
  } catch {
    return false
  }
}

function zoneAdvice(zone: string): string {
  const guess = nearest(zone, Intl.supportedValuesOf('timeZone'))
  return guess !== undefined
    ? `Did you mean "${guess}"?`
    : 'Write a name such as Europe/Berlin, America/New_York or UTC.'
}

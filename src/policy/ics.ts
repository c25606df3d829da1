/**
 * Maintenance windows from an iCalendar file (RFC 5545): each VEVENT is a window, its DTSTART with TZID, RRULE, RDATE,
 * EXDATE, and DTEND or DURATION. A moved instance (RECURRENCE-ID) is an exception and a window of its own. VTIMEZONE blocks
 * are not read: zones are those of the machine, by their IANA names.
 */
import ICAL from 'ical.js'
import { messageOf } from '#base/errors.ts'
import { GuardFailed } from '#base/guard.ts'
import { isZone, localTimeAt, openingFaults, wallOf } from './opening.ts'
import { windowMsMax, windowMsMin } from './limits.ts'
import type { Window } from './model.ts'

export interface CalendarFault {
  /** From 1, in the file. */
  readonly line: number
  readonly message: string
  readonly next?: string
}

interface CalendarEvent {
  readonly uid: string
  readonly line: number
  readonly cancelled: boolean
  readonly replaces: string | undefined
  readonly windows: Window[]
}

const icsLengthMax = 262_144
const eventsMax = 256

/** The windows of a calendar, and what is wrong with it. `zone` is for times that name no zone, or none that is known. */
export function windowsOfCalendar(
  text: string,
  zone: string | undefined,
): { windows: Window[]; faults: CalendarFault[] } {
  if (text.length > icsLengthMax)
    return { windows: [], faults: [{ line: 1, message: `This calendar is longer than ${icsLengthMax} characters.` }] }
  const lines = linesOfEvents(text)
  let components: ICAL.Component[]
  try {
    const calendar = new ICAL.Component(ICAL.parse(text))
    zone ??= textOfProperty(calendar, 'x-wr-timezone')
    components = calendar.getAllSubcomponents('vevent')
  } catch (error) {
    return { windows: [], faults: [{ line: 1, message: `This is no calendar: ${messageOf(error).slice(0, 200)}.` }] }
  }
  const [first] = lines
  if (components.length === 0 || first === undefined)
    return {
      windows: [],
      faults: [{ line: 1, message: 'This calendar has no events.', next: 'Add a VEVENT for each window.' }],
    }
  if (components.length > eventsMax)
    return { windows: [], faults: [{ line: 1, message: `More than ${eventsMax} events.` }] }
  const faults: CalendarFault[] = []
  const events: CalendarEvent[] = []
  for (const [index, component] of components.entries()) {
    const line = lines[index] ?? 1
    try {
      events.push(eventOf(component, line, zone))
    } catch (error) {
      // The library reads values when they are asked for, so a faulty one shows here.
      faults.push({ line, message: `This event cannot be read: ${messageOf(error).slice(0, 200)}.` })
    }
  }
  const windows = joined(events)
  for (const { window, line } of windows) {
    const fault = faultOf(window)
    if (fault) faults.push({ line, ...fault })
  }
  return { windows: windows.map(({ window }) => window), faults }
}

function eventOf(component: ICAL.Component, line: number, fallback: string | undefined): CalendarEvent {
  const start = component.getFirstProperty('dtstart')
  const begins = start?.getFirstValue()
  if (!start || !(begins instanceof ICAL.Time)) throw new GuardFailed('DTSTART', 'a date and time')
  const zone = zoneOf(start, begins, fallback)
  const rule = component.getFirstPropertyValue('rrule')
  const except = valuesOf(component, 'exdate').map((time) => localOf(time, zone))
  const one = { durationMs: durationOf(component, begins, zone), zone }
  const replaces = component.getFirstPropertyValue('recurrence-id')
  return {
    uid: textOfProperty(component, 'uid') ?? '',
    line,
    cancelled: textOfProperty(component, 'status')?.toUpperCase() === 'CANCELLED',
    replaces: replaces instanceof ICAL.Time ? localOf(replaces, zone) : undefined,
    windows: [
      {
        ...(rule instanceof ICAL.Recur ? { rule: rule.toString() } : {}),
        start: localOf(begins, zone),
        ...one,
        ...(except.length > 0 ? { except } : {}),
      },
      ...valuesOf(component, 'rdate').map((time) => ({ start: localOf(time, zone), ...one })),
    ],
  }
}

/** The windows of all events, where a moved or cancelled instance is taken out of the series it belongs to. */
function joined(events: readonly CalendarEvent[]): { window: Window; line: number }[] {
  const windows: { window: Window; line: number }[] = []
  for (const event of events) {
    if (event.cancelled) continue
    const moved =
      event.replaces === undefined
        ? events.flatMap((other) => (other.uid === event.uid ? (other.replaces ?? []) : []))
        : []
    for (const window of event.windows) {
      const except = [...(window.except ?? []), ...moved]
      windows.push({ window: except.length > 0 ? { ...window, except } : window, line: event.line })
    }
  }
  return windows
}

function faultOf(window: Window): { message: string; next?: string } | undefined {
  if (window.durationMs < windowMsMin || window.durationMs > windowMsMax)
    return { message: 'A window lasts from one minute to 31 days.', next: 'Correct DTEND or DURATION.' }
  const [fault] = openingFaults(window)
  if (!fault) return undefined
  const next = fault.field === 'zone' ? 'Give the zone beside it: { ics: FILE, zone: Europe/Berlin }.' : fault.next
  return { message: fault.message, ...(next === undefined ? {} : { next }) }
}

function zoneOf(property: ICAL.Property, time: ICAL.Time, fallback: string | undefined): string {
  if (time.zone?.tzid === 'UTC') return 'UTC'
  const tzid = property.getFirstParameter('tzid')
  if (!tzid) return fallback ?? 'UTC'
  // Some programs write /their.name/Europe/Berlin.
  const tail = tzid.split('/').slice(-2).join('/')
  return [tzid, tail].find(isZone) ?? fallback ?? tzid
}

function durationOf(component: ICAL.Component, begins: ICAL.Time, zone: string): number {
  const length = component.getFirstPropertyValue('duration')
  if (length instanceof ICAL.Duration) return length.toSeconds() * 1000
  const ends = component.getFirstPropertyValue('dtend')
  if (ends instanceof ICAL.Time) return (wallOf(localOf(ends, zone)) ?? 0) - (wallOf(localOf(begins, zone)) ?? 0)
  if (!begins.isDate) throw new GuardFailed('DTEND', 'a date and time, or DURATION in its place')
  return 86_400_000
}

function valuesOf(component: ICAL.Component, name: string): ICAL.Time[] {
  const values = component.getAllProperties(name).flatMap((property) => property.getValues() as unknown[])
  return values.filter((value): value is ICAL.Time => value instanceof ICAL.Time)
}

/** Wall-clock time in the zone of the event; a time in UTC is brought there. */
function localOf(time: ICAL.Time, zone: string): string {
  const text = time.toString()
  if (text.endsWith('Z')) return zone === 'UTC' ? text.slice(0, -1) : localTimeAt(zone, text)
  return text.includes('T') ? text : `${text}T00:00:00`
}

function textOfProperty(component: ICAL.Component, name: string): string | undefined {
  const value: unknown = component.getFirstPropertyValue(name)
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Lines of the events' beginnings, from 1. */
function linesOfEvents(text: string): number[] {
  return text.split(/\r\n|\n|\r/).flatMap((line, index) => (/^BEGIN:VEVENT\s*$/i.test(line) ? [index + 1] : []))
}

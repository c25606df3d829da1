/**
 * The recurrence rules that a window may have: the grammar of RFC 5545 §3.3.10, narrowed to what a maintenance window can
 * mean. Checked here, before the calendar library sees a rule, so that the library never meets what it would guess at or
 * count through for minutes.
 */
import { suggest } from './suggestion.ts'

export interface RuleFault {
  readonly message: string
  readonly next?: string
}

const countMax = 10_000
const intervalMax = 1000
const valuesMax = 366

const frequencies = ['HOURLY', 'DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY']
const weekday = /^(?:[+-]?(?:[1-9]|[1-4]\d|5[0-3]))?(?:MO|TU|WE|TH|FR|SA|SU)$/
const until = /^\d{8}(?:T\d{6}Z?)?$/
/** Part to the least and greatest number in its list; a negative number counts from the end where the least is negative. */
const numberLists: Readonly<Record<string, readonly [least: number, greatest: number]>> = {
  BYMONTH: [1, 12],
  BYMONTHDAY: [-31, 31],
  BYYEARDAY: [-366, 366],
  BYWEEKNO: [-53, 53],
  BYHOUR: [0, 23],
  BYMINUTE: [0, 59],
  BYSETPOS: [-366, 366],
}
const parts = ['FREQ', 'INTERVAL', 'COUNT', 'UNTIL', 'BYDAY', 'WKST', ...Object.keys(numberLists)]

/** What is wrong with a rule, or undefined. The value only, without `RRULE:`. */
export function ruleFault(rule: string): RuleFault | undefined {
  if (rule.toUpperCase().startsWith('RRULE:'))
    return { message: 'RRULE: does not belong here.', next: 'Leave RRULE: out.' }
  const seen = new Map<string, string>()
  for (const part of rule.split(';')) {
    const [name = '', value = '', ...rest] = part.split('=')
    if (!value || rest.length > 0)
      return { message: `"${part}" is no part of a rule.`, next: 'Write NAME=VALUE, divided by ;.' }
    if (name === 'FREQ' && (value === 'MINUTELY' || value === 'SECONDLY'))
      return { message: `A window cannot open ${value.toLowerCase()}.`, next: 'Use HOURLY, or no window at all.' }
    if (!parts.includes(name)) return { message: `A rule has no part "${name}".`, next: suggest(name, parts) }
    if (seen.has(name))
      return { message: `${name} is there twice.`, next: `Put all its values into one list: ${name}=A,B.` }
    const fault = partFault(name, value)
    if (fault) return fault
    seen.set(name, value)
  }
  if (!seen.has('FREQ')) return { message: 'The rule has no FREQ.', next: 'Begin it with FREQ=WEEKLY, for example.' }
  if (seen.has('COUNT') && seen.has('UNTIL'))
    return { message: 'COUNT and UNTIL exclude each other.', next: 'Keep one of the two.' }
  return undefined
}

function partFault(name: string, value: string): RuleFault | undefined {
  switch (name) {
    case 'FREQ':
      return frequencies.includes(value)
        ? undefined
        : { message: `FREQ cannot be "${value}".`, next: suggest(value, frequencies) }
    case 'INTERVAL':
      return numberFault(name, value, 1, intervalMax)
    case 'COUNT':
      return numberFault(name, value, 1, countMax)
    case 'UNTIL':
      return until.test(value)
        ? undefined
        : { message: `UNTIL cannot be "${value}".`, next: 'Write 20261231 or 20261231T220000Z.' }
    case 'WKST':
      return /^(?:MO|TU|WE|TH|FR|SA|SU)$/.test(value)
        ? undefined
        : { message: `WKST cannot be "${value}".`, next: 'Write MO or SU.' }
  }
  const items = value.split(',')
  if (items.length > valuesMax) return { message: `${name} has more than ${valuesMax} values.` }
  const [least, greatest] = numberLists[name] ?? [0, 0]
  for (const item of items) {
    if (name !== 'BYDAY') {
      const fault =
        item === '0' && least < 0 ? { message: `${name} cannot hold 0.` } : numberFault(name, item, least, greatest)
      if (fault) return fault
    } else if (!weekday.test(item))
      return {
        message: `BYDAY cannot hold "${item}".`,
        next: 'Write MO, TU, WE, TH, FR, SA or SU, or 2TU for the second Tuesday.',
      }
  }
  return undefined
}

function numberFault(name: string, value: string, least: number, greatest: number): RuleFault | undefined {
  const number = /^[+-]?\d{1,5}$/.test(value) ? Number(value) : Number.NaN
  return number >= least && number <= greatest
    ? undefined
    : { message: `${name} cannot hold "${value}".`, next: `Write a number from ${least} to ${greatest}.` }
}

import { describe, expect, it } from 'vitest'
import { ruleFault } from '#policy/rule.ts'

describe('a recurrence rule', () => {
  it.each([
    'FREQ=WEEKLY;BYDAY=SA',
    'FREQ=MONTHLY;BYDAY=TU;BYSETPOS=2',
    'FREQ=MONTHLY;BYDAY=2TU,-1FR;WKST=SU',
    'FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=-1;BYHOUR=2;BYMINUTE=30',
    'FREQ=HOURLY;INTERVAL=6;COUNT=10000',
    'FREQ=DAILY;UNTIL=20261231T220000Z',
    'FREQ=DAILY;UNTIL=20261231',
  ])('%s is one', (rule) => {
    expect(ruleFault(rule)).toBeUndefined()
  })

  it.each([
    ['', '"" is no part of a rule.'],
    ['RRULE:FREQ=DAILY', 'RRULE: does not belong here.'],
    ['BYDAY=SA', 'The rule has no FREQ.'],
    ['FREQ=WEKLY', 'FREQ cannot be "WEKLY".'],
    ['FREQ=MINUTELY', 'A window cannot open minutely.'],
    ['FREQ=DAILY;FREQ=WEEKLY', 'FREQ is there twice.'],
    ['FREQ=DAILY;', '"" is no part of a rule.'],
    ['FREQ=DAILY;BYDAYS=SA', 'A rule has no part "BYDAYS".'],
    ['FREQ=WEEKLY;BYDAY=SA,XX', 'BYDAY cannot hold "XX".'],
    ['FREQ=DAILY;BYHOUR=24', 'BYHOUR cannot hold "24".'],
    ['FREQ=DAILY;BYMONTHDAY=0', 'BYMONTHDAY cannot hold 0.'],
    ['FREQ=DAILY;INTERVAL=0', 'INTERVAL cannot hold "0".'],
    ['FREQ=DAILY;COUNT=10001', 'COUNT cannot hold "10001".'],
    ['FREQ=DAILY;COUNT=2;UNTIL=20261231', 'COUNT and UNTIL exclude each other.'],
    ['FREQ=DAILY;UNTIL=2026-12-31', 'UNTIL cannot be "2026-12-31".'],
    ['FREQ=DAILY;WKST=XX', 'WKST cannot be "XX".'],
    [`FREQ=DAILY;BYMINUTE=${'1,'.repeat(400)}1`, 'BYMINUTE has more than 366 values.'],
    ['FREQ=DAILY;BYSECOND=1', 'A rule has no part "BYSECOND".'],
    ['FREQ=DAILY\nDTSTART:1', 'FREQ cannot be "DAILY\nDTSTART:1".'],
  ])('%j is none', (rule, message) => {
    expect(ruleFault(rule)?.message).toBe(message)
  })

  it('with a typing error names what was meant', () => {
    expect(ruleFault('FREQ=DAILY;INTERVL=2')?.next).toBe('Did you mean "INTERVAL"?')
  })
})

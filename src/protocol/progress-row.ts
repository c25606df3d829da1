/**
 * How far one member is, as it tells it inside its site (protocol.md §5.8): whole numbers only, so that a row is some 80 bytes. What
 * others say here is shown to people, and never acted on.
 */
import { fieldsAt, onlyKeys, oneOfAt, own, textAt, wholeAt } from '#base/guard.ts'
import type { PeerId } from '#trust/peer-id.ts'

export interface ProgressRow {
  /** The newest release that it knows. */
  readonly release: number
  /** Bundles that it is to have by now: meant for it, or held for others. */
  readonly bundles: number
  readonly prepared: number
  /** That could not be prepared. */
  readonly failed: number
  /** Whose manifest is not here: what they lack is not in `missing`. */
  readonly unsized: number
  /** Bytes that it lacks. */
  readonly missing: number
  /** Bytes a second that come, from wherever; 0 where nothing is missing. */
  readonly rate: number
  /** Of a member that acts at the uplink and reaches the outside. */
  readonly line?: LineRow
}

export interface LineRow {
  /** Bytes that nobody has whom it knows in the site. */
  readonly missing: number
  /** Of these, bytes that nobody outside offers either. */
  readonly unfound: number
  /** Bytes a second that come over the line to this member. */
  readonly rate: number
}

/** What somebody else was told. */
export interface ToldRow {
  readonly peer: PeerId
  readonly name: string
  readonly role: 'origin' | 'relay' | 'client'
  /** Milliseconds since it was said. */
  readonly ageMs: number
  readonly row: ProgressRow
}

const bundlesMax = 100_000
/** A day: older words are not passed on. */
const ageMsMax = 86_400_000

export function progressRowAt(value: unknown): ProgressRow {
  const fields = fieldsAt(value, 'row')
  onlyKeys(fields, 'row', ['release', 'bundles', 'prepared', 'failed', 'unsized', 'missing', 'rate', 'line'])
  const whole = (key: keyof ProgressRow, max?: number): number => wholeAt(own(fields, key), key, 0, max)
  const line = own(fields, 'line')
  return {
    release: whole('release'),
    bundles: whole('bundles', bundlesMax),
    prepared: whole('prepared', bundlesMax),
    failed: whole('failed', bundlesMax),
    unsized: whole('unsized', bundlesMax),
    missing: whole('missing'),
    rate: whole('rate'),
    ...(line !== undefined && { line: lineAt(line) }),
  }
}

function lineAt(value: unknown): LineRow {
  const fields = fieldsAt(value, 'line')
  onlyKeys(fields, 'line', ['missing', 'unfound', 'rate'])
  const whole = (key: keyof LineRow): number => wholeAt(own(fields, key), `line.${key}`, 0)
  return { missing: whole('missing'), unfound: whole('unfound'), rate: whole('rate') }
}

export function toldRowAt(value: unknown): ToldRow {
  const fields = fieldsAt(value, 'others')
  onlyKeys(fields, 'others', ['peer', 'name', 'role', 'ageMs', 'row'])
  return {
    peer: textAt(own(fields, 'peer'), 'peer', 60, /^12D3Koo[1-9A-HJ-NP-Za-km-z]+$/) as PeerId,
    // Printed on a terminal: nothing but what a membership may be called.
    name: textAt(own(fields, 'name'), 'name', 63, /^[A-Za-z0-9._-]+$/),
    role: oneOfAt(own(fields, 'role'), 'role', ['origin', 'relay', 'client'] as const),
    ageMs: wholeAt(own(fields, 'ageMs'), 'ageMs', 0, ageMsMax),
    row: progressRowAt(own(fields, 'row')),
  }
}

/** Time as branded milliseconds. This file has no clock: the rooms with hands bring the time in. */
import { Misconfigured } from './errors.ts'

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = number & { readonly __instant: true }
/** Milliseconds. */
export type Duration = number & { readonly __duration: true }

export const instant = (ms: number): Instant => ms as Instant
const duration = (ms: number): Duration => ms as Duration
export const after = (start: Instant, length: number): Instant => (start + length) as Instant
export const since = (start: Instant, now: Instant): Duration => (now - start) as Duration
export const earliest = (...times: (Instant | undefined)[]): Instant | undefined => {
  let least: Instant | undefined
  for (const time of times) if (time !== undefined && (least === undefined || time < least)) least = time
  return least
}

export const second = duration(1000)
export const minute = duration(60_000)
export const hour = duration(3_600_000)
export const day = duration(86_400_000)

/** RFC 3339 in UTC without fractions, the only date form that TUF allows (TUF 1.0.34 §4.2): `2026-01-31T00:00:00Z`. */
export const toDate = (time: Instant): string => `${new Date(time).toISOString().slice(0, 19)}Z`

/** RFC 3339 in UTC with milliseconds, for documents that people and programs read. */
export const toTimestamp = (time: Instant): string => new Date(time).toISOString()

/** The instant of a TUF date; undefined unless it is spelled exactly as `toDate` spells it. */
export function fromDate(text: string): Instant | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text)) return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) || toDate(instant(ms)) !== text ? undefined : instant(ms)
}

const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
const iso = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,3})?)S)?)?$/

/** A duration as people write it: `60s`, `15m`, `7d`, or ISO 8601 without months and years (`PT3H`, `P1DT12H`); undefined if it is neither. */
export function parseDuration(text: string): Duration | undefined {
  const plain = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(text)
  if (plain) return duration(Math.round(Number(plain[1]) * (unitMs[plain[2] ?? ''] ?? 0)))
  const parts = iso.exec(text)
  if (!parts || text === 'P' || text.endsWith('T')) return undefined
  const [weeks, days, hours, minutes, seconds] = parts.slice(1).map((part) => Number(part ?? 0))
  return duration(
    Math.round(
      (weeks ?? 0) * 604_800_000 +
        (days ?? 0) * day +
        (hours ?? 0) * hour +
        (minutes ?? 0) * minute +
        (seconds ?? 0) * second,
    ),
  )
}

/** The duration of an option or setting, or Misconfigured naming it. */
export function durationOf(text: string, where: string): Duration {
  const parsed = parseDuration(text)
  if (parsed === undefined)
    throw new Misconfigured('DURATION_INVALID', {
      message: `"${text}" is no duration.`,
      where,
      next: 'Write it as 60s, 15m, 7d, or as ISO 8601 such as PT3H.',
    })
  return parsed
}

/** A time that people write: ISO 8601, in the zone of this machine where it names none, or how long from now. */
import { parseDuration } from '#base/time.ts'

const isoPattern = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)?)?$/

/** Milliseconds since 1970; undefined for what is neither. A date alone is its first moment here. */
export function parseUntil(text: string, now: number): number | undefined {
  const length = parseDuration(text)
  if (length !== undefined) return now + length
  if (!isoPattern.test(text)) return undefined
  // A date alone would be read as UTC.
  const time = Date.parse(text.includes('T') ? text : `${text}T00:00`)
  return Number.isNaN(time) ? undefined : time
}

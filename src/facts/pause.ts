/** A local "not on this machine today": until when nothing is applied or repaired there, and why. */
import { fieldsAt, own, textAt, wholeAt } from '#base/guard.ts'

export interface Pause {
  /** The one bundle that it holds up; undefined for all of the machine. */
  readonly bundle?: string
  /** Milliseconds since 1970, as is `until`. */
  readonly since: number
  readonly until: number
  readonly reason: string
}

/** 90 days: whoever wants to be left alone for longer is no device of this release any more. */
export const pauseMsMax = 90 * 86_400_000
/** Of one device, its whole machine among them. */
export const pausesMax = 16
export const pauseReasonLengthMax = 200
export const pauseReasonPattern = /^[^\p{Cc}]*\S[^\p{Cc}]*$/u

/** A pause in decoded JSON; throws GuardFailed. Members that it does not know are left out. */
export function pauseAt(value: unknown, path: string): Pause {
  const fields = fieldsAt(value, path)
  const bundle = own(fields, 'bundle')
  return {
    ...(bundle !== undefined && { bundle: textAt(bundle, `${path}.bundle`, 64) }),
    since: wholeAt(own(fields, 'since'), `${path}.since`, 0),
    until: wholeAt(own(fields, 'until'), `${path}.until`, 0),
    reason: textAt(own(fields, 'reason'), `${path}.reason`, pauseReasonLengthMax),
  }
}

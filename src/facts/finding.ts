/** One drift finding: what the policy wants, what was seen instead, since when. */
import { fieldsAt, own, textAt, wholeAt } from '#base/guard.ts'

export interface Finding {
  readonly bundle: string
  /** The id of the resource, as in a ResourceResult. */
  readonly resource: string
  readonly path?: string
  readonly wanted: string
  readonly seen: string
  /** Milliseconds since 1970 when it was first seen like this. */
  readonly since: number
}

const textLengthMax = 1024

/** A finding in decoded JSON; throws GuardFailed. Members that it does not know are left out. */
export function findingAt(value: unknown, path: string): Finding {
  const fields = fieldsAt(value, path)
  const file = own(fields, 'path')
  return {
    bundle: textAt(own(fields, 'bundle'), `${path}.bundle`, 64),
    resource: textAt(own(fields, 'resource'), `${path}.resource`, textLengthMax),
    ...(file === undefined ? {} : { path: textAt(file, `${path}.path`, textLengthMax) }),
    wanted: textAt(own(fields, 'wanted'), `${path}.wanted`, textLengthMax),
    seen: textAt(own(fields, 'seen'), `${path}.seen`, textLengthMax),
    since: wholeAt(own(fields, 'since'), `${path}.since`, 0),
  }
}

/** One drift finding: what the policy wants, what was seen instead, since when, and who did it, where that is known. */
import { fieldsAt, own, textAt, wholeAt } from '#base/guard.ts'

export interface Finding {
  readonly bundle: string
  /** The id of the resource, as in a ResourceResult. */
  readonly resource: string
  readonly path?: string
  readonly wanted: string
  readonly seen: string
  /** Milliseconds since 1970 when it was first seen to differ. */
  readonly since: number
  /** Who changed it and how, as far as the machine's own history tells: `zypper install telnet, root@web-1, 2026-11-24T10:00Z`. */
  readonly by?: string
}

/** A finding that applying the policy mended. */
export interface Repair extends Finding {
  /** Milliseconds since 1970. */
  readonly repairedAt: number
}

const textLengthMax = 1024

/** A finding in decoded JSON; throws GuardFailed. Members that it does not know are left out. */
export function findingAt(value: unknown, path: string): Finding {
  const fields = fieldsAt(value, path)
  const file = own(fields, 'path')
  const by = own(fields, 'by')
  return {
    bundle: textAt(own(fields, 'bundle'), `${path}.bundle`, 64),
    resource: textAt(own(fields, 'resource'), `${path}.resource`, textLengthMax),
    ...(file === undefined ? {} : { path: textAt(file, `${path}.path`, textLengthMax) }),
    wanted: textAt(own(fields, 'wanted'), `${path}.wanted`, textLengthMax),
    seen: textAt(own(fields, 'seen'), `${path}.seen`, textLengthMax),
    since: wholeAt(own(fields, 'since'), `${path}.since`, 0),
    ...(by === undefined ? {} : { by: textAt(by, `${path}.by`, textLengthMax) }),
  }
}

/** The same of a repair. */
export function repairAt(value: unknown, path: string): Repair {
  const repairedAt = wholeAt(own(fieldsAt(value, path), 'repairedAt'), `${path}.repairedAt`, 0)
  return { ...findingAt(value, path), repairedAt }
}

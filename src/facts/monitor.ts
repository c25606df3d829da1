/**
 * What a device says of a monitor: one run of its check, and the state that runs lead to. Never what is to be done about it: that is the
 * agent's.
 */
import { fieldsAt, oneOfAt, own, textAt, wholeAt } from '#base/guard.ts'

/** One run of a check. `unknown`: it could not be made, so it says neither. */
export interface MonitorResult {
  readonly name: string
  readonly outcome: MonitorOutcome
  /** What was seen, in a few words; at most `monitorSaidMax` characters. */
  readonly said: string
}

export type MonitorOutcome = 'pass' | 'fail' | 'unknown'

/** The fixed words for a monitor, the same in status, fleet and reports. */
export type MonitorState = 'ok' | 'failing' | 'unknown'
const monitorStates: readonly MonitorState[] = ['ok', 'failing', 'unknown']

export interface MonitorReport {
  readonly bundle: string
  readonly name: string
  readonly state: MonitorState
  /** Milliseconds since 1970 when it came into this state. */
  readonly since: number
  /** What the check saw then. */
  readonly said: string
}

export const monitorSaidMax = 200

/** A monitor in decoded JSON; throws GuardFailed. Members that it does not know are left out. */
export function monitorReportAt(value: unknown, path: string): MonitorReport {
  const fields = fieldsAt(value, path)
  return {
    bundle: textAt(own(fields, 'bundle'), `${path}.bundle`, 64),
    name: textAt(own(fields, 'name'), `${path}.name`, 64),
    state: oneOfAt(own(fields, 'state'), `${path}.state`, monitorStates),
    since: wholeAt(own(fields, 'since'), `${path}.since`, 0),
    said: textAt(own(fields, 'said'), `${path}.said`, monitorSaidMax),
  }
}

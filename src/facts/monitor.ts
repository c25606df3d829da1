/**
 * What a device says of a monitor: one run of its check, and the state that runs lead to. Never what is to be done about it: that is the
 * agent's.
 */

/** One run of a check. `unknown`: it could not be made, so it says neither. */
export interface MonitorResult {
  readonly name: string
  readonly outcome: MonitorOutcome
  /** What was seen, in a few words; at most `monitorSaidMax` characters. */
  readonly said: string
}

export type MonitorOutcome = 'pass' | 'fail' | 'unknown'

export const monitorSaidMax = 200

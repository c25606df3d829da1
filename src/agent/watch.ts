/**
 * What a policy wants to be watched once it is applied, without what only the hands need: how a check is made stays in the prepared
 * bundle.
 */
import type { Drift, Monitor, Policy } from '#policy/model.ts'

export interface Watch {
  readonly drift?: Drift
  readonly monitors: readonly WatchedMonitor[]
}

export type WatchedMonitor = Omit<Monitor, 'check' | 'timeoutMs'>

export const watchOf = ({ drift, monitors }: Policy): Watch => ({
  ...(drift && { drift }),
  monitors: monitors.map(({ name, everyMs, fails, passes, react }) => ({
    name,
    everyMs,
    fails,
    passes,
    ...(react && { react }),
  })),
})

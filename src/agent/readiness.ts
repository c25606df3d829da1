/** How far a device is with what is to be here by now. */
import type { HeldBundle } from './held-bundle.ts'

export interface Readiness {
  readonly bundles: number
  readonly prepared: number
  readonly failed: number
  /** Its manifest is not read yet, so nobody knows how large it is. */
  readonly unsized: number
}

/** For this device or for its neighbours; not those that wait for `prepare.ahead`. */
export function readinessOf(bundles: Iterable<HeldBundle>): Readiness {
  const due = [...bundles].filter((held) => held.content !== 'ahead' || held.prepared)
  return {
    bundles: due.length,
    prepared: due.filter((held) => held.isReady).length,
    failed: due.filter((held) => held.state === 'failed' && !held.isReady).length,
    unsized: due.filter((held) => held.content === 'manifest' && !held.isReady).length,
  }
}

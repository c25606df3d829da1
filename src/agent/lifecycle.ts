/**
 * The states of a bundle on a device, and what moves it. The words are those of facts/report.ts, the same for people and
 * programs. An event that a state does not know leaves it as it is: it came late, and says nothing new.
 *
 *                                         ┌─────── (its window closed)
 *   pending ─▶ fetching ─▶ preparing ─▶ prepared ─▶ applying ─▶ applied
 *                              │ │                      │           │
 *                              │ └─▶ blocked (no engine)└─▶ failed  └─▶ applying (again)
 *                              └─▶ failed ─▶ preparing (retry)
 *
 * `withdrawn` (withdrawals.ts) is no state of a bundle that is held; one that is meant for this device again begins anew.
 */
import type { BundleState } from '#facts/report.ts'

export type LifecycleEvent =
  | 'content-missing'
  | 'content-complete'
  | 'prepare-ok'
  | 'prepare-failed'
  | 'engine-missing'
  | 'apply-started'
  | 'apply-ok'
  | 'apply-failed'
  /** Its window closed before its last resource: it goes on in the next one. */
  | 'window-closed'
  | 'retry'
  /** The process ended in the middle; what was done is done again, which a declarative policy allows. */
  | 'interrupted'

const table: Readonly<Record<BundleState, Partial<Record<LifecycleEvent, BundleState>>>> = {
  pending: { 'content-missing': 'fetching', 'content-complete': 'preparing' },
  fetching: { 'content-complete': 'preparing' },
  preparing: {
    'prepare-ok': 'prepared',
    'prepare-failed': 'failed',
    'engine-missing': 'blocked',
    interrupted: 'pending',
  },
  prepared: { 'apply-started': 'applying', retry: 'preparing' },
  applying: { 'apply-ok': 'applied', 'apply-failed': 'failed', 'window-closed': 'prepared', interrupted: 'prepared' },
  applied: { 'apply-started': 'applying' },
  failed: { 'apply-started': 'applying', retry: 'preparing' },
  blocked: { retry: 'preparing' },
  withdrawn: { interrupted: 'pending' },
}

/** The state that follows; the same one where the event does not belong to it. */
export const followingState = (state: BundleState, event: LifecycleEvent): BundleState => table[state][event] ?? state

/**
 * Windows that passed without an apply: how many, and why. What was applied by then misses nothing, and what was cut short by the end
 * of its window has missed it. Counting is bounded: a machine that was off for years looks at a hundred windows.
 */
import type { Instant } from '#base/time.ts'
import type { BundleState, MissedWindows } from '#facts/report.ts'
import type { Window, WindowState } from '#policy/model.ts'
import { windowState } from '#policy/window.ts'

const countMax = 100

/** Windows of a list that closed since it was in this state, up to `now`; undefined where none did. */
export function closedSince(
  windows: readonly Window[],
  before: WindowState,
  now: Instant,
): { count: number; closed: Instant } | undefined {
  let count = 0
  let closed: Instant | undefined
  let state = before
  while (count < countMax && state.closes !== undefined && state.closes <= now) {
    const end = state.closes
    state = windowState(windows, end)
    // Of a window that is longer than what is joined at once this was no end.
    if (state.open) continue
    count++
    closed = end
  }
  return closed === undefined ? undefined : { count, closed }
}

/** Why a bundle in this state was not applied in the window that just closed; undefined where it was, or still is being applied. */
export function reasonFor(state: BundleState, reason: string | undefined): string | undefined {
  switch (state) {
    case 'pending':
    case 'fetching':
      return 'its contents were not here'
    case 'preparing':
      return 'it was not prepared in time'
    case 'prepared':
      return reason ?? 'something else kept the engine'
    case 'blocked':
    case 'failed':
      return reason ?? `it was ${state}`
    case 'applying':
    case 'applied':
    case 'withdrawn':
      return undefined
  }
}

/** Both of these, the later with its reason. */
export const withMissed = (
  before: MissedWindows | undefined,
  count: number,
  last: Omit<MissedWindows, 'count'>,
): MissedWindows => ({
  count: (before?.count ?? 0) + count,
  ...last,
})

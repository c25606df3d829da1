import { describe, expect, it } from 'vitest'
import { bundleStates, type BundleState } from '#facts/report.ts'
import { followingState, type LifecycleEvent } from '#agent/lifecycle.ts'

const events: LifecycleEvent[] = [
  'content-missing',
  'content-complete',
  'prepare-ok',
  'prepare-failed',
  'engine-missing',
  'apply-started',
  'apply-ok',
  'apply-failed',
  'window-closed',
  'retry',
  'interrupted',
]

/** Every move there is; all other pairs of state and event leave the state as it is. */
const moves: [BundleState, LifecycleEvent, BundleState][] = [
  ['pending', 'content-missing', 'fetching'],
  ['pending', 'content-complete', 'preparing'],
  ['fetching', 'content-complete', 'preparing'],
  ['preparing', 'prepare-ok', 'prepared'],
  ['preparing', 'prepare-failed', 'failed'],
  ['preparing', 'engine-missing', 'blocked'],
  ['preparing', 'interrupted', 'pending'],
  ['prepared', 'apply-started', 'applying'],
  ['prepared', 'retry', 'preparing'],
  ['applying', 'apply-ok', 'applied'],
  ['applying', 'apply-failed', 'failed'],
  ['applying', 'window-closed', 'prepared'],
  ['applying', 'interrupted', 'prepared'],
  ['applied', 'apply-started', 'applying'],
  ['failed', 'apply-started', 'applying'],
  ['failed', 'retry', 'preparing'],
  ['blocked', 'retry', 'preparing'],
  ['withdrawn', 'interrupted', 'pending'],
]

describe('the lifecycle of a bundle', () => {
  it('moves exactly as its table says, over all states and events', () => {
    const seen = bundleStates.flatMap((state) =>
      events
        .map((event) => [state, event, followingState(state, event)] as const)
        .filter(([before, , then]) => before !== then),
    )
    expect(new Set(seen.map((move) => move.join(' ')))).toEqual(new Set(moves.map((move) => move.join(' '))))
  })

  it('never comes to applied without having been prepared and applying', () => {
    const into = (state: BundleState): BundleState[] =>
      bundleStates.filter(
        (before) => before !== state && events.some((event) => followingState(before, event) === state),
      )
    expect([into('applied'), into('prepared').includes('preparing')]).toEqual([['applying'], true])
  })

  it('an apply that was cut off by a power failure is done again', () => {
    expect(followingState('applying', 'interrupted')).toBe('prepared')
  })
})

import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { after, day, hour, instant, minute, toDate } from '#base/time.ts'
import type { Assignment } from '#agent/assignment.ts'
import { HeldBundle } from '#agent/held-bundle.ts'
import type { BundleEntry } from '#agent/journal.ts'
import { bundleStates, type BundleState } from '#facts/report.ts'
import { readWindows } from '#policy/window.ts'

const now = instant(Date.UTC(2026, 2, 6, 16))
const assignment = (more: Partial<Assignment> = {}): Assignment => ({
  name: 'web',
  version: 3,
  manifest: { digest: sha256(utf8('web')), length: 10 },
  select: undefined,
  windows: [],
  aheadMs: undefined,
  urgent: false,
  ...more,
})
const windowIn = (ms: number): Assignment['windows'] =>
  readWindows([{ start: toDate(after(now, ms)).slice(0, 19), durationMs: hour, zone: 'UTC' }])
const entry = (state: BundleState, prepared = true): BundleEntry => ({
  type: 'bundle',
  name: 'web',
  version: 3,
  state,
  at: now - 1_000,
  prepared,
  reason: 'as it was',
  results: [],
})
/** A bundle as it is held after a look at its windows. */
function held(more: Partial<Assignment> = {}, before?: BundleEntry, purpose: 'apply' | 'hold' = 'apply'): HeldBundle {
  const bundle = new HeldBundle(assignment(more), purpose, before, now)
  bundle.look(now)
  return bundle
}

describe('a bundle that is held', () => {
  it('begins as pending, and after a restart where the journal left it, what was cut off being done again', () => {
    const after1 = bundleStates.map((state) => [state, held({}, entry(state)).state])
    expect(Object.fromEntries(after1)).toEqual({
      pending: 'pending',
      withdrawn: 'pending',
      fetching: 'fetching',
      preparing: 'pending',
      prepared: 'prepared',
      applying: 'prepared',
      applied: 'applied',
      failed: 'failed',
      blocked: 'blocked',
    })
    expect(held().state).toBe('pending')
  })

  it('without windows may be applied as soon as it is prepared', () => {
    expect([held().mayApply, held({}, entry('prepared')).mayApply]).toEqual([false, true])
  })

  it('with windows may be applied only while one is open, and is looked at again when that changes', () => {
    const bundle = held({ windows: windowIn(hour) }, entry('prepared'))
    expect([bundle.mayApply, bundle.nextWake(true)]).toEqual([false, after(now, hour)])
    bundle.look(after(now, hour))
    expect([bundle.mayApply, bundle.nextWake(true)]).toEqual([true, after(now, 2 * hour)])
    bundle.look(after(now, 2 * hour))
    expect([bundle.mayApply, bundle.nextWake(true)]).toEqual([false, undefined])
  })

  it.each([
    ['in-window', true],
    ['any-time', false],
  ] as const)('mended %s is ended by its window: %s', (mending, ends) => {
    const bundle = held({ windows: windowIn(0) }, entry('applied'))
    bundle.mending = mending
    bundle.begin()
    bundle.move('apply-started')
    bundle.look(after(now, hour))
    expect([bundle.takeEnd(), bundle.takeEnd()]).toEqual([ends, false])
  })

  it('for neighbours only is never due by itself but to be fetched', () => {
    const bundle = held({ windows: windowIn(day), aheadMs: hour }, undefined, 'hold')
    expect(bundle.isTimeToFetch(now)).toBe(false)
    expect(bundle.nextWake(true)).toBe(after(now, day - hour))
    bundle.force()
    expect(bundle.mayApply).toBe(false)
  })

  it('can be forced only where it could be applied at this moment', () => {
    const forced = bundleStates.filter((state) => {
      const bundle = held({ windows: windowIn(day) }, entry(state))
      bundle.force()
      return bundle.mayApply
    })
    expect(forced).toEqual(['prepared', 'applying', 'applied', 'failed'])
    const unprepared = held({}, entry('failed', false))
    unprepared.force()
    expect(unprepared.mayApply).toBe(false)
  })

  it('is tried again after a failure only once its contents are here, and each time once', () => {
    const bundle = held({}, entry('failed', false))
    expect([bundle.takeRetry(now), bundle.nextWake(true)]).toEqual([false, undefined])
    bundle.content = 'complete'
    expect([bundle.nextWake(false), bundle.nextWake(true)]).toEqual([undefined, now])
    expect([bundle.takeRetry(now), bundle.takeRetry(now)]).toEqual([true, false])
  })

  it('waits twice as long after each failure, and starts anew after a success', () => {
    const bundle = held({}, entry('failed'))
    bundle.content = 'complete'
    const pauses = [1, 2, 3].map(() => {
      bundle.retryLater(now)
      return (bundle.retryAt ?? now) - now
    })
    expect(bundle.applied({ type: 'results', results: [] }, now)).toBe('apply-ok')
    bundle.retryLater(now)
    expect([...pauses, (bundle.retryAt ?? now) - now]).toEqual([minute, 2 * minute, 4 * minute, minute])
  })

  it('says in the journal what a restart needs, and in status what a person needs', () => {
    const bundle = held({ windows: windowIn(hour) }, entry('failed'))
    expect(bundle.entry(now)).toEqual({ ...entry('failed'), at: now })
    expect(bundle.status()).toEqual({
      name: 'web',
      version: 3,
      state: 'failed',
      prepared: true,
      reason: 'as it was',
      windowOpens: after(now, hour),
      windowCloses: after(now, 2 * hour),
    })
  })
})

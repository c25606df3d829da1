import { beforeEach, describe, expect, it } from 'vitest'
import { after, day, hour, minute } from '#base/time.ts'
import { Journal } from '#agent/journal.ts'
import { reasonFor } from '#agent/missed.ts'
import { bundleStates, windowClosed, type ResourceResult } from '#facts/report.ts'
import * as stage from '../support/agent-stage.ts'
import {
  begin,
  bundle,
  deliver,
  feed,
  of,
  pass,
  prepared,
  publish,
  reports,
  restart,
  start,
  state,
  windowIn,
} from '../support/agent-stage.ts'

beforeEach(() => begin())

const missed = () => stage.agent.status()[0]?.missed
const done: ResourceResult = { id: '0:file:/x', kind: 'file', outcome: 'repaired' }
const left: ResourceResult = { id: '1:file:/y', kind: 'file', outcome: 'skipped', reason: windowClosed }
const ended = (...results: ResourceResult[]) =>
  feed({ type: 'applied', name: 'web', version: 1, outcome: { type: 'results', results } })
/** Every day, for an hour from now plus `ms` on. */
const daily = (ms: number): Record<string, unknown> => {
  const { windows } = windowIn(ms) as { windows: object[] }
  return { windows: windows.map((window) => ({ ...window, rule: 'FREQ=DAILY' })) }
}
const kept = (): Journal =>
  Journal.replay(of('journal').map(({ entry }) => JSON.parse(JSON.stringify(entry)) as unknown))

describe('a window that closes while a bundle is applied', () => {
  it('lets it finish what runs, once, and it goes on in the next window', () => {
    publish(bundle('web', 1, daily(0)))
    deliver(bundle('web', 1, daily(0)))
    prepared('web')
    expect(of('end-apply', pass(hour - 1))).toEqual([])
    expect(of('end-apply', pass(minute))).toEqual([{ type: 'end-apply', name: 'web', version: 1 }])
    ended(done, left)
    expect(stage.agent.status()[0]).toMatchObject({
      state: 'prepared',
      reason: 'its window closed before 1 of 2 resources',
      missed: { count: 1, closed: after(start, hour), reason: 'its window closed before 1 of 2 resources' },
    })
    expect(of('apply', pass(23 * hour - 2 * minute))).toEqual([])
    expect(of('apply', pass(2 * minute))).toHaveLength(1)
    ended(done)
    expect([state('web'), missed()]).toEqual(['applied', undefined])
  })

  it('does not end what somebody at the machine asked for outside windows', () => {
    const web = bundle('web', 1, windowIn(0 - hour - minute))
    publish(web)
    deliver(web)
    prepared('web')
    feed({ type: 'apply-now' })
    expect(of('apply')).toHaveLength(1)
    expect(of('end-apply', pass(day))).toEqual([])
  })

  it('does not end what is urgent where this device lets such be applied at any time', () => {
    restart({}, new Journal(), { urgent: 'any' })
    const web = bundle('web', 1, { ...daily(0), urgent: true })
    publish(web)
    deliver(web)
    prepared('web')
    expect(of('apply')).toHaveLength(1)
    expect(of('end-apply', pass(day))).toEqual([])
    restart({}, new Journal(), { urgent: 'window' })
    publish(web)
    deliver(web)
    prepared('web')
    expect(of('end-apply', pass(hour))).toHaveLength(1)
  })

  it('leaves a failure a failure: it is tried again in the next window all the same', () => {
    const web = bundle('web', 1, daily(0))
    publish(web)
    deliver(web)
    prepared('web')
    pass(hour)
    ended({ ...done, outcome: 'failed' }, left)
    expect(state('web')).toBe('failed')
    expect(of('apply', pass(22 * hour))).toEqual([])
    expect(of('apply', pass(hour))).toHaveLength(1)
  })
})

describe('a missed window', () => {
  it('is told with its reason: contents that were not here', () => {
    publish(bundle('web', 1, daily(hour)))
    feed({ type: 'facts', facts: {} })
    pass(2 * hour + 1_000)
    const expected = { count: 1, closed: after(start, 2 * hour), reason: 'its contents were not here' }
    expect(missed()).toEqual(expected)
    expect(reports().at(-1)?.bundles[0]?.missed).toEqual(expected)
    pass(2 * day)
    expect(missed()?.count).toBe(3)
  })

  it('is told of a machine that was off, with how many passed, and over a restart', () => {
    const web = bundle('web', 1, daily(hour))
    publish(web)
    deliver(web)
    prepared('web')
    const journal = kept()
    stage.setNow(after(start, 3 * day))
    restart({}, journal)
    publish(web)
    expect(missed()).toEqual({ count: 3, closed: after(start, 2 * day + 2 * hour), reason: 'this machine was off' })
    restart({}, kept())
    publish(web)
    expect(missed()?.count).toBe(3)
  })

  it('is told of a machine that slept through it', () => {
    const web = bundle('web', 1, daily(hour))
    publish(web)
    deliver(web)
    prepared('web')
    stage.setNow(after(start, 5 * hour))
    feed({ type: 'wake' })
    expect(missed()).toMatchObject({ count: 1, reason: 'this machine slept, or its clock was set forward' })
  })

  it('is told of a machine that was paused, with why', () => {
    const web = bundle('web', 1, daily(hour))
    publish(web)
    deliver(web)
    prepared('web')
    feed({ type: 'pause', pause: { since: start, until: after(start, 3 * hour), reason: 'stocktaking' } })
    pass(2 * hour)
    expect(missed()).toEqual({ count: 1, closed: after(start, 2 * hour), reason: 'paused: stocktaking' })
  })

  it('is none while a bundle is withdrawn', () => {
    const web = bundle('web', 1, daily(hour))
    feed({ type: 'facts', facts: {} })
    publish(web)
    deliver(web)
    prepared('web')
    publish()
    pass(3 * day)
    publish(web)
    expect([state('web'), missed()]).toEqual(['fetching', undefined])
  })

  it('is not told of a clock that was set back out of its window', () => {
    const web = bundle('web', 1, daily(0))
    publish(web)
    stage.setNow(after(start, -2 * hour))
    feed({ type: 'clock-moved', movedMs: -2 * hour })
    expect(missed()).toBeUndefined()
  })

  it('is none for what is applied, and none without windows', () => {
    const web = bundle('web', 1, daily(0))
    publish(web)
    deliver(web)
    prepared('web')
    ended(done)
    pass(3 * day)
    expect(missed()).toBeUndefined()
    publish(bundle('web', 2))
    pass(3 * day)
    expect(missed()).toBeUndefined()
  })

  it('is counted up to a hundred in one look, however long the machine was off', () => {
    const web = bundle('web', 1, daily(hour))
    publish(web)
    deliver(web)
    prepared('web')
    const journal = kept()
    stage.setNow(after(start, 4_000 * day))
    restart({}, journal)
    publish(web)
    expect(missed()?.count).toBe(100)
  })

  it('has a reason in every state but where it is applied or being so, or is withdrawn', () => {
    const without = bundleStates.filter((one) => reasonFor(one, undefined) === undefined)
    expect(without).toEqual(['applying', 'applied', 'withdrawn'])
    expect(reasonFor('blocked', 'no engine: auto is not installed here')).toMatch(/no engine/)
  })
})

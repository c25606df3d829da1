import { beforeEach, describe, expect, it } from 'vitest'
import { hour, minute, type Instant } from '#base/time.ts'
import type { MonitorOutcome, MonitorState } from '#facts/monitor.ts'
import { Journal } from '#agent/journal.ts'
import type { Watch, WatchedMonitor } from '#agent/watch.ts'
import {
  agent,
  begin,
  bundle,
  deliver,
  feed,
  now,
  of,
  pass,
  publish,
  reports,
  restart,
  state,
  windowIn,
} from '../support/agent-stage.ts'

const monitor = (more: Partial<WatchedMonitor> = {}): WatchedMonitor => ({
  name: 'm',
  everyMs: minute,
  fails: 3,
  passes: 2,
  ...more,
})
const applied = (outcome: 'kept' | 'failed' = 'kept') =>
  feed({
    type: 'applied',
    name: 'web',
    version: 1,
    outcome: { type: 'results', results: [{ id: '0:file:/x', kind: 'file', outcome }] },
  })

function running(watch: Watch, custom: Record<string, unknown> = {}): void {
  feed({ type: 'facts', facts: { hostname: 'x' } })
  const web = bundle('web', 1, custom)
  publish(web)
  deliver(web)
  feed({ type: 'prepared', name: 'web', version: 1, outcome: { type: 'prepared', engine: 'cfengine', watch } })
  if (state('web') === 'prepared') feed({ type: 'apply-now' })
  applied()
  pass(1_000)
}
const watching = (...monitors: WatchedMonitor[]): Watch => ({ monitors })
const checked = (outcome: MonitorOutcome, name = 'm', said = `it is ${outcome}`) =>
  feed({ type: 'checked', name: 'web', version: 1, result: { name, outcome, said } })

/** Lets time pass; each check is answered at once. How many were made. */
function checking(ms: number, outcome: MonitorOutcome): number {
  let count = 0
  for (let left = ms; left > 0; left -= 10_000)
    for (const begun = of('check', pass(10_000)); begun.length > 0; count++)
      begun.push(...of('check', checked(outcome, begun.shift()?.monitor)))
  return count
}
/** So many runs with this outcome. */
function runs(count: number, outcome: MonitorOutcome): void {
  for (let made = 0; made < count;) made += checking(10_000, outcome)
}
const monitors = () => agent.watched(now).monitors
const stateNow = (): MonitorState | undefined => monitors()[0]?.state

beforeEach(begin)

describe('a state', () => {
  const ways: Record<MonitorState, () => void> = {
    unknown: () => {},
    ok: () => runs(1, 'pass'),
    failing: () => runs(3, 'fail'),
  }
  /** State, outcome, how many runs of it change the state, into what. */
  const table: [MonitorState, MonitorOutcome, number, MonitorState][] = [
    ['unknown', 'pass', 1, 'ok'],
    ['unknown', 'fail', 3, 'failing'],
    ['unknown', 'unknown', 1, 'unknown'],
    ['ok', 'pass', 1, 'ok'],
    ['ok', 'fail', 3, 'failing'],
    ['ok', 'unknown', 1, 'unknown'],
    ['failing', 'pass', 2, 'ok'],
    ['failing', 'fail', 1, 'failing'],
    ['failing', 'unknown', 1, 'unknown'],
  ]
  it.each(table)('%s after %s times %i is %s, and not before', (from, outcome, times, to) => {
    running(watching(monitor()))
    ways[from]()
    expect(stateNow()).toBe(from)
    for (let run = 1; run < times; run++) {
      runs(1, outcome)
      expect(stateNow()).toBe(from)
    }
    runs(1, outcome)
    expect(stateNow()).toBe(to)
  })

  it('counts in a row: one pass between the fails begins anew', () => {
    running(watching(monitor()))
    runs(1, 'pass')
    for (let turn = 0; turn < 4; turn++) {
      runs(2, 'fail')
      runs(1, 'pass')
    }
    expect(stateNow()).toBe('ok')
  })

  it('is reported when it changes, with since when and what was seen then, and not again', () => {
    running(watching(monitor({ fails: 1 })))
    runs(1, 'pass')
    pass(1_000)
    const before = reports().length
    runs(1, 'fail')
    const since = now
    expect(reports(pass(1_000)).at(-1)?.monitors).toEqual([
      { bundle: 'web', name: 'm', state: 'failing', since, said: 'it is fail' },
    ])
    checking(10 * minute, 'fail')
    expect(reports()).toHaveLength(before + 1)
  })

  it('and its time survive a restart', () => {
    running(watching(monitor({ fails: 1 })))
    runs(1, 'fail')
    const since = now
    restart({}, Journal.replay(Journal.replay(of('journal').map(({ entry }) => entry)).entries()))
    publish(bundle('web'))
    expect(monitors()).toMatchObject([{ state: 'failing', since }])
  })
})

describe('checks', () => {
  it('begin soon after the apply, are made at their interval, and never two of one monitor at once', () => {
    running(watching(monitor({ everyMs: 10 * minute })))
    expect(of('check', pass(30_000))).toHaveLength(1)
    expect(of('check', pass(hour))).toHaveLength(0)
    expect(of('check', checked('pass'))).toHaveLength(1)
    checked('pass')
    expect(checking(2 * hour, 'pass')).toBe(12)
  })

  it('are made four at a time', () => {
    const many = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => monitor({ name }))
    running(watching(...many))
    const begun = of('check', pass(minute)).map(({ monitor: name }) => name)
    expect(begun).toHaveLength(4)
    expect(of('check', checked('pass', begun[0]))).toHaveLength(1)
  })

  it('stop when the bundle is withdrawn, and what comes then counts for nothing', () => {
    running(watching(monitor()))
    pass(minute)
    expect(of('check')).toHaveLength(1)
    publish()
    checked('fail')
    expect([monitors(), of('check', pass(hour))]).toEqual([[], []])
    expect(reports().at(-1)?.monitors).toBeUndefined()
  })

  it('rest while the bundle is applied again, and what was seen then is no news', () => {
    running(watching(monitor({ fails: 1 })))
    runs(1, 'pass')
    pass(2 * minute)
    feed({ type: 'apply-now' })
    checked('fail')
    expect(stateNow()).toBe('ok')
    expect(of('check', pass(hour))).toEqual([])
    expect(of('check', applied())).toHaveLength(1)
  })
})

describe('react: apply', () => {
  /** Times of the applies within a time in which it fails all the while. */
  function applies(ms: number): Instant[] {
    const times: Instant[] = []
    for (let left = ms; left > 0; left -= 10_000) {
      const effects = pass(10_000)
      for (const _ of of('check', effects)) effects.push(...checked('fail'))
      if (of('apply', effects).length === 0) continue
      times.push(now)
      applied()
    }
    return times
  }

  it('applies the policy when it begins to fail, and again after an hour, two, four', () => {
    running(watching(monitor({ react: 'apply' })))
    runs(1, 'pass')
    const from = now
    const hours = applies(8 * hour).map((at) => Math.round((at - from) / hour))
    expect(hours).toEqual([0, 1, 3, 7])
  })

  it('does not for one that says nothing of it', () => {
    running(watching(monitor()))
    expect(applies(3 * hour)).toEqual([])
  })

  it('remembers its pause over a restart', () => {
    running(watching(monitor({ react: 'apply', fails: 1 })))
    expect(applies(5 * minute)).toHaveLength(1)
    restart({}, Journal.replay(of('journal').map(({ entry }) => entry)))
    publish(bundle('web'))
    expect(applies(50 * minute)).toHaveLength(0)
    expect(applies(20 * minute)).toHaveLength(1)
  })

  it('waits for the window, unless drift may be mended outside', () => {
    running(watching(monitor({ react: 'apply', fails: 1 })), windowIn(2 * hour))
    expect(applies(hour)).toHaveLength(0)
    expect(applies(90 * minute)).toHaveLength(1)
    begin()
    const drift = { everyMs: 24 * hour, mode: 'report' as const, outside: true }
    running({ drift, monitors: [monitor({ react: 'apply', fails: 1 })] }, windowIn(2 * hour))
    expect(applies(hour)).toHaveLength(1)
  })

  it('begins anew once it was well for long', () => {
    running(watching(monitor({ react: 'apply', fails: 1 })))
    expect(applies(2 * hour)).toHaveLength(2)
    checking(12 * hour, 'pass')
    const from = now
    expect(applies(4 * hour).map((at) => Math.round((at - from) / hour))).toEqual([0, 1, 3])
  })
})

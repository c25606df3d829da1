import { beforeEach, describe, expect, it } from 'vitest'
import { after, hour, minute, type Instant } from '#base/time.ts'
import type { Finding } from '#facts/finding.ts'
import type { ResourceOutcome } from '#facts/report.ts'
import { Journal } from '#agent/journal.ts'
import type { Watch } from '#agent/watch.ts'
import {
  agent,
  begin,
  bundle,
  deliver,
  effects,
  feed,
  now,
  of,
  pass,
  publish,
  reports,
  restart,
  setNow,
  state,
  windowIn,
} from '../support/agent-stage.ts'

const everyMs = 30 * minute
const watch = (mode: 'report' | 'repair' = 'report', outside = false): Watch => ({
  drift: { everyMs, mode, outside },
  monitors: [],
})
const resource = '0:file:/x'
const finding = (seen = 'other content', wanted = 'a'): Finding => ({
  bundle: 'web',
  resource,
  path: '/x',
  wanted,
  seen,
  since: 0,
})
const applied = (outcome: ResourceOutcome = 'kept', name = 'web'): void =>
  void feed({
    type: 'applied',
    name,
    version: 1,
    outcome: { type: 'results', results: [{ id: resource, kind: 'file', outcome }] },
  })
const observed = (findings: readonly Finding[], name = 'web') =>
  feed({ type: 'observed', name, version: 1, outcome: { type: 'findings', findings } })
const prepare = (name: string, watched?: Watch) =>
  feed({
    type: 'prepared',
    name,
    version: 1,
    outcome: { type: 'prepared', engine: 'cfengine', ...(watched && { watch: watched }) },
  })
/** Lets time pass; looks are answered at once. The times at which they were made. */
function looking(ms: number, findings: readonly Finding[] = []): Instant[] {
  const looks: Instant[] = []
  for (let left = ms; left > 0; left -= minute) {
    if (of('observe', pass(minute)).length === 0) continue
    looks.push(now)
    observed(findings)
  }
  return looks
}
const lastReport = () => reports(pass(1_000)).at(-1)

/** A bundle that is applied now. */
function running(watched?: Watch, custom: Record<string, unknown> = {}): void {
  feed({ type: 'facts', facts: { hostname: 'x' } })
  const web = bundle('web', 1, custom)
  publish(web)
  deliver(web)
  prepare('web', watched)
  if (state('web') === 'prepared') feed({ type: 'apply-now' })
  applied()
  expect(state('web')).toBe('applied')
  pass(1_000)
}

beforeEach(begin)

describe('a look', () => {
  it('is made within the interval, then again and again; without drift in the policy never', () => {
    running(watch())
    const from = now
    const looks = looking(5 * everyMs)
    expect(looks.length).toBeGreaterThanOrEqual(5)
    const [first, ...gaps] = looks.map((at, index) => at - (looks[index - 1] ?? from))
    for (const gap of [first, ...gaps]) expect(gap).toBeLessThanOrEqual(everyMs + minute)
    for (const gap of gaps) expect(gap).toBeGreaterThan(0.85 * everyMs)
    begin()
    running()
    expect(of('observe', pass(30 * everyMs))).toEqual([])
  })

  it('comes after a bundle that is to be applied, and while one is made nothing is applied', () => {
    running(watch())
    pass(everyMs)
    expect(of('observe')).toHaveLength(1)
    const other = bundle('a')
    publish(bundle('web'), other)
    deliver(other)
    expect(of('prepare').map(({ name }) => name)).toEqual(['web'])
    observed([])
    expect(of('prepare').map(({ name }) => name)).toEqual(['web', 'a'])
    pass(2 * everyMs)
    expect(of('observe')).toHaveLength(1)
    prepare('a')
    applied('kept', 'a')
    expect(of('observe')).toHaveLength(2)
  })

  it('is not made at a bundle whose apply fails', () => {
    running(watch())
    feed({ type: 'apply-now' })
    applied('failed')
    expect(state('web')).toBe('failed')
    feed({ type: 'look' })
    expect(of('observe', pass(20_000))).toEqual([])
  })

  it('is made at once where somebody asks, also without drift in the policy, and at those alone that he names', () => {
    running()
    expect(of('observe', feed({ type: 'look', names: ['other'] }))).toEqual([])
    expect(of('observe', feed({ type: 'look', names: ['web'] }))).toHaveLength(1)
    observed([finding()])
    expect(agent.watched(now)).toMatchObject({
      looks: [{ bundle: 'web', looks: 1 }],
      drift: [{ ...finding(), since: now }],
    })
  })

  it('is not put off by a clock that is set back', () => {
    running(watch())
    pass(everyMs)
    observed([])
    setNow(after(now, -100 * hour))
    feed({ type: 'wake' })
    expect(of('observe', pass(everyMs))).toHaveLength(1)
  })

  it('that fails says why, and what is known stays', () => {
    running(watch())
    pass(everyMs)
    observed([finding()])
    pass(everyMs)
    const outcome = { type: 'failed' as const, code: 'ENGINE_TIMEOUT', reason: 'ended' }
    feed({ type: 'observed', name: 'web', version: 1, outcome })
    expect(agent.watched(now)).toMatchObject({ looks: [{ failure: outcome }], drift: [{ resource }] })
    expect(of('observe', pass(everyMs))).toHaveLength(1)
  })

  it('alone does nothing else: no preparing, no applying, no look that nobody asked for', () => {
    running(watch('repair', true))
    pass(everyMs)
    observed([])
    const kept = Journal.replay(of('journal').map(({ entry }) => entry))
    pass(hour)
    restart({}, kept)
    feed({ type: 'look', names: [], alone: true })
    publish(bundle('web'), bundle('b'))
    setNow(after(now, 2 * hour))
    feed({ type: 'wake' })
    expect([effects, agent.nextWake()]).toEqual([[], undefined])
    expect(of('observe', feed({ type: 'look' }))).toHaveLength(1)
    observed([finding()])
    expect(effects.map(({ type }) => type)).toEqual(['observe', 'journal'])
  })
})

describe('what differs', () => {
  it('is reported soon, with the time it was first seen, and as long as it is the same it is no news', () => {
    running(watch())
    pass(everyMs)
    const since = now
    observed([finding()])
    expect(lastReport()?.drift).toEqual([{ ...finding(), since }])
    pass(everyMs)
    observed([finding()])
    expect(lastReport()).toBeUndefined()
    pass(everyMs)
    observed([finding('mode 0600')])
    expect(lastReport()?.drift).toEqual([{ ...finding('mode 0600'), since }])
    pass(everyMs)
    observed([])
    expect(lastReport()?.drift).toEqual([])
  })

  it('keeps its time over a restart, and is known before the first look', () => {
    running(watch())
    pass(everyMs)
    const since = now
    observed([finding()])
    restart({}, Journal.replay(Journal.replay(of('journal').map(({ entry }) => entry)).entries()))
    pass(5 * minute)
    feed({ type: 'facts', facts: { hostname: 'x' } })
    publish(bundle('web'))
    expect(lastReport()?.drift).toEqual([{ ...finding(), since }])
    pass(everyMs)
    observed([finding()])
    expect(agent.watched(now).drift).toEqual([{ ...finding(), since }])
  })

  it('is only reported in mode report: nothing is applied for it', () => {
    running(watch('report', true))
    pass(everyMs)
    expect(of('apply', observed([finding()]))).toEqual([])
  })

  it('ends with the version that it was seen of', () => {
    running(watch())
    pass(everyMs)
    observed([finding()])
    const next = bundle('web', 2)
    publish(next)
    deliver(next)
    feed({ type: 'prepared', name: 'web', version: 2, outcome: { type: 'prepared', engine: 'cfengine' } })
    expect(agent.watched(now).drift).toEqual([])
  })
})

describe('the journal', () => {
  it('gets no line of a look that found the same, but one a day', () => {
    running(watch())
    looking(everyMs, [finding()])
    const written = (): number => of('journal').filter(({ entry }) => entry.type === 'drift').length
    expect(written()).toBe(1)
    looking(23 * hour, [finding()])
    expect(written()).toBe(1)
    looking(2 * hour, [finding()])
    expect(written()).toBe(2)
  })

  it('has room for what a look finds, however much that is', () => {
    running(watch())
    const many = Array.from({ length: 2000 }, (_, index) => ({
      ...finding('x'.repeat(500)),
      resource: `${index}:file:/x`,
    }))
    looking(everyMs, many)
    const [entry] = of('journal').flatMap(({ entry: it }) => (it.type === 'drift' ? [it] : []))
    expect(JSON.stringify(entry).length).toBeLessThan(1_000_000)
    expect(entry?.findings.length).toBeGreaterThan(300)
  })
})

describe('repairing', () => {
  it('applies again, and reports what was seen and when it was mended', () => {
    running(watch('repair'))
    pass(everyMs)
    const since = now
    expect(of('apply', observed([finding()]))).toHaveLength(1)
    pass(2_000)
    applied('repaired')
    expect(lastReport()).toMatchObject({ drift: [], repaired: [{ ...finding(), since, repairedAt: since + 2_000 }] })
    pass(8 * 24 * hour)
    feed({ type: 'facts', facts: { hostname: 'y' } })
    expect(lastReport()?.repaired).toBeUndefined()
  })

  it('waits for the window, and says so', () => {
    running(watch('repair'), windowIn(3 * hour))
    pass(everyMs)
    expect(of('apply', observed([finding()]))).toEqual([])
    expect(agent.status()[0]).toMatchObject({ state: 'applied', reason: expect.stringContaining('window opens') })
    expect(lastReport()?.bundles[0]?.reason).toContain('window opens')
    const before = of('apply').length
    looking(3 * hour, [finding()])
    expect(of('apply')).toHaveLength(before + 1)
    applied('repaired')
    expect(agent.status()[0]?.reason).toBeUndefined()
  })

  it('with outside does not wait for the window', () => {
    running(watch('repair', true), windowIn(3 * hour))
    pass(everyMs)
    expect(of('apply', observed([finding()]))).toHaveLength(1)
  })

  it('that fails is a failed apply: what differs stays known', () => {
    running(watch('repair'))
    pass(everyMs)
    observed([finding()])
    applied('failed')
    expect([state('web'), agent.watched(now).drift.length]).toEqual(['failed', 1])
  })

  it('of what somebody put right before tells of no repair', () => {
    running(watch('repair'))
    pass(everyMs)
    observed([finding()])
    applied('kept')
    expect(agent.watched(now)).toMatchObject({ drift: [], repaired: [] })
  })
})

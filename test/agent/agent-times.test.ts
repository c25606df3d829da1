import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { after, day, hour, minute } from '#base/time.ts'
import type { AgentEffect } from '#agent/effect.ts'
import type { SignedBundle } from '#agent/assignment.ts'
import { Journal } from '#agent/journal.ts'
import type { Report } from '#facts/report.ts'
import {
  begin,
  setNow,
  now,
  agent,
  effects,
  restart,
  feed,
  pass,
  of,
  bundle,
  digestOf,
  manifests,
  publish,
  deliver,
  prepared,
  applied,
  state,
  reports,
  windowIn,
} from '../support/agent-stage.ts'

beforeEach(begin)

describe('a failure', () => {
  const failedPrepare = (): AgentEffect[] =>
    feed({ type: 'prepared', name: 'web', version: 1, outcome: { type: 'failed', reason: 'disk full' } })

  it('of prepare is tried again later and later, up to an hour apart, and says why', () => {
    const web = bundle('web')
    publish(web)
    deliver(web)
    const pauses: number[] = []
    for (let time = 0; time < 9; time++) {
      failedPrepare()
      expect(agent.status()[0]).toMatchObject({ state: 'failed', reason: 'disk full', prepared: false })
      const failedAt = now
      while (of('prepare', pass(minute)).length === 0) expect(now - failedAt).toBeLessThanOrEqual(hour)
      pauses.push(now - failedAt)
    }
    expect([pauses[0], pauses[1], pauses.at(-1)]).toEqual([minute, 2 * minute, hour])
    prepared('web')
    expect(agent.status()[0]).toMatchObject({ state: 'applying', reason: undefined })
  })

  it('of apply is tried again within the window, and not outside it', () => {
    const web = bundle('web', 1, windowIn(0))
    publish(web)
    deliver(web)
    prepared('web')
    applied('web', 1, 'failed')
    expect(agent.status()[0]).toMatchObject({ state: 'failed', reason: '0:file:/x', prepared: true })
    expect(of('apply', pass(minute))).toHaveLength(1)
    for (let time = 0; time < 20; time++) {
      applied('web', 1, 'failed')
      pass(10 * minute)
    }
    const late = of('apply').length
    expect(of('apply', pass(10 * day)).length + late).toBe(late)
  })

  it('because the prepared folder is gone leads back to prepare', () => {
    const web = bundle('web')
    publish(web)
    deliver(web)
    prepared('web')
    feed({ type: 'applied', name: 'web', version: 1, outcome: { type: 'failed', reason: 'gone', unprepared: true } })
    expect(of('prepare', pass(minute))).toHaveLength(1)
  })

  it('for want of an engine blocks, and prepares again until there is one', () => {
    const web = bundle('web')
    publish(web)
    deliver(web)
    feed({ type: 'prepared', name: 'web', version: 1, outcome: { type: 'engine-missing', reason: 'no engine' } })
    expect(agent.status()[0]).toMatchObject({ state: 'blocked', reason: 'no engine', prepared: true })
    expect(of('prepare', pass(minute))).toHaveLength(1)
    expect(of('apply', prepared('web'))).toHaveLength(1)
  })

  it('with the same end again and again is reported once', () => {
    const web = bundle('web')
    publish(web)
    feed({ type: 'facts', facts: { hostname: 'x' } })
    deliver(web)
    const tries: Report[] = []
    for (let number = 0; number < 5; number++) {
      feed({ type: 'prepared', name: 'web', version: 1, outcome: { type: 'engine-missing', reason: 'no engine' } })
      tries.push(...reports(pass(minute)))
    }
    expect(tries.map(({ bundles }) => bundles[0]?.state)).toEqual(['blocked'])
    pass(hour)
    prepared('web')
    applied('web', 1)
    expect(reports(pass(minute)).map(({ bundles }) => bundles[0]?.state)).toEqual(['applied'])
  })

  it('of a signed manifest that makes no sense stands until a new version, and says why', () => {
    const web = bundle('web')
    publish(web)
    feed({ type: 'manifest', content: digestOf(web), bytes: utf8('{}') })
    expect(state('web')).toBe('failed')
    expect(agent.status()[0]?.reason).toContain('manifest')
    expect(of('prepare', pass(day))).toEqual([])
    publish(bundle('web', 2))
    expect(state('web')).toBe('fetching')
  })

  it('to read a manifest that is here is tried again: the bundle does not wait for ever', () => {
    const web = bundle('web')
    publish(web)
    feed({ type: 'complete', content: digestOf(web) })
    feed({ type: 'manifest', content: digestOf(web), bytes: undefined })
    expect(agent.status()[0]).toMatchObject({ state: 'fetching', reason: 'its manifest could not be read' })
    expect(of('read-manifest', pass(minute))).toHaveLength(1)
    expect(of('prepare', deliver(web))).toHaveLength(1)
    expect(agent.status()[0]?.reason).toBeUndefined()
  })
})

describe('a window', () => {
  it('keeps a prepared bundle until it opens', () => {
    const web = bundle('web', 1, windowIn(2 * hour))
    publish(web)
    deliver(web)
    prepared('web')
    expect(of('apply', pass(2 * hour - 1))).toEqual([])
    expect(of('apply', pass(1))).toEqual([{ type: 'apply', name: 'web', version: 1 }])
  })

  it('that is over while the engine was busy is not entered late', () => {
    const [a, b] = [bundle('a'), bundle('b', 1, windowIn(0))]
    publish(a, b)
    deliver(a)
    deliver(b)
    prepared('a')
    setNow(after(now, 2 * hour))
    applied('a')
    prepared('b')
    expect([state('b'), of('apply').map(({ name }) => name)]).toEqual(['prepared', ['a']])
  })

  it('with prepare.ahead keeps even the fetch until it is near', () => {
    const web = bundle('web', 1, { ...windowIn(10 * hour), aheadMs: 2 * hour })
    expect(of('want', publish(web))).toEqual([])
    expect([state('web'), of('want', pass(8 * hour - 1))]).toEqual(['pending', []])
    expect(of('want', pass(1))).toHaveLength(1)
  })

  it.each([1e300, -1e300, 0.25, -3_600_000, 0])(
    'an absurd ahead of %s ms neither spins nor keeps a bundle for ever',
    (aheadMs) => {
      publish(bundle('web', 1, { ...windowIn(hour), aheadMs }))
      pass(hour)
      expect(of('want')).toHaveLength(1)
    },
  )

  it('that never opens again is no reason not to fetch', () => {
    expect(of('want', publish(bundle('web', 1, { ...windowIn(-24 * hour), aheadMs: hour })))).toHaveLength(1)
  })

  it('does not make a failed bundle wait for ever that had failed before the restart', () => {
    const web = bundle('web', 1, { ...windowIn(3 * hour), aheadMs: hour })
    const entry = {
      type: 'bundle',
      name: 'web',
      version: 1,
      state: 'failed',
      at: now,
      prepared: false,
      results: [],
    } as const
    restart({}, Journal.replay([entry]))
    publish(web)
    pass(2 * hour)
    expect(of('prepare', deliver(web))).toHaveLength(1)
  })
})

describe('apply now', () => {
  it('applies what is prepared, outside its window too, once', () => {
    const web = bundle('web', 1, windowIn(day))
    publish(web)
    deliver(web)
    prepared('web')
    expect(of('apply', feed({ type: 'apply-now' }))).toEqual([{ type: 'apply', name: 'web', version: 1 }])
    applied('web')
    expect(of('apply', pass(hour))).toEqual([])
    expect(of('apply', feed({ type: 'apply-now' }))).toHaveLength(1)
  })

  it('does not apply days later what was blocked when somebody asked', () => {
    const web = bundle('web', 1, windowIn(10 * day))
    publish(web)
    deliver(web)
    feed({ type: 'prepared', name: 'web', version: 1, outcome: { type: 'engine-missing', reason: 'no engine' } })
    feed({ type: 'apply-now' })
    pass(3 * day)
    expect([of('apply', prepared('web')), state('web')]).toEqual([[], 'prepared'])
  })

  it('leaves alone what is not prepared', () => {
    publish(bundle('web'))
    expect(feed({ type: 'apply-now' })).toEqual([])
  })
})

describe('after a restart', () => {
  const after1 = (web: SignedBundle): void => {
    restart({}, Journal.replay(of('journal').map(({ entry }) => JSON.parse(JSON.stringify(entry)) as unknown)))
    publish(web)
  }

  it('what was being applied when the power failed is applied again in its window', () => {
    const web = bundle('web', 1, windowIn(0))
    publish(web)
    deliver(web)
    prepared('web')
    after1(web)
    expect(of('apply')).toEqual([{ type: 'apply', name: 'web', version: 1 }])
  })

  it('what was applied stays so, and is not applied again', () => {
    const web = bundle('web')
    publish(web)
    deliver(web)
    prepared('web')
    applied('web')
    after1(web)
    deliver(web)
    expect([state('web'), of('apply'), of('prepare')]).toEqual(['applied', [], []])
  })

  it('an older version in the journal says nothing of the newer', () => {
    const web = bundle('web')
    publish(web)
    deliver(web)
    prepared('web')
    applied('web')
    after1(bundle('web', 2))
    expect(state('web')).toBe('fetching')
  })
})

describe('reports', () => {
  const ready = (): void => void feed({ type: 'facts', facts: { hostname: 'x' } })

  it('wait for facts and for the first release, then gather what settles together', () => {
    publish(bundle('web'))
    expect(reports(pass(day))).toEqual([])
    ready()
    expect(reports(pass(1_000))).toHaveLength(1)
    publish(bundle('web', 2), bundle('db'), bundle('mail'))
    expect(reports(pass(1_000))).toHaveLength(1)
    expect(reports(pass(day - minute))).toEqual([])
  })

  it('are numbered one by one; a number is in the journal before it is used, and never used again', () => {
    publish(bundle('web'))
    ready()
    pass(1_000)
    publish(bundle('web', 2))
    pass(1_000)
    expect(reports().map(({ seq }) => seq)).toEqual([1, 2])
    const order = effects.filter(
      (effect) => effect.type === 'report' || (effect.type === 'journal' && effect.entry.type === 'report'),
    )
    expect(order.map(({ type }) => type)).toEqual(['journal', 'report', 'journal', 'report'])
    restart({}, Journal.replay(of('journal').map(({ entry }) => entry)))
    publish(bundle('web', 3))
    ready()
    pass(1_000)
    expect(reports().map(({ seq }) => seq)).toEqual([3])
  })

  it('carry the facts once, and again when they changed', () => {
    const web = bundle('web')
    publish(web)
    ready()
    pass(1_000)
    deliver(web)
    feed({ type: 'prepared', name: 'web', version: 1, outcome: { type: 'failed', reason: 'syntax' } })
    ready()
    pass(1_000)
    feed({ type: 'facts', facts: { hostname: 'y' } })
    pass(1_000)
    expect(reports().map(({ facts }) => facts?.['hostname'])).toEqual(['x', undefined, 'y'])
  })
})

describe('how far a device is', () => {
  const before = { bundles: 1, prepared: 0, failed: 0, unsized: 0 }

  it('is told from the manifest on, which alone says what there is to fetch', () => {
    const web = bundle('web')
    publish(web)
    expect(agent.readiness()).toEqual({ ...before, unsized: 1 })
    const { bytes } = manifests.get(digestOf(web)) ?? {}
    feed({ type: 'complete', content: digestOf(web) })
    feed({ type: 'manifest', content: digestOf(web), bytes })
    expect(agent.readiness()).toEqual(before)
    deliver(web)
    feed({ type: 'prepared', name: 'web', version: 1, outcome: { type: 'failed', reason: 'disk full' } })
    expect(agent.readiness()).toEqual({ ...before, failed: 1 })
    pass(minute)
    prepared('web')
    expect(agent.readiness()).toEqual({ ...before, prepared: 1 })
    applied('web', 1, 'failed')
    expect(agent.readiness()).toEqual({ ...before, prepared: 1 })
  })

  it('does not count what is not to be fetched yet', () => {
    publish(bundle('web', 1, { ...windowIn(2 * hour), aheadMs: hour }))
    expect(agent.readiness()).toEqual({ ...before, bundles: 0 })
    pass(hour)
    expect(agent.readiness()).toEqual({ ...before, unsized: 1 })
  })

  it('is ready with what it holds for others as soon as all of it is here', () => {
    restart({ role: 'relay', labels: {} }, Journal.replay([]))
    const web = bundle('web')
    publish(web)
    expect(agent.readiness()).toEqual({ ...before, unsized: 1 })
    deliver(web)
    expect(agent.readiness()).toEqual({ ...before, prepared: 1 })
  })
})

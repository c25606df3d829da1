import { beforeEach, describe, expect, it } from 'vitest'
import { after, day, hour, instant, minute } from '#base/time.ts'
import { Journal } from '#agent/journal.ts'
import { encodeReport, readReport } from '#facts/report.ts'
import {
  agent,
  applied,
  begin,
  bundle,
  deliver,
  feed,
  now,
  of,
  pass,
  prepared,
  publish,
  reports,
  restart,
  setNow,
  start,
  state,
  windowIn,
} from '../support/agent-stage.ts'

beforeEach(() => {
  begin()
  feed({ type: 'facts', facts: {} })
})

const pause = (ms: number, name?: string) =>
  feed({
    type: 'pause',
    pause: { ...(name !== undefined && { bundle: name }), since: now, until: after(now, ms), reason: 'stocktaking' },
  })
const names = (): string[] => of('apply').map((effect) => effect.name)
const journal = (): Journal => Journal.replay(JSON.parse(JSON.stringify(of('journal').map(({ entry }) => entry))) as [])

/** Publishes bundles and lets them be prepared one after the other, as far as the engine is free. */
function prepare(...bundles: ReturnType<typeof bundle>[]): void {
  publish(...bundles)
  for (const signed of bundles) {
    deliver(signed)
    prepared(signed.name)
  }
}

describe('a paused machine', () => {
  it('prepares all the same and applies nothing until the time has come, then at once', () => {
    pause(4 * hour)
    prepare(bundle('web'))
    expect([state('web'), names()]).toEqual(['prepared', []])
    pass(4 * hour - 1)
    expect(names()).toEqual([])
    pass(1)
    expect([names(), agent.pauses.list()]).toEqual([['web'], []])
  })

  it('lets a window go by, and an urgent bundle wait', () => {
    restart({}, Journal.replay([]), { urgent: 'any' })
    feed({ type: 'facts', facts: {} })
    pause(4 * hour)
    prepare(bundle('web', 1, { ...windowIn(hour), urgent: true }), bundle('till', 1, windowIn(hour)))
    pass(5 * hour)
    expect([names(), state('till')]).toEqual([['web'], 'prepared'])
  })

  it('does not apply again what failed, and what runs already runs on', () => {
    prepare(bundle('web'))
    pause(4 * hour)
    applied('web', 1, 'failed')
    pass(3 * hour)
    expect([names(), state('web')]).toEqual([['web'], 'failed'])
    pass(2 * hour)
    expect(names()).toEqual(['web', 'web'])
  })

  it('looks for drift and repairs none', () => {
    publish(bundle('web'))
    deliver(bundle('web'))
    const watch = { drift: { everyMs: hour, mode: 'repair' as const, outside: true }, monitors: [] }
    feed({ type: 'prepared', name: 'web', version: 1, outcome: { type: 'prepared', engine: 'cfengine', watch } })
    applied('web')
    pause(4 * hour)
    const finding = { bundle: 'web', resource: '0:file:/x', wanted: 'a', seen: 'b', since: now }
    /** Minute by minute, each look answered at once. */
    const look = (ms: number): void => {
      for (let left = ms; left > 0; left -= minute)
        if (of('observe', pass(minute)).length > 0)
          feed({ type: 'observed', name: 'web', version: 1, outcome: { type: 'findings', findings: [finding] } })
    }
    look(4 * hour - minute)
    expect([of('observe').length, names()]).toEqual([expect.toSatisfy((looks) => looks >= 3), ['web']])
    look(minute)
    expect(names()).toEqual(['web', 'web'])
  })

  it('does not even where somebody asks to apply now, and remembers no such wish', () => {
    prepare(bundle('web', 1, windowIn(10 * hour)))
    pause(hour)
    feed({ type: 'apply-now' })
    pass(2 * hour)
    expect(names()).toEqual([])
    feed({ type: 'apply-now' })
    expect(names()).toEqual(['web'])
  })

  it('is still paused after a restart, and one that was over by then is not', () => {
    pause(4 * hour)
    pause(hour, 'web')
    restart({}, journal())
    setNow(after(now, 2 * hour))
    feed({ type: 'facts', facts: {} })
    prepare(bundle('web'))
    expect([agent.pauses.list().map((one) => one.bundle), names()]).toEqual([[undefined], []])
    feed({ type: 'resume' })
    expect(names()).toEqual(['web'])
    restart({}, journal())
    expect(agent.pauses.list()).toEqual([])
  })
})

describe('a paused bundle', () => {
  it('alone waits', () => {
    pause(hour, 'web')
    prepare(bundle('web'), bundle('till'))
    expect(names()).toEqual(['till'])
    applied('till')
    pass(hour)
    expect(names()).toEqual(['till', 'web'])
  })

  it('waits for the later end of its own pause and that of the machine', () => {
    pause(2 * hour, 'web')
    pause(hour)
    prepare(bundle('web'))
    pass(hour)
    expect(agent.pauses.of('web', now)?.bundle).toBe('web')
    expect(agent.pauses.of('till', now)).toBeUndefined()
    pass(hour)
    expect(names()).toEqual(['web'])
  })

  it('is paused once more where that is said again, and freed by its name alone', () => {
    pause(hour, 'web')
    pause(3 * hour, 'web')
    pause(hour, 'till')
    expect(agent.pauses.list().map((one) => [one.bundle, one.until - start])).toEqual([
      ['till', hour],
      ['web', 3 * hour],
    ])
    feed({ type: 'resume', bundle: 'web' })
    prepare(bundle('web'))
    expect([names(), agent.pauses.list().length]).toEqual([['web'], 1])
  })
})

describe('the origin', () => {
  it('hears of a pause with its reason and end, and that it is over', () => {
    publish()
    pass(1_000)
    pause(hour, 'web')
    pass(1_000)
    const [report] = reports().slice(-1)
    expect(report?.pauses).toEqual([
      { bundle: 'web', since: start + 1_000, until: start + 1_000 + hour, reason: 'stocktaking' },
    ])
    expect(report && readReport(encodeReport(report))).toEqual(report)
    pass(hour)
    expect(reports().at(-1)).not.toHaveProperty('pauses')
    // Nothing but the word of a day.
    expect(agent.nextWake()).toBeGreaterThan(after(now, 12 * hour))
  })
})

describe('a clock that is set back by a year', () => {
  it('does not make a pause last that long', () => {
    pause(hour)
    setNow(instant(start - 365 * day))
    prepare(bundle('web'))
    expect(names()).toEqual(['web'])
    pass(minute)
  })
})

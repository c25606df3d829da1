import { beforeEach, describe, expect, it } from 'vitest'
import { after, day, hour } from '#base/time.ts'
import { Journal } from '#agent/journal.ts'
import { encodeReport, readReport } from '#facts/report.ts'
import {
  begin,
  agent,
  applied,
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
  state,
} from '../support/agent-stage.ts'

beforeEach(begin)
const facts = (more = {}) => feed({ type: 'facts', facts: { hostname: 'x', ...more } })
const journal = (): Journal => Journal.replay(of('journal').map(({ entry }) => entry))

/** A bundle that this device has applied. */
function apply(name: string, version = 1, custom = {}): void {
  publish(bundle(name, version, custom))
  deliver(bundle(name, version, custom))
  prepared(name, version)
  applied(name, version)
  pass(1_000)
}

describe('a bundle that is no longer in the release', () => {
  it('is told as withdrawn with the time, once to the origin, and nothing is done about it', () => {
    facts()
    apply('web')
    const appliedAt = reports().at(-1)?.bundles[0]?.appliedAt
    pass(hour)
    const at = now
    publish()
    const effects = pass(2 * hour)
    expect(agent.status()).toEqual([
      expect.objectContaining({ name: 'web', version: 1, state: 'withdrawn', prepared: false, withdrawnAt: at }),
    ])
    expect([of('apply', effects), of('prepare', effects)]).toEqual([[], []])
    expect(reports(effects)).toHaveLength(1)
    const [report] = reports(effects)
    expect(report?.bundles).toEqual([
      { name: 'web', version: 1, state: 'withdrawn', withdrawnAt: at, appliedAt, results: [] },
    ])
    expect(report && readReport(encodeReport(report))).toEqual(report)
  })

  it('is shown for a week, also after a restart, and then the origin hears that it is gone', () => {
    facts()
    apply('web')
    publish()
    pass(3 * day)
    restart({}, journal())
    publish()
    facts()
    pass(1_000)
    expect([state('web'), reports().at(-1)?.bundles.length]).toEqual(['withdrawn', 1])
    pass(4 * day - hour)
    expect(state('web')).toBe('withdrawn')
    pass(2 * hour)
    expect([agent.status(), reports().at(-1)?.bundles]).toEqual([[], []])
    // Nothing but the word of a day.
    expect(agent.nextWake()).toBeGreaterThan(after(now, 12 * hour))
  })

  it('is noticed by a device that was off when it was withdrawn', () => {
    facts()
    apply('web')
    restart({}, journal())
    setNow(after(now, day))
    publish(bundle('till'))
    expect(state('web')).toBeUndefined()
    facts()
    expect([state('web'), of('journal').filter(({ entry }) => entry.type === 'bundle').length]).toEqual([
      'withdrawn',
      1,
    ])
  })

  it('is not named where nothing was done with it here', () => {
    facts()
    publish(bundle('web'))
    publish()
    expect(agent.status()).toEqual([])
  })

  it('and comes back under a higher number, is begun anew', () => {
    facts()
    apply('web')
    publish()
    pass(hour)
    apply('web', 2)
    expect(state('web')).toBe('applied')
    expect(reports().at(-1)?.bundles).toMatchObject([{ name: 'web', version: 2, state: 'applied' }])
  })
})

describe('a bundle that is no longer selected', () => {
  const linux = { select: { facts: { os: 'linux' } } }

  it('is withdrawn too, and applied anew where it is selected again, though its version is the same', () => {
    facts({ os: 'linux' })
    apply('web', 1, linux)
    facts({ os: 'bsd' })
    expect(state('web')).toBe('withdrawn')
    facts({ os: 'linux' })
    expect(state('web')).toBe('fetching')
    deliver(bundle('web', 1, linux))
    prepared('web')
    expect(of('apply')).toHaveLength(2)
  })

  it('is not called so while facts are unknown after a restart', () => {
    facts({ os: 'linux' })
    apply('web', 1, linux)
    restart({}, journal())
    const signed = bundle('web', 1, linux)
    publish(signed)
    pass(1_000)
    facts({ os: 'linux' })
    pass(1_000)
    deliver(signed)
    expect(state('web')).toBe('applied')
  })

  it('is not called so where the facts are known before the release', () => {
    facts({ os: 'linux' })
    apply('web', 1, linux)
    restart({}, journal())
    facts({ os: 'linux' })
    pass(1_000)
    publish(bundle('web', 1, linux))
    expect(state('web')).toBe('applied')
  })

  it('is not called so where this program does not understand its signed words', () => {
    facts()
    apply('web')
    publish(bundle('web', 2, { select: 'by the moon' }))
    expect(agent.status()).toEqual([])
  })
})

describe('withdrawals', () => {
  it('are told as far as the newest 32', () => {
    facts()
    const all = Array.from({ length: 40 }, (_, index) => bundle(`b${String(index).padStart(2, '0')}`))
    for (const signed of all) {
      publish(...all.slice(0, all.indexOf(signed) + 1))
      deliver(signed)
      prepared(signed.name)
      applied(signed.name)
    }
    publish(...all.slice(8))
    pass(1_000)
    publish()
    pass(1_000)
    expect(agent.status().map(({ name }) => name)).toEqual(all.slice(8).map(({ name }) => name))
  })
})

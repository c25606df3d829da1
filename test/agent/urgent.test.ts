import { beforeEach, describe, expect, it } from 'vitest'
import { hour } from '#base/time.ts'
import { Journal } from '#agent/journal.ts'
import {
  agent,
  applied,
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
  state,
  windowIn,
} from '../support/agent-stage.ts'

beforeEach(begin)

/** A device that allows urgent bundles at any time, or not, is given one whose window opens in ten hours. */
function given(urgent: 'window' | 'any', custom: Record<string, unknown> = { urgent: true }): void {
  restart({}, Journal.replay([]), { urgent })
  feed({ type: 'facts', facts: {} })
  const web = bundle('web', 1, { ...windowIn(10 * hour), aheadMs: hour, ...custom })
  publish(web)
  if (of('want').length === 0) return
  deliver(web)
  prepared('web')
}

describe('an urgent bundle', () => {
  it('is fetched at once, whatever prepare.ahead says, and waits for its window where the device allows no more', () => {
    given('window')
    expect([state('web'), of('apply').length]).toEqual(['prepared', 0])
    expect(of('apply', pass(10 * hour))).toHaveLength(1)
  })

  it('is applied at once where the device allows it, and is no more so once it was', () => {
    given('any')
    expect(of('apply')).toEqual([{ type: 'apply', name: 'web', version: 1 }])
    applied('web')
    expect(of('apply', pass(hour))).toEqual([])
  })

  it('that failed is tried again outside its window too', () => {
    given('any')
    applied('web', 1, 'failed')
    expect(of('apply', pass(2 * 60_000))).toHaveLength(1)
  })

  it('is called so in status and reports, and others are not', () => {
    given('any')
    pass(1_000)
    expect([agent.status()[0]?.urgent, reports().at(-1)?.bundles[0]?.urgent]).toEqual([true, true])
    given('any', {})
    publish(bundle('till'))
    pass(1_000)
    expect(agent.status().map(({ urgent }) => urgent)).toEqual([undefined])
    expect(reports().at(-1)?.bundles[0]).not.toHaveProperty('urgent')
  })
})

describe('a bundle that is not urgent', () => {
  it('keeps to prepare.ahead and to its window, also where urgent ones need not', () => {
    given('any', {})
    expect(of('want')).toEqual([])
    pass(9 * hour)
    expect([of('want').length, of('apply').length]).toEqual([1, 0])
  })
})

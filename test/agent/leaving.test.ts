import { beforeEach, describe, expect, it } from 'vitest'
import { hour } from '#base/time.ts'
import { encodeReport, readReport } from '#facts/report.ts'
import { agent, begin, bundle, deliver, feed, of, pass, prepared, publish, reports } from '../support/agent-stage.ts'

beforeEach(begin)

describe('a device that leaves', () => {
  it('says so at once in a last report, and begins nothing any more', () => {
    feed({ type: 'facts', facts: {} })
    const web = bundle('web')
    publish(web)
    pass(1_000)
    const [report] = reports(feed({ type: 'leaving' }))
    expect(report).toMatchObject({ left: true, bundles: [{ name: 'web' }] })
    expect(report && readReport(encodeReport(report))).toEqual(report)
    expect(agent.isGone).toBe(true)
    deliver(web)
    prepared('web')
    feed({ type: 'apply-now' })
    pass(hour)
    expect([of('prepare'), of('apply')]).toEqual([[], []])
  })

  it('that never had a release tells nobody: there is no key to seal it to', () => {
    expect(reports(feed({ type: 'leaving' }))).toEqual([])
    expect(agent.isGone).toBe(false)
  })
})

/** An agent whose applies are on probation: what the trial of one bundle means for its state, the journal, the report and other bundles. */
import { beforeEach, describe, expect, it } from 'vitest'
import { hour, minute } from '#base/time.ts'
import type { AgentEffect } from '#agent/effect.ts'
import { Journal } from '#agent/journal.ts'
import * as stage from '../support/agent-stage.ts'
import { applied, bundle, deliver, feed, of, pass, prepared, publish, reports, state } from '../support/agent-stage.ts'

const graceMs = 12_000
const web = bundle('web')

/** Prepared, and up to the run of the engine. */
function begin(): void {
  publish(web)
  deliver(web)
  prepared('web')
  known(true)
}
function known(ok: boolean): AgentEffect[] {
  return [
    ...feed({ type: 'kept', lacking: [] }),
    ...feed({ type: 'probed', name: 'web', version: 1, checks: [] }),
    ...feed({ type: 'reach', ok }),
  ]
}
function wentBack(): void {
  feed({ type: 'restored', uncovered: [], lacking: [] })
  pass(0)
  feed({ type: 'reach', ok: true })
}
/** The process ends, and another goes on from what is in the journal. */
function kill(): void {
  const lines = of('journal').map(({ entry }) => JSON.parse(JSON.stringify(entry)) as unknown)
  stage.restart({}, Journal.replay(lines), { graceMs })
  feed({ type: 'facts', facts: {} })
}

beforeEach(() => {
  stage.begin()
  stage.restart({}, Journal.replay([]), { graceMs })
  feed({ type: 'facts', facts: {} })
})

describe('an apply on probation', () => {
  it('is applying until a neighbour is reached, and one report tells its end', () => {
    begin()
    applied('web', 1, 'repaired')
    pass(minute / 60)
    expect(state('web')).toBe('applying')
    feed({ type: 'reach', ok: true })
    expect(state('web')).toBe('applied')
    pass(hour)
    const ends = reports().filter(({ bundles }) => bundles[0]?.state === 'applied')
    expect(ends).toHaveLength(1)
  })

  it('ends with its window before the engine has come to its end, and is watched beyond it', () => {
    const soon = bundle('web', 1, stage.windowIn(minute - hour))
    const started = (): void => {
      publish(soon)
      deliver(soon)
      prepared('web')
    }
    const end = [{ type: 'end-apply', name: 'web', version: 1 }]
    started()
    expect(of('end-apply', pass(minute))).toEqual(end)
    known(true)
    expect(of('apply')).toHaveLength(1)
    expect(of('end-apply', pass(hour))).toEqual([])
    stage.begin()
    stage.restart({}, Journal.replay([]), { graceMs: 2 * minute })
    feed({ type: 'facts', facts: {} })
    started()
    known(true)
    applied('web', 1, 'repaired')
    expect(of('end-apply', pass(minute))).toEqual([])
    feed({ type: 'reach', ok: true })
    expect(state('web')).toBe('applied')
  })

  it('keeps other bundles waiting until then', () => {
    begin()
    const other = bundle('other')
    publish(web, other)
    deliver(other)
    applied('web', 1, 'repaired')
    expect(of('prepare').map(({ name }) => name)).toEqual(['web'])
    pass(1_000)
    feed({ type: 'reach', ok: true })
    expect(of('prepare').map(({ name }) => name)).toEqual(['web', 'other'])
  })

  it('that went back has failed, with the reason, and is tried again only after an hour, or when somebody asks', () => {
    begin()
    applied('web', 1, 'repaired')
    pass(2 * graceMs)
    expect(of('restore')).toHaveLength(1)
    wentBack()
    expect(state('web')).toBe('failed')
    pass(minute)
    expect(reports().at(-1)?.bundles[0]).toMatchObject({
      state: 'failed',
      reason: 'rolled back: no neighbour was reached within 12 s',
    })
    expect(pass(58 * minute)).not.toContainEqual(expect.objectContaining({ type: 'keep' }))
    expect(of('keep', pass(2 * minute))).toHaveLength(1)
    known(false)
    applied('web', 1, 'repaired')
    expect(state('web')).toBe('applied')
  })

  it('that went back is not tried again at once by a restart', () => {
    begin()
    applied('web', 1, 'repaired')
    pass(2 * graceMs)
    wentBack()
    kill()
    publish(web)
    deliver(web)
    expect(of('keep', pass(59 * minute))).toEqual([])
    feed({ type: 'apply-now' })
    expect(of('keep')).toHaveLength(1)
  })

  it('killed while it runs, is watched first, and then applied again', () => {
    begin()
    kill()
    publish(web)
    deliver(web)
    expect(of('apply')).toEqual([])
    pass(1_000)
    feed({ type: 'reach', ok: true })
    expect(of('forget')).toHaveLength(1)
    expect(of('keep')).toHaveLength(1)
    known(true)
    expect(of('apply')).toHaveLength(1)
  })

  it('killed after it, ends by the results that it had, without another run', () => {
    begin()
    applied('web', 1, 'repaired')
    kill()
    publish(web)
    deliver(web)
    pass(1_000)
    feed({ type: 'reach', ok: true })
    expect(state('web')).toBe('applied')
    expect(of('apply')).toEqual([])
    kill()
    publish(web)
    expect(state('web')).toBe('applied')
    expect(stage.agent.nextWake()).not.toBe(0)
  })

  it('goes back although a newer version is wanted by then, which waits for that', () => {
    begin()
    applied('web', 1, 'repaired')
    const newer = bundle('web', 2)
    publish(newer)
    deliver(newer)
    pass(2 * graceMs)
    expect(of('restore')).toEqual([expect.objectContaining({ version: 1 })])
    expect(of('prepare').map(({ version }) => version)).toEqual([1])
    wentBack()
    expect(of('prepare').map(({ version }) => version)).toEqual([1, 2])
    expect(of('journal').at(-1)?.entry).toMatchObject({ type: 'trial', phase: 'ended' })
  })

  it('is still brought to its end where probation was switched off meanwhile', () => {
    begin()
    applied('web', 1, 'repaired')
    const lines = of('journal').map(({ entry }) => entry)
    stage.restart({}, Journal.replay(lines))
    publish(web)
    deliver(web)
    pass(3 * minute)
    expect(of('restore')).toHaveLength(1)
  })

  it('does not keep a look without a daemon waiting, and is left as it is', () => {
    begin()
    applied('web', 1, 'repaired')
    kill()
    feed({ type: 'look', alone: true })
    publish(web)
    expect(pass(minute)).toEqual([])
    expect(of('restore')).toEqual([])
    expect(of('reach')).toEqual([])
  })
})

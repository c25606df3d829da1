import { beforeEach, describe, expect, it } from 'vitest'
import { sha256 } from '#base/digest.ts'
import { after, day, hour, minute, toDate } from '#base/time.ts'
import { encodeManifest } from '#content/manifest.ts'
import { unpackReport } from '#origin/report-body.ts'
import { of, Site, siteStart, Stage } from '../support/site.ts'

const bytes = encodeManifest({ name: 'web', version: 1, contents: [], files: [] })
const manifest = { digest: sha256(bytes), length: bytes.byteLength }
const windowAt = (ms: number): Record<string, unknown> => ({
  windows: [{ start: toDate(after(siteStart, ms)).slice(0, 19), durationMs: hour, zone: 'UTC' }],
})

let site: Site
let stage: Stage
beforeEach(() => {
  site = new Site()
  stage = new Stage(site, site.person('alice'))
})

const setBack = (ms: number): void => void stage.feed({ type: 'clock', aheadMs: -ms })

/** A bundle that is prepared, for a window that opens so much after the start by the wall. */
function prepared(opensMs: number): void {
  stage.feed({
    type: 'metadata',
    pack: site.release([{ name: 'web', version: 1, manifest, custom: windowAt(opensMs) }]),
  })
  stage.feed({ type: 'added', refs: [manifest] })
  stage.feed({ type: 'opened', content: manifest.digest, chunks: 1, have: Uint8Array.of(1) })
  stage.feed({ type: 'manifest', content: manifest.digest, bytes })
  stage.feed({ type: 'prepared', name: 'web', version: 1, outcome: { type: 'prepared', engine: 'cfengine' } })
}

describe('a member whose clock is set back', () => {
  it('keeps every timer: what was due in a second is not due in an hour and a second', () => {
    stage.start()
    stage.feed({ type: 'facts', facts: {} })
    const due = stage.member.nextWake()
    setBack(hour)
    expect(stage.member.nextWake()).toBeLessThanOrEqual(due ?? 0)
    const { peer } = site.person('stranger')
    const link = stage.linkUp({ ...site.person('bob'), peer })
    const said = stage.pass(minute)
    expect(
      of('close', said).map((effect) => effect.link),
      'who does not greet is dismissed in time',
    ).toContain(link)
  })

  it('reports what was to be reported, with the date on the wall', () => {
    stage.start()
    stage.feed({ type: 'metadata', pack: site.release([]) })
    stage.feed({ type: 'facts', facts: {} })
    setBack(hour)
    const sealed = of('seal', stage.pass(1_000))
    expect(sealed).toHaveLength(1)
    const { report } = unpackReport(sealed[0]?.body ?? new Uint8Array())
    expect(report.at).toBe(siteStart - hour + 300)
  })

  it('opens a window by the wall: an hour later, and not a second time for what it applied', () => {
    stage.start()
    prepared(2 * hour)
    setBack(hour)
    expect(of('apply', stage.pass(3 * hour - 1))).toEqual([])
    expect(of('apply', stage.pass(1))).toHaveLength(1)
    stage.feed({ type: 'applied', name: 'web', version: 1, outcome: { type: 'results', results: [] } })
    setBack(2 * hour)
    expect(of('apply', stage.pass(day))).toEqual([])
  })

  it('closes a window that has not opened yet by the new time', () => {
    stage.start()
    prepared(0)
    expect(of('apply', stage.effects)).toHaveLength(1)
    stage.feed({ type: 'applied', name: 'web', version: 1, outcome: { type: 'failed', reason: 'no' } })
    setBack(2 * hour)
    expect(of('apply', stage.pass(2 * hour - 1)), 'not tried again before it opens').toEqual([])
    expect(of('apply', stage.pass(1))).toHaveLength(1)
  })

  it('judges memberships by the wall: one that is over is good again, and over at its date', () => {
    stage.start()
    const link = stage.meet(site.person('bob', { lifetimeMs: 2 * hour }))
    setBack(5 * hour)
    expect(of('close', stage.pass(4 * hour)).filter((effect) => effect.link === link)).toEqual([])
    expect(of('close', stage.pass(3 * hour + minute)).map((effect) => effect.link)).toContain(link)
  })
})

import { describe, expect, it } from 'vitest'
import { outlook, type SiteMember } from '#protocol/outlook.ts'
import type { ProgressRow } from '#protocol/progress-row.ts'
import { Site } from '../support/site.ts'

const site = new Site()
const ready: ProgressRow = { release: 4, bundles: 2, prepared: 2, failed: 0, unsized: 0, missing: 0, rate: 0 }

function member(name: string, row: Partial<ProgressRow> | undefined = {}, more: Partial<SiteMember> = {}): SiteMember {
  const { peer } = site.person(name)
  return { peer, name, role: 'client', present: true, ageMs: 0, row: row && { ...ready, ...row }, ...more }
}
const relay = (
  line: Partial<NonNullable<ProgressRow['line']>>,
  more: Partial<ProgressRow> = {},
  ageMs = 0,
): SiteMember =>
  member(
    'relay',
    { missing: 10_000_000, prepared: 1, ...more, line: { missing: 0, unfound: 0, rate: 0, ...line } },
    { ageMs },
  )
const fetching = (name: string, missing: number, rate: number, ageMs = 0): SiteMember =>
  member(name, { prepared: 1, missing, rate }, { ageMs })

describe('the outlook of a site', () => {
  it('is ready when every member has prepared all that it is to have', () => {
    expect(outlook([member('a'), member('b')])).toMatchObject({ ready: true, limit: undefined, readyInMs: 0 })
  })

  it('does not wait for a member that is not there', () => {
    expect(outlook([member('a'), member('b', { missing: 5 }, { present: false })]).ready).toBe(true)
  })

  it.each([
    ['somebody has an older release', { release: 3 }, 'release'],
    ['somebody unpacks', { prepared: 1 }, 'preparing'],
    ['somebody could not prepare', { prepared: 1, failed: 1 }, 'failed'],
    ['somebody knows no manifest yet', { prepared: 1, unsized: 1 }, 'lan'],
  ] as const)('is not ready while %s', (_what, row, limit) => {
    expect(outlook([member('a'), member('b', row)])).toMatchObject({ ready: false, limit, readyInMs: undefined })
  })

  it('is not ready while somebody who is there has said nothing', () => {
    expect(outlook([member('a'), member('b', undefined, { row: undefined })])).toMatchObject({ limit: 'release' })
  })

  it('over the line is what the site lacks by the rate of the line, and a moment for the LAN', () => {
    const seen = outlook([relay({ missing: 8_000_000, rate: 1_000_000 }), fetching('a', 8_100_000, 1_000_000)])
    expect(seen).toMatchObject({ limit: 'line', missingBytes: 8_000_000, rateBytesPerSecond: 1_000_000 })
    expect(seen.readyInMs).toBe(8_500)
  })

  it('carries forward what was said some seconds ago', () => {
    const seen = outlook([
      relay({ missing: 8_000_000, rate: 1_000_000 }, {}, 2_000),
      fetching('a', 8_000_000, 1_000_000, 2_000),
    ])
    expect([seen.missingBytes, seen.readyInMs]).toEqual([6_000_000, 6_500])
  })

  it('of two that share the line is the same: each sees what both bring', () => {
    const two = [
      relay({ missing: 8_000_000, rate: 1_000_000 }),
      { ...relay({ missing: 8_000_000, rate: 990_000 }), name: 'b' },
    ]
    expect(outlook(two).readyInMs).toBe(8_500)
  })

  it('cannot be told before anything came, or while it is not known what is missing', () => {
    expect(outlook([relay({ missing: 8_000_000 })])).toMatchObject({ limit: 'line', readyInMs: undefined })
    const unsized = [relay({ missing: 8_000_000, rate: 1_000_000 }, { unsized: 1 })]
    expect(outlook(unsized)).toMatchObject({ limit: 'line', readyInMs: undefined })
  })

  it('is none where nobody within reach has it', () => {
    const lost = [relay({ missing: 8_000_000, unfound: 8_000_000 }), fetching('a', 8_000_000, 0)]
    expect(outlook(lost)).toMatchObject({ limit: 'nobody-has-it', missingBytes: 8_000_000, readyInMs: undefined })
    expect(outlook([fetching('a', 500, 0)])).toMatchObject({ limit: 'nobody-has-it', missingBytes: 500 })
  })

  it('once the line is done is the member that waits longest, at its own rate', () => {
    const seen = outlook([relay({}, { missing: 0, prepared: 2 }), fetching('a', 400, 100), fetching('b', 900, 300)])
    expect(seen).toMatchObject({ limit: 'lan', missingBytes: 400, rateBytesPerSecond: 100, readyInMs: 4_500 })
  })

  it('is the LAN, too, where a member falls far behind the line', () => {
    const slow = fetching('slow', 16_000_000, 200_000)
    expect(outlook([relay({ missing: 8_000_000, rate: 1_000_000 }), slow])).toMatchObject({
      limit: 'lan',
      readyInMs: 80_500,
    })
  })

  it('is still the line where a late joiner has much to catch up with on a fast LAN', () => {
    const late = fetching('late', 16_000_000, 40_000_000)
    expect(outlook([relay({ missing: 8_000_000, rate: 1_000_000 }), late])).toMatchObject({
      limit: 'line',
      readyInMs: 8_500,
    })
  })
})

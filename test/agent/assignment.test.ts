import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { assignmentOf, mayConcernSite, type SignedBundle } from '#agent/assignment.ts'

const manifest = { digest: sha256(utf8('manifest')), length: 10 }
const signed = (custom: Record<string, unknown> = {}, more: Partial<SignedBundle> = {}): SignedBundle => ({
  name: 'web',
  version: 2,
  manifest,
  custom,
  ...more,
})

describe('what a signed target says', () => {
  it('is for everybody, at any time, as soon as it is there, where it says nothing else', () => {
    expect(assignmentOf(signed())).toEqual({
      name: 'web',
      version: 2,
      manifest,
      select: undefined,
      urgent: false,
      windows: [],
      aheadMs: undefined,
    })
  })

  it('is for whom, when, and how long before', () => {
    const windows = [{ start: '2026-03-07T02:00', durationMs: 3_600_000, zone: 'Europe/Berlin' }]
    const assignment = assignmentOf(signed({ select: { sites: ['berlin'] }, windows, aheadMs: 60_000, bytes: 5 }))
    expect(assignment).toMatchObject({ select: { sites: ['berlin'] }, windows, aheadMs: 60_000 })
  })

  it.each([
    ['a select of a newer origin', signed({ select: { phase: 'moon' } })],
    ['windows that are none', signed({ windows: [{ start: 'soon' }] })],
    ['a manifest without a digest', signed({}, { manifest: { digest: 'x', length: 10 } })],
    ['a large manifest without a list', signed({}, { manifest: { ...manifest, length: 1_000_000 } })],
  ])('that is not understood leaves the bundle alone: %s', (_what, bundle) => {
    expect(assignmentOf(bundle)).toBeUndefined()
  })

  it('is urgent only where it says so', () => {
    const said = [true, false, 'yes', undefined].map((urgent) => assignmentOf(signed({ urgent }))?.urgent)
    expect(said).toEqual([true, false, false, false])
  })

  it('of a time ahead that is no number is passed over', () => {
    expect(assignmentOf(signed({ aheadMs: 'soon' }))?.aheadMs).toBeUndefined()
  })
})

describe('what a relay holds for its site', () => {
  it('is everything but what names other sites only', () => {
    const concerns = [undefined, {}, { labels: { a: 'b' } }, { sites: ['berlin', 'lyon'] }, { sites: ['lyon'] }].map(
      (select) => mayConcernSite(select, 'berlin'),
    )
    expect(concerns).toEqual([true, true, true, true, false])
  })
})

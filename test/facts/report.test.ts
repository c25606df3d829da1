import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { Refused } from '#base/errors.ts'
import { encodeReport, readReport, reportBytesMax } from '#facts/report.ts'
import type { BundleReport, Report } from '#facts/report.ts'

const bundle: BundleReport = {
  name: 'web',
  version: 3,
  state: 'applied',
  engine: 'cfengine',
  appliedAt: 5,
  results: [
    { id: '0:package:nginx', kind: 'package', outcome: 'kept' },
    { id: '1:file:/etc/motd', kind: 'file', outcome: 'failed', reason: 'disk full' },
  ],
}
const report: Report = {
  v: 1,
  seq: 7,
  at: 9,
  release: 2,
  bundles: [bundle],
  drift: [{ bundle: 'web', resource: '1:file:/etc/motd', path: '/etc/motd', wanted: 'a', seen: 'b', since: 4 }],
  facts: { os: { family: 'debian' } },
}
const refusal = (bytes: Uint8Array): Refused => {
  try {
    readReport(bytes)
  } catch (error) {
    if (error instanceof Refused) return error
    throw error
  }
  return expect.fail('this report was taken')
}

describe('a report', () => {
  it('comes back as it was sent', () => {
    expect(readReport(encodeReport(report))).toEqual(report)
  })

  it('tells repairs and monitors, and who did it, and is read from a device that knows none of them', () => {
    const finding = { bundle: 'web', resource: '0:package:telnet', wanted: 'absent', seen: '1.2', since: 4 }
    const full: Report = {
      ...report,
      drift: [{ ...finding, by: 'zypper install telnet, root@web-1, 2026-11-24T10:00Z' }],
      repaired: [{ ...finding, repairedAt: 8 }],
      monitors: [{ bundle: 'web', name: 'answers', state: 'failing', since: 6, said: 'exit code 7' }],
    }
    expect(readReport(encodeReport(full))).toEqual(full)
    expect(readReport(encodeReport(report))).not.toHaveProperty('monitors')
    for (const wrong of [
      { monitors: [{ bundle: 'web', name: 'answers', state: 'happy', since: 6, said: '' }] },
      { monitors: Array.from({ length: 1001 }, () => full.monitors?.[0]) },
      { repaired: [finding] },
      { drift: [{ ...finding, by: 'x'.repeat(2000) }] },
    ])
      expect(refusal(utf8(JSON.stringify({ ...full, ...wrong }))).code).toBe('REPORT_INVALID')
  })

  it('that is too large keeps the monitors that are not well before the others', () => {
    const monitors = Array.from({ length: 3000 }, (_, index) => ({
      bundle: 'web',
      name: `m${index}`,
      state: index % 50 === 49 ? ('failing' as const) : ('ok' as const),
      since: 1,
      said: 'x'.repeat(500),
    }))
    const bytes = encodeReport({ ...report, monitors })
    expect(bytes.byteLength).toBeLessThanOrEqual(reportBytesMax)
    const read = readReport(bytes)
    expect(read.monitors?.filter(({ state }) => state === 'failing')).toHaveLength(60)
    expect(read.bundles).toHaveLength(1)
  })

  it('with members of a newer version is read without them', () => {
    const newer = { ...report, mood: 'good', bundles: [{ ...bundle, colour: 'red' }] }
    expect(readReport(utf8(JSON.stringify(newer)))).toEqual(report)
  })

  it('with a long reason is cut, not refused, and no character is cut in half', () => {
    const long = { ...report, bundles: [{ ...bundle, state: 'failed' as const, reason: '😀'.repeat(400) }] }
    const reason = readReport(encodeReport(long)).bundles[0]?.reason ?? ''
    expect(reason.length).toBeLessThanOrEqual(500)
    expect(reason.isWellFormed()).toBe(true)
    expect(reason.endsWith('…')).toBe(true)
  })

  it('with facts that no reader takes goes without them', () => {
    const facts = { motd: 'x'.repeat(2000) }
    expect(readReport(encodeReport({ ...report, facts }))).toEqual({ ...report, facts: undefined })
  })

  it('that is too large gives up kept results before failed ones, and states never', () => {
    const results = Array.from({ length: 1500 }, (_, index) => ({
      id: `${index}:file:/etc/${index}`,
      kind: 'file',
      outcome: index % 10 === 0 ? ('failed' as const) : ('kept' as const),
      reason: 'because '.repeat(10),
    }))
    const bytes = encodeReport({ ...report, bundles: [{ ...bundle, results }] })
    const read = readReport(bytes)
    expect(bytes.byteLength).toBeLessThanOrEqual(reportBytesMax)
    expect(read.facts).toBeUndefined()
    expect(read.bundles[0]).toMatchObject({ name: 'web', version: 3, state: 'applied' })
    expect(read.bundles[0]?.results).toHaveLength(150)
    expect(read.bundles[0]?.results.every(({ outcome }) => outcome === 'failed')).toBe(true)
    expect(read.drift).toHaveLength(1)
  })

  it('of 256 bundles with everything too long still fits, with all their states', () => {
    const finding = { bundle: 'b', resource: 'r'.repeat(2000), wanted: 'w'.repeat(3000), seen: 's', since: 1 }
    const result = { id: 'x'.repeat(900), kind: 'file', outcome: 'failed' as const, reason: 'r'.repeat(900) }
    const bundles = Array.from({ length: 256 }, (_, index) => ({
      ...bundle,
      name: `${'n'.repeat(60)}${index}`,
      reason: 'é'.repeat(900),
      urgent: true,
      appliedAt: 1_772_812_800_000,
      withdrawnAt: 1_772_812_800_000,
      results: Array.from({ length: 100 }, () => result),
    }))
    const drift = Array.from({ length: 3000 }, () => finding)
    const pauses = bundles.map(({ name }) => ({
      bundle: name,
      since: 1e12,
      until: 2e12,
      reason: '\u{1f347}'.repeat(100),
    }))
    const bytes = encodeReport({ ...report, bundles, drift, pauses })
    expect(readReport(bytes).pauses).toHaveLength(16)
    expect(bytes.byteLength).toBeLessThanOrEqual(reportBytesMax)
    expect(readReport(bytes).bundles.map(({ state }) => state)).toEqual(Array.from({ length: 256 }, () => 'applied'))
  })

  it.each([
    ['no JSON', 'x', 'report'],
    ['another version', JSON.stringify({ ...report, v: 2 }), 'report.v'],
    ['number 0', JSON.stringify({ ...report, seq: 0 }), 'report.seq'],
    ['an unknown state', JSON.stringify({ ...report, bundles: [{ ...bundle, state: 'happy' }] }), 'bundles[0].state'],
    [
      'an unknown outcome',
      JSON.stringify({ ...report, bundles: [{ ...bundle, results: [{ id: 'a', kind: 'b', outcome: 'c' }] }] }),
      'bundles[0].results[0].outcome',
    ],
    ['no drift', JSON.stringify({ ...report, drift: undefined }), 'report.drift'],
    ['a pause without end', JSON.stringify({ ...report, pauses: [{ since: 1, reason: 'x' }] }), 'pauses[0].until'],
    [
      'more pauses than there may be',
      JSON.stringify({ ...report, pauses: Array.from({ length: 17 }, () => ({})) }),
      'report.pauses',
    ],
    ['facts without limit', JSON.stringify({ ...report, facts: { a: 'x'.repeat(2000) } }), 'facts.a'],
    ['a list in place of a finding', JSON.stringify({ ...report, drift: [[]] }), 'drift[0]'],
  ])('with %s is refused, and the place is named', (_, text, where) => {
    expect(refusal(utf8(text))).toMatchObject({ code: 'REPORT_INVALID', where })
  })

  it('of bytes that are no UTF-8, or too many, is refused', () => {
    expect(refusal(new Uint8Array([0xff, 0xfe])).code).toBe('REPORT_INVALID')
    expect(refusal(utf8(JSON.stringify({ ...report, x: 'x'.repeat(reportBytesMax) }))).code).toBe('REPORT_INVALID')
    expect(refusal(utf8('['.repeat(60_000))).code).toBe('REPORT_INVALID')
  })
})

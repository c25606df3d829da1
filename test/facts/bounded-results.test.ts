/** Results that are kept: whole where they are few, cut where thousands of them fail. */
import { describe, expect, it } from 'vitest'
import { boundedResults } from '#facts/bounded-results.ts'
import type { ResourceResult } from '#facts/report.ts'

const failures = (count: number): ResourceResult[] =>
  Array.from({ length: count }, (_, index) => ({
    id: `${index}:file:/${'d'.repeat(300)}`,
    kind: 'file',
    outcome: 'failed',
    reason: 'r'.repeat(500),
  }))

describe('the results of a run', () => {
  it('stay as they are where they are few', () => {
    const results: ResourceResult[] = [{ id: '0:file:/a', kind: 'file', outcome: 'failed', reason: 'r'.repeat(500) }]
    expect(boundedResults([...results, { id: '1:file:/b', kind: 'file', outcome: 'kept' }])).toEqual([
      ...results,
      { id: '1:file:/b', kind: 'file', outcome: 'kept' },
    ])
  })

  it('of three thousand failures are the first two thousand, shorter, and fit one journal entry', () => {
    const bounded = boundedResults(failures(3000))
    expect(bounded).toHaveLength(2000)
    expect(JSON.stringify(bounded).length).toBeLessThan(900_000)
    expect(bounded[0]?.reason).toMatch(/^r+…$/)
  })
})

import { describe, expect, it } from 'vitest'
import { instant } from '#base/time.ts'
import { Flow } from '#protocol/flow.ts'

/** Looks each second; `missing` by second. */
function looked(...missing: readonly number[]): Flow {
  const flow = new Flow()
  for (const [second, bytes] of missing.entries()) flow.look(instant(second * 1000), bytes)
  return flow
}
/** What is missing by second, where `rates` come in each. */
const falling = (start: number, ...rates: readonly number[]): number[] =>
  rates.reduce((seen, rate) => [...seen, (seen.at(-1) ?? 0) - rate], [start])

describe('the rate of a transfer', () => {
  it('is what comes in a second', () => {
    expect(looked(...falling(10_000, 500, 500, 500, 500)).rate).toBe(500)
  })

  it('does not count the time before the first byte, nor the first moments', () => {
    expect(looked(...falling(10_000, 0, 0, 0, 0, 0, 0, 100, 500, 500, 500, 500)).rate).toBe(500)
  })

  it('is even where bytes come in bursts', () => {
    const bursts = Array.from({ length: 20 }, (_, second) => (second % 4 === 3 ? 4_000 : 0))
    expect(Math.abs(looked(...falling(1_000_000, ...bursts)).rate - 1_000)).toBeLessThan(150)
  })

  it('follows a line that became slower within its window', () => {
    const rates = [...Array<number>(20).fill(1_000), ...Array<number>(21).fill(100)]
    expect(looked(...falling(1_000_000, ...rates)).rate).toBe(100)
  })

  it('is none where nothing came in the whole window, and begins anew with the next byte', () => {
    const stalled = falling(1_000_000, 500, 500, ...Array<number>(25).fill(0))
    expect(looked(...stalled).rate).toBe(0)
    expect(looked(...stalled, ...falling((stalled.at(-1) ?? 0) - 900, 900, 900, 900)).rate).toBe(900)
  })

  it('takes new demand for no step back', () => {
    // What came in the very second of the new demand is hidden by it: 2,000 of 2,500 bytes in 5 s.
    expect(looked(10_000, 9_500, 9_000, 8_500, 108_000, 107_500, 107_000).rate).toBe(400)
  })

  it('of a transfer says nothing of the next', () => {
    expect(looked(...falling(300, 100, 100, 100), 0, 50_000, 45_000, 40_000).rate).toBe(5_000)
    expect(looked(...falling(300, 100, 100, 100)).rate).toBe(0)
  })
})

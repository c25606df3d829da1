/** The polite mode on a line with one queue (support/queue-line.ts), where a chunk of 32 KiB is 1 s at 256 kbit/s, 131 ms at 2, 33 ms at 8 Mbit/s. */
import { describe, expect, it } from 'vitest'
import { transferOn } from '../support/queue-line.ts'

const kbit = 125
const others = { share: 0.5, fromS: 5, untilS: 100 }

describe('a polite transfer alone on its line', () => {
  it.each([
    [8_000, 0],
    [8_000, 40],
    [8_000, 600],
    [100_000, 0],
    [100_000, 40],
  ])('of %i kbit/s and %i ms uses it, and lets a ping through within 100 ms', (rate, roundTripMs) => {
    const { used, pingP95Ms } = transferOn({ bytesPerSecond: rate * kbit, roundTripMs, seconds: 50, measureFromS: 15 })
    expect(used).toBeGreaterThan(0.9)
    expect(pingP95Ms).toBeLessThan(100)
  })

  // No queue is shorter than what is being sent; with one chunk at a time the line would rest while the next is asked for.
  it.each([
    [256, 0],
    [256, 40],
    [2_000, 0],
    [2_000, 40],
  ])('of %i kbit/s and %i ms has no more than two chunks in its queue', (rate, roundTripMs) => {
    const bytesPerSecond = rate * kbit
    const { used, pingP95Ms } = transferOn({ bytesPerSecond, roundTripMs, seconds: 100, measureFromS: 15 })
    expect(used).toBeGreaterThan(0.8)
    expect(pingP95Ms).toBeLessThan((2 * 32_768_000) / bytesPerSecond)
  })

  it('does not take its own queue for the line, however long it goes on', () => {
    const long = { bytesPerSecond: 1_000 * kbit * 8, roundTripMs: 40, seconds: 400, measureFromS: 300 }
    expect(transferOn(long).pingP95Ms).toBeLessThan(100)
    expect(transferOn({ ...long, isPolite: false }).pingP95Ms).toBeLessThan(200)
  })
})

describe('a polite transfer beside others who use half of the line', () => {
  it.each([
    [8_000, 40],
    [100_000, 0],
    [100_000, 40],
  ])('of %i kbit/s and %i ms takes what they leave, and adds no more than 100 ms', (rate, roundTripMs) => {
    const { used, pingP95Ms } = transferOn({ bytesPerSecond: rate * kbit, roundTripMs, others })
    expect(used).toBeGreaterThan(0.8)
    expect(pingP95Ms).toBeLessThan(100)
  })

  it('queues half as long as one that is not polite, also where chunks are too large for the line', () => {
    const line = { bytesPerSecond: 2_000 * kbit, roundTripMs: 40, others }
    expect(transferOn(line).pingP95Ms).toBeLessThan(transferOn({ ...line, isPolite: false }).pingP95Ms * 0.6)
  })

  it('takes the line again when they are gone', () => {
    const line = { bytesPerSecond: 8_000 * kbit, roundTripMs: 40, others: { ...others, untilS: 20 } }
    expect(transferOn({ ...line, seconds: 40, measureFromS: 25 }).used).toBeGreaterThan(0.9)
  })
})

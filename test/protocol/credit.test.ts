import { describe, expect, it } from 'vitest'
import { after, instant, type Instant } from '#base/time.ts'
import { Credit } from '#protocol/credit.ts'
import type { LinkId } from '#protocol/link.ts'
import {
  lanCreditBytesMax,
  lanCreditBytesMin,
  politeMs,
  wanCreditBytesMax,
  wanCreditBytesMin,
  wanCreditBytesStart,
  wanCreditMs,
} from '#protocol/params.ts'

const link = 1 as LinkId
const start = instant(0)
const outside = { link, inside: false }
const inside = { link, inside: true }

/** Chunks of 10,000 bytes at a rate, each asked for `delayMs` before the time its own bytes take. */
function runs(credit: Credit, bytesPerSecond: number, delayMs = 0, from: Instant = start, seconds = 2): Instant {
  credit.begins(from, link)
  const chunkMs = 10_000_000 / bytesPerSecond
  let now = from
  for (let ms = chunkMs; ms <= seconds * 1_000; ms += chunkMs) {
    now = after(from, ms)
    credit.arrived(now, { link, bytes: 10_000, askedAt: instant(now - chunkMs - delayMs), isFirst: true })
  }
  return now
}

describe('the credit of a link', () => {
  it('is twice as much at first, until the link is found to carry no more', () => {
    const credit = new Credit()
    const now = runs(credit, 1_000_000, 40, start, 0.6)
    const first = credit.bytesOf(outside)
    runs(credit, 1_000_000, 40, now, 2)
    expect(first / credit.bytesOf(outside)).toBeCloseTo(2, 1)
  })

  it('is a start value while its rate is not known', () => {
    const credit = new Credit()
    expect([credit.bytesOf(inside), credit.bytesOf(outside)]).toEqual([lanCreditBytesMin, wanCreditBytesStart])
    runs(credit, 1_000_000)
    credit.down(link)
    expect(credit.bytesOf(outside)).toBe(wanCreditBytesStart)
  })

  it('on a line is what its rate carries in its delay and a fraction of a second, within limits', () => {
    const credits = [1_000_000, 10_000, 1_000_000_000].map((rate) => {
      const credit = new Credit()
      runs(credit, rate, 40)
      return credit.bytesOf(outside)
    })
    expect(credits[0]).toBeCloseTo((1_000_000 * (10 + 40 + wanCreditMs)) / 1_000, -4)
    expect(credits.slice(1)).toEqual([wanCreditBytesMin, wanCreditBytesMax])
  })

  it('on the LAN stays within limits', () => {
    const slow = new Credit()
    runs(slow, 100_000)
    const fast = new Credit()
    runs(fast, 1_000_000_000)
    expect([slow.bytesOf(inside), fast.bytesOf(inside)]).toEqual([lanCreditBytesMin, lanCreditBytesMax])
  })

  it('takes the best of the last windows: a pause says nothing of the line', () => {
    const credit = new Credit()
    const end = runs(credit, 1_000_000)
    const before = credit.rateOf(link)
    credit.begins(after(end, 60_000), link)
    credit.arrived(after(end, 60_500), { link, bytes: 10_000, askedAt: after(end, 60_000), isFirst: false })
    expect([Math.round(before / 100_000), credit.rateOf(link)]).toEqual([10, before])
  })

  it('shrinks in the polite mode while asks take longer than the line alone explains, and grows again', () => {
    const credit = new Credit(true)
    let now = runs(credit, 4_000_000, 40)
    const alone = credit.bytesOf(outside)
    now = runs(credit, 4_000_000, 40 + politeMs + 20, now)
    const beside = credit.bytesOf(outside)
    runs(credit, 4_000_000, 40, now)
    expect(beside).toBeLessThan(alone / 2)
    expect(credit.bytesOf(outside)).toBeGreaterThan(alone * 0.9)
  })
})

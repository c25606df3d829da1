import { describe, expect, it } from 'vitest'
import { after, instant, type Instant } from '#base/time.ts'
import { WallClock } from '#base/wall-clock.ts'
import { Bucket, Budgets, noBudget, type Budget } from '#protocol/budget.ts'
import { budgetBurstBytes, lineOverhead } from '#protocol/params.ts'

const start = instant(1_000_000)
const at = (ms: number): Instant => after(start, ms)

function bucketOf(rate: number | undefined): Bucket {
  const bucket = new Bucket()
  bucket.set(start, rate)
  return bucket
}

/** Bytes on the line while somebody asks for chunks of 32,000 whenever there is room, by second. */
function drawn(bucket: Bucket, seconds: number): number[] {
  const drawnBytes = Array.from({ length: seconds }, () => 0)
  for (let now = start; now < at(seconds * 1_000);) {
    const room = bucket.room(now)
    if (room > 0) {
      bucket.take(now, 32_000)
      const second = Math.floor((now - start) / 1_000)
      drawnBytes[second] = (drawnBytes[second] ?? 0) + 32_000 * lineOverhead
    } else now = bucket.opensAt(now) ?? at(seconds * 1_000)
  }
  return drawnBytes
}

describe('a budget of bytes a second', () => {
  it('lets pass its rate with what TCP takes, and a burst of a quarter of a second or two chunks at most', () => {
    for (const rate of [32_000, 250_000, 12_500_000]) {
      const burst = Math.max(budgetBurstBytes, rate / 4) + 32_000 * lineOverhead
      const seconds = drawn(bucketOf(rate), 10)
      const sum = seconds.reduce((a, b) => a + b)
      expect(Math.max(...seconds)).toBeLessThanOrEqual(rate + burst)
      expect(sum).toBeLessThanOrEqual(rate * 10 + burst)
      expect(sum).toBeGreaterThan(rate * 9.5)
    }
  })

  it('without a limit lets everything pass, of 0 nothing, and then never opens', () => {
    const free = bucketOf(undefined)
    free.take(start, 1e12)
    expect(free.room(start)).toBe(Number.POSITIVE_INFINITY)
    const shut = bucketOf(0)
    expect([shut.room(at(1e9)), shut.opensAt(at(1e9))]).toEqual([0, undefined])
  })

  it('gives back what did not come', () => {
    const bucket = bucketOf(32_000)
    bucket.take(start, 60_000)
    expect(bucket.room(start)).toBe(0)
    bucket.take(start, -60_000)
    expect(bucket.room(start)).toBeGreaterThan(32_000)
  })

  it('is not paid off for ever by control messages, which are not held', () => {
    const bucket = bucketOf(32_000)
    for (let message = 0; message < 100; message++) bucket.take(start, 100_000)
    expect(bucket.opensAt(start)).toBeLessThan(at(10_000))
  })

  it('earns nothing by a clock that is set back', () => {
    const bucket = bucketOf(32_000)
    bucket.take(start, 100_000)
    expect([bucket.room(at(-3_600_000)), bucket.room(at(-3_600_000 + 100))]).toEqual([0, 0])
  })

  it('keeps what was earned when its rate changes, and no more than the new burst', () => {
    const bucket = bucketOf(undefined)
    bucket.set(at(1), 32_000)
    expect(bucket.room(at(1))).toBe(budgetBurstBytes)
  })
})

describe('the budgets of a member', () => {
  const day: Budget = { ...noBudget, wanDown: 100_000, wanUp: 50_000, until: at(60_000) }
  const plan = (now: Instant): Budget => (now < at(60_000) ? day : { ...noBudget, wanDown: 0 })

  it('change at the time that the plan names, and back where the clock is', () => {
    const budgets = new Budgets(plan, new WallClock())
    const rates = [0, 59_999, 60_000, 30_000].map((ms) => {
      budgets.look(at(ms), () => 1)
      return [budgets.wanDown.rate, budgets.wanUp.rate, budgets.lanUp.rate]
    })
    expect(rates).toEqual([
      [100_000, 50_000, undefined],
      [100_000, 50_000, undefined],
      [0, undefined, undefined],
      [100_000, 50_000, undefined],
    ])
  })

  it('are shared with the others of the site who use the line', () => {
    const budgets = new Budgets(plan, new WallClock())
    budgets.look(start, () => 2)
    expect([budgets.wanDown.rate, budgets.wanUp.rate]).toEqual([50_000, 25_000])
  })

  it('wake what waits when there is room or the plan changes, whichever is first', () => {
    const budgets = new Budgets(plan, new WallClock())
    budgets.look(start, () => 1)
    budgets.wanDown.take(start, 90_000)
    expect(budgets.wakeFor(start, budgets.wanDown)).toBeLessThan(at(1_000))
    budgets.look(at(60_000), () => 1)
    expect(budgets.wakeFor(at(60_000), budgets.wanDown)).toBeUndefined()
  })
})

import { describe, expect, it } from 'vitest'
import { after, instant } from '#base/time.ts'
import { Draw } from '#protocol/draw.ts'
import { drawWindowMs } from '#protocol/params.ts'

const start = instant(1_000)
/** What a line has room for after these bytes a window: those of our share or of traders, and those beyond it. */
function roomAfter(...windows: (readonly [due: number, beyond: number])[]): number {
  const draw = new Draw()
  let now = start
  for (const [due, beyond] of windows) {
    for (let part = 0; part < 10; part++) {
      draw.arrived(after(now, (part * drawWindowMs) / 10), due / 10, false)
      draw.arrived(after(now, (part * drawWindowMs) / 10), beyond / 10, true)
    }
    now = after(now, drawWindowMs)
  }
  return draw.room(now)
}

describe('a line', () => {
  it('of which nothing is known has room for whatever there is', () => {
    expect(roomAfter()).toBe(Number.POSITIVE_INFINITY)
  })

  it('has no room while traders and our share bring about as much as it ever did', () => {
    expect(roomAfter([1_000_000, 0])).toBe(0)
    expect(roomAfter([1_000_000, 0], [900_000, 0])).toBe(0)
  })

  it('has room for what they leave of it, whether it is used already or not', () => {
    expect(roomAfter([1_000_000, 0], [400_000, 0])).toBeCloseTo(600_000, -4)
    expect(roomAfter([1_000_000, 0], [400_000, 600_000])).toBeCloseTo(600_000, -4)
    expect(roomAfter([1_000_000, 0], [0, 0])).toBeCloseTo(1_000_000, -4)
  })

  it('is not filled twice: what was asked for in this window counts', () => {
    const draw = new Draw()
    draw.arrived(start, 1_000_000, false)
    expect(draw.room(after(start, drawWindowMs))).toBe(0)
    const now = after(start, 2 * drawWindowMs)
    const room = draw.room(now)
    draw.asked(now, room)
    expect([room > 900_000, draw.room(now)]).toEqual([true, 0])
    expect(draw.room(after(now, drawWindowMs))).toBeGreaterThan(0)
  })

  it('that became slower is known as such within minutes', () => {
    expect(roomAfter([1_000_000, 0], ...Array.from({ length: 400 }, () => [500_000, 0] as const))).toBe(0)
  })
})

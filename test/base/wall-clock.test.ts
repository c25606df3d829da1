import { describe, expect, it } from 'vitest'
import { instant } from '#base/time.ts'
import { WallClock } from '#base/wall-clock.ts'

describe('the clock on the wall', () => {
  it('is the time of the machine until it is set, and then so far from it in both directions', () => {
    const wall = new WallClock()
    const now = instant(10_000)
    expect([wall.at(now), wall.when(now)]).toEqual([10_000, 10_000])
    expect(wall.set(-3_000)).toBe(-3_000)
    expect([wall.at(now), wall.when(now)]).toEqual([7_000, 13_000])
    expect(wall.when(wall.at(now))).toBe(now)
  })

  it('tells by how much it was moved since it was set before', () => {
    const wall = new WallClock()
    wall.set(-3_000)
    expect(wall.set(-1_000)).toBe(2_000)
  })
})

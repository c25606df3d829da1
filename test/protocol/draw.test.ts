import { describe, expect, it } from 'vitest'
import { after, instant } from '#base/time.ts'
import { Draw } from '#protocol/draw.ts'
import { drawWindowMs } from '#protocol/params.ts'

const start = instant(1_000)
/** Whether the line is full after these bytes a window, one after the other. */
function fullAfter(...windows: number[]): boolean {
  const draw = new Draw()
  let now = start
  for (const bytes of windows) {
    for (let part = 0; part < 10; part++) draw.arrived(after(now, (part * drawWindowMs) / 10), bytes / 10)
    now = after(now, drawWindowMs)
  }
  return draw.isFull(now)
}

describe('a line', () => {
  it('of which nothing is known has room', () => {
    expect(fullAfter()).toBe(false)
  })

  it('is full while it brings about as much as it ever did, and has room when it brings less', () => {
    expect(fullAfter(1_000_000, 1_000_000)).toBe(true)
    expect(fullAfter(1_000_000, 900_000)).toBe(true)
    expect(fullAfter(1_000_000, 500_000)).toBe(false)
  })

  it('has room once nothing comes any more', () => {
    expect(fullAfter(1_000_000, 0)).toBe(false)
  })

  it('that became slower is known as such in time', () => {
    expect(fullAfter(1_000_000, ...Array.from({ length: 60 }, () => 500_000))).toBe(true)
  })
})

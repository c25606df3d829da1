import { describe, expect, it } from 'vitest'
import { instant } from '#base/time.ts'
import { Random } from '#base/random.ts'
import { World } from '#sim/world.ts'

const start = instant(Date.UTC(2026, 2, 6, 16))

describe('virtual time', () => {
  it('goes from event to event, and to the end of a run though nothing happens', () => {
    const world = new World(start)
    const seen: number[] = []
    world.at(2_500, 1, 1, () => seen.push(world.nowUs, world.now - start))
    world.run(10_000)
    expect([seen, world.nowUs, world.now - start]).toEqual([[2_500, 2], 10_000, 10])
  })

  it('never goes back: what is to happen in the past happens now, and a wake is never before now', () => {
    const world = new World(start)
    world.run(5_000)
    const seen: number[] = []
    world.at(1_000, 1, 1, () => seen.push(world.nowUs))
    world.run(6_000)
    expect([seen, world.usOf(start), world.usOf(instant(start + 20))]).toEqual([[5_000], 6_000, 20_000])
  })

  it('stops where somebody says so, and goes on from there', () => {
    const world = new World(start)
    const seen: number[] = []
    for (const at of [1, 2, 3]) world.at(at, 1, 1, () => seen.push(at))
    expect(world.run(100, () => seen.length === 2)).toBe(true)
    expect([seen, world.events]).toEqual([[1, 2], 2])
    expect(world.run(100)).toBe(false)
    expect(seen).toEqual([1, 2, 3])
  })

  it('stands where it is when the last event was what somebody waited for', () => {
    const world = new World(start)
    let isDone = false
    world.at(7, 1, 1, () => (isDone = true))
    expect([world.run(1_000_000, () => isDone), world.nowUs]).toEqual([true, 7])
  })

  it('leaves alone what lies behind the end of a run', () => {
    const world = new World(start)
    const seen: number[] = []
    world.at(101, 1, 1, () => seen.push(1))
    world.run(100)
    expect(seen).toEqual([])
  })
})

describe('the order of events', () => {
  it('is by time, and at one time by receiver, sender, and the sender’s own count, whoever was first to say so', () => {
    const events = [
      { at: 5, from: 2, to: 1, name: '5 2→1' },
      { at: 5, from: 1, to: 2, name: '5 1→2' },
      { at: 5, from: 1, to: 1, name: '5 1→1' },
      { at: 4, from: 9, to: 9, name: '4 9→9' },
    ]
    const played = (order: typeof events): string[] => {
      const world = new World(start)
      const seen: string[] = []
      for (const { at, from, to, name } of order) world.at(at, from, to, () => seen.push(name))
      world.run(10)
      return seen
    }
    expect(played(events)).toEqual(['4 9→9', '5 1→1', '5 2→1', '5 1→2'])
    expect(played(events.toReversed())).toEqual(played(events))
  })

  it('of one sender to one receiver at one time is that in which they were sent', () => {
    const world = new World(start)
    const seen: number[] = []
    for (let number = 0; number < 50; number++) world.at(7, 1, 2, () => seen.push(number))
    world.run(10)
    expect(seen).toEqual(Array.from({ length: 50 }, (_, number) => number))
  })

  it('holds for thousands of events in any order', () => {
    const world = new World(start)
    const random = new Random('events')
    const seen: number[] = []
    for (let number = 0; number < 5_000; number++) {
      const at = random.below(1_000)
      world.at(at, random.below(5), random.below(5), () => seen.push(at))
    }
    world.run(1_000)
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
    expect(seen).toHaveLength(5_000)
  })
})

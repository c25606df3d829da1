import { describe, expect, it } from 'vitest'
import { Random } from '#base/random.ts'

const draw = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.uint32())

describe('a seeded generator', () => {
  it('draws the same numbers from the same seed, on every machine and in every release', () => {
    expect(draw(new Random('seed 1'), 5)).toEqual([
      3_750_356_500, 3_388_877_137, 647_468_028, 408_009_884, 3_879_416_326,
    ])
    expect(draw(new Random('seed 1'), 50)).toEqual(draw(new Random('seed 1'), 50))
  })

  it('draws other numbers from another seed', () => {
    expect(draw(new Random('seed 2'), 5)).not.toEqual(draw(new Random('seed 1'), 5))
  })

  it('gives each purpose a stream of its own, which drawing from another never shifts', () => {
    const one = new Random('seed 1')
    const two = new Random('seed 1')
    draw(two, 17)
    draw(two.stream('delays'), 3)
    expect(draw(one.stream('faults'), 5)).toEqual(draw(two.stream('faults'), 5))
    expect(draw(one.stream('faults'), 5)).not.toEqual(draw(one.stream('delays'), 5))
  })

  it('stays within its bounds and reaches both ends', () => {
    const random = new Random('bounds')
    const drawn = new Set(Array.from({ length: 500 }, () => random.between(-2, 3)))
    expect([...drawn].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2, 3])
    expect(new Set(Array.from({ length: 20 }, () => random.below(1)))).toEqual(new Set([0]))
    for (let round = 0; round < 200; round++) expect(Number.isSafeInteger(random.below(2 ** 32))).toBe(true)
  })

  it('draws each number about as often as any other', () => {
    const random = new Random('even')
    const counts = Array.from({ length: 8 }, () => 0)
    for (let round = 0; round < 8000; round++) counts[random.below(8)]!++
    // 1000 each is expected with a deviation of 30; five deviations do not happen by this seed.
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150)
  })

  it('picks an item of a list, each in time, and nothing of an empty one', () => {
    const random = new Random('pick')
    expect(new Set(Array.from({ length: 50 }, () => random.pick(['a', 'b', 'c'])))).toEqual(new Set(['a', 'b', 'c']))
    expect(random.pick([])).toBeUndefined()
  })
})

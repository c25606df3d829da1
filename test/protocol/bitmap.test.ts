import { describe, expect, it } from 'vitest'
import { Bitmap } from '#protocol/bitmap.ts'

describe('a bitmap of chunks', () => {
  it('counts each chunk once, however often it is added', () => {
    const bits = new Bitmap(10)
    expect([bits.add(3), bits.add(3), bits.count, bits.has(3), bits.has(4)]).toEqual([true, false, 1, true, false])
  })

  it('takes no bits behind its end for chunks', () => {
    const bits = new Bitmap(9, Uint8Array.from([0xff, 0xff]))
    expect([bits.count, bits.isFull, bits.has(9), bits.has(1e9)]).toEqual([9, true, false, false])
  })

  it('is full from the start where there is no chunk', () => {
    expect(new Bitmap(0).isFull).toBe(true)
  })

  it('ignores indexes outside', () => {
    const bits = new Bitmap(8)
    expect([bits.add(8), bits.add(-1), bits.count]).toEqual([false, false, 0])
    bits.delete(99)
    expect(bits.count).toBe(0)
  })

  it('forgets a chunk', () => {
    const bits = Bitmap.full(8)
    bits.delete(2)
    expect([bits.count, bits.has(2)]).toEqual([7, false])
  })
})

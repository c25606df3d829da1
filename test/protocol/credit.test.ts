import { describe, expect, it } from 'vitest'
import { after, instant } from '#base/time.ts'
import { Credit } from '#protocol/credit.ts'
import type { LinkId } from '#protocol/link.ts'
import { lanCreditBytes, wanCreditBytesMax, wanCreditBytesMin, wanCreditMs } from '#protocol/params.ts'

const link = 1 as LinkId
const start = instant(0)
const outside = { link, inside: false }

describe('the credit of a link', () => {
  it('is a fixed number on the LAN, and the least there is on a line whose rate is not known', () => {
    const credit = new Credit()
    expect([credit.bytesOf({ link, inside: true }), credit.bytesOf(outside)]).toEqual([
      lanCreditBytes,
      wanCreditBytesMin,
    ])
  })

  it('on a line is what its rate carries in a fraction of a second, within its limits', () => {
    const rates = [10_000, 1_000_000, 1_000_000_000].map((bytes) => {
      const credit = new Credit()
      credit.measure(after(start, 1_000), { link, startedAt: start, arrivedBytes: bytes })
      return credit.bytesOf(outside)
    })
    expect(rates).toEqual([wanCreditBytesMin, (1_000_000 * wanCreditMs) / 1_000, wanCreditBytesMax])
  })

  it('does not believe one burst, nor a clock that stood still', () => {
    const credit = new Credit()
    credit.measure(after(start, 1_000), { link, startedAt: start, arrivedBytes: 400_000 })
    credit.measure(start, { link, startedAt: start, arrivedBytes: 1_000_000_000 })
    expect(credit.bytesOf(outside)).toBe((400_000 * 2.5 * wanCreditMs) / 1_000)
    credit.down(link)
    expect(credit.bytesOf(outside)).toBe(wanCreditBytesMin)
  })
})

import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { after, instant } from '#base/time.ts'
import { Bitmap } from '#protocol/bitmap.ts'
import { Leases } from '#protocol/leases.ts'
import type { LinkId } from '#protocol/link.ts'
import { dutyMs, leaseMsMax, leasePatienceMs } from '#protocol/params.ts'

const start = instant(0)
const link = 1 as LinkId
const content = sha256(utf8('content'))
const chunks = new Bitmap(8, Uint8Array.of(0b110))
const none = new Bitmap(8)
let leases: Leases
beforeEach(() => {
  leases = new Leases()
  leases.acts(start, link)
  leases.hungrySince = start
})
const taken = (ms: number): number[] => leases.taken(after(start, ms), content).map((bits) => bits.count)
const isSilent = (ms: number): boolean => leases.isSilent(after(start, ms), link)

describe('a lease', () => {
  it('keeps its chunks until it runs out, and no longer', () => {
    leases.heard(start, link, content, chunks, 10_000)
    expect([taken(0), taken(9_999), leases.nextWake()]).toEqual([[2], [2], after(start, 10_000)])
    expect(taken(10_000)).toEqual([])
    expect([leases.expire(after(start, 9_999)), leases.expire(after(start, 10_000))]).toEqual([false, true])
    expect(leases.nextWake()).toBeUndefined()
  })

  it('is replaced by the next word on the same content, and ends with its link or the content', () => {
    leases.heard(start, link, content, chunks, 10_000)
    leases.heard(start, link, content, none, 10_000)
    expect(taken(0)).toEqual([])
    leases.heard(start, link, content, chunks, 10_000)
    leases.down(link)
    expect(taken(0)).toEqual([])
    leases.acts(start, link)
    leases.heard(start, link, content, chunks, 10_000)
    leases.done(content)
    expect(taken(0)).toEqual([])
  })

  it('that ran out is remembered, so that it can be told why a chunk came twice', () => {
    leases.heard(start, link, content, chunks, 10_000)
    const lapsed = (): boolean[] => [0, 1, 2, 3].map((index) => leases.hasLapsed(content, index))
    expect(lapsed()).toEqual([false, false, false, false])
    leases.expire(after(start, 10_000))
    expect(lapsed()).toEqual([false, true, true, false])
    leases.heard(after(start, 10_000), link, content, new Bitmap(8, Uint8Array.of(0b1000)), 1_000)
    leases.expire(after(start, 11_000))
    expect(lapsed()).toEqual([false, true, true, true])
    leases.done(content)
    expect(lapsed()).toEqual([false, false, false, false])
  })

  it('of one that does not act is no lease', () => {
    leases.heard(start, 2 as LinkId, content, chunks, 10_000)
    expect(taken(0)).toEqual([])
  })
})

describe('who acts', () => {
  it('is silent when it brings nothing and says nothing for a while, but not before something was missing as long', () => {
    expect([isSilent(dutyMs - 1), isSilent(dutyMs)]).toEqual([false, true])
    leases.hungrySince = after(start, 1)
    expect(isSilent(dutyMs)).toBe(false)
    leases.hungrySince = undefined
    expect(isSilent(dutyMs)).toBe(false)
  })

  it('is waited for as long as its lease holds, and after each thing it brings', () => {
    leases.heard(start, link, content, chunks, 30_000)
    expect([isSilent(29_999), isSilent(30_000)]).toEqual([false, true])
    leases.delivered(after(start, 40_000), link)
    expect([isSilent(40_000 + dutyMs - 1), isSilent(40_000 + dutyMs)]).toEqual([false, true])
  })

  it('that only renews is believed for a while, not for ever', () => {
    for (let ms = 0; ms < 2 * leasePatienceMs; ms += 2_000)
      leases.heard(after(start, ms), link, content, chunks, leaseMsMax)
    expect([isSilent(leasePatienceMs - 1), isSilent(leasePatienceMs)]).toEqual([false, true])
    expect(taken(2 * leasePatienceMs)).toEqual([])
  })

  it('is believed anew when something is missing again, however long nothing was', () => {
    const later = after(start, 10 * leasePatienceMs)
    leases.hungrySince = undefined
    leases.heard(later, link, content, chunks, 10_000)
    expect(leases.taken(later, content)).toHaveLength(1)
    leases.hungrySince = later
    for (let ms = 0; ms < leasePatienceMs; ms += 2_000) leases.heard(after(later, ms), link, content, none, leaseMsMax)
    expect([leasePatienceMs - 1, leasePatienceMs].map((ms) => leases.isSilent(after(later, ms), link))).toEqual([
      false,
      true,
    ])
  })

  it('and brings one chunk now and then is not believed for ever, nor is one that brings them steadily doubted', () => {
    const silences = (pauseMs: number): number => {
      const each = new Leases()
      each.acts(start, link)
      each.hungrySince = start
      let silent = 0
      for (let ms = 0; ms < 20 * leasePatienceMs; ms += 2_000) {
        if (ms % pauseMs === 0) each.delivered(after(start, ms), link)
        each.heard(after(start, ms), link, content, none, leaseMsMax)
        if (each.isSilent(after(start, ms), link)) silent += 2_000
      }
      return silent
    }
    expect(silences(100_000)).toBeGreaterThan(10 * leasePatienceMs)
    expect(silences(dutyMs)).toBe(0)
  })

  it('and acts no more is not waited for', () => {
    leases.rests(link)
    expect(isSilent(1e9)).toBe(false)
  })
})

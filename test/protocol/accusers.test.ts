/** How many neighbours must say that we serve wrong bytes before we believe it. */
import { describe, expect, it } from 'vitest'
import { after, instant } from '#base/time.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { Accusers } from '#protocol/accusers.ts'
import { banMs } from '#protocol/params.ts'

const now = instant(1_000_000)
const day = 86_400_000
const [ann, ben, cid, dan] = ['ann', 'ben', 'cid', 'dan'] as PeerId[] as [PeerId, PeerId, PeerId, PeerId]

describe('what neighbours say of our bytes', () => {
  it('is believed when two of two say so, and not when one says it twice', () => {
    const accusers = new Accusers()
    expect([accusers.heard(now, ann, 1), accusers.heard(now, ann, 1), accusers.heard(now, ben, 0)]).toEqual([
      false,
      false,
      true,
    ])
  })

  it('is not believed from two where most others stay with us', () => {
    const accusers = new Accusers()
    expect([accusers.heard(now, ann, 4), accusers.heard(now, ben, 3)]).toEqual([false, false])
    expect(accusers.heard(now, cid, 2)).toBe(true)
  })

  it('counts once a day: the same two cannot keep us from the line again and again', () => {
    const accusers = new Accusers()
    accusers.heard(now, ann, 1)
    expect(accusers.heard(now, ben, 0)).toBe(true)
    const later = after(now, 2 * banMs)
    expect([accusers.heard(later, ann, 1), accusers.heard(later, ben, 0)]).toEqual([false, false])
    const tomorrow = after(now, day)
    expect([accusers.heard(tomorrow, ann, 1), accusers.heard(tomorrow, ben, 0)]).toEqual([false, true])
  })

  it('of different times is not added up', () => {
    const accusers = new Accusers()
    accusers.heard(now, ann, 1)
    expect(accusers.heard(after(now, banMs), ben, 0)).toBe(false)
    expect(accusers.heard(after(now, banMs + 1), dan, 0)).toBe(true)
  })
})

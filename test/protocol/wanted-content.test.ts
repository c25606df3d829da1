import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Bitmap } from '#protocol/bitmap.ts'
import type { LinkId } from '#protocol/link.ts'
import { WantedContent } from '#protocol/wanted-content.ts'

const ref = { digest: sha256(utf8('content')), length: 1_001 }
const link = 1 as LinkId

describe('a content that is wanted', () => {
  it('waits for its list, then for the store, then for chunks', () => {
    const content = new WantedContent(ref, 5)
    expect([content.phase, content.chunkBytes]).toEqual(['listing', 0])
    content.opened(10, Uint8Array.of(0b11))
    expect([content.phase, content.have.count, content.flying.count, content.chunkBytes]).toEqual([
      'fetching',
      2,
      0,
      101,
    ])
  })

  it('may ask for a chunk that is offered, not here, and not under way', () => {
    const content = new WantedContent(ref, 5)
    content.opened(4, Uint8Array.of(0b1))
    content.flying.add(1)
    const offer = new Bitmap(4, Uint8Array.of(0b0111))
    expect([0, 1, 2, 3].map((index) => content.isAskable(index, offer))).toEqual([false, false, true, false])
  })

  it('counts a chunk as rare by who has it', () => {
    const content = new WantedContent(ref, 5)
    content.opened(4, new Uint8Array())
    content.offers.set(link, Bitmap.full(4))
    content.offers.set(2 as LinkId, new Bitmap(4, Uint8Array.of(0b1)))
    expect([content.rarity(0), content.rarity(1)]).toEqual([2, 1])
  })

  it('tells news in runs, in order, and nobody what it has itself', () => {
    const content = new WantedContent(ref, 5)
    content.opened(10, new Uint8Array())
    content.news = [7, 2, 3, 1, 9]
    content.offers.set(link, new Bitmap(10, Uint8Array.of(0b100, 0)))
    expect(content.newsFor(2 as LinkId)).toEqual([
      [1, 3],
      [7, 1],
      [9, 1],
    ])
    expect(content.newsFor(link)).toEqual([
      [1, 1],
      [3, 1],
      [7, 1],
      [9, 1],
    ])
  })
})

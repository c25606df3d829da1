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
    expect([content.phase, content.have.count, content.flyingOutside.count, content.chunkBytes]).toEqual([
      'fetching',
      2,
      0,
      101,
    ])
  })

  it('lacks what neither is here, nor under way, nor offered by these links', () => {
    const content = new WantedContent(ref, 5)
    content.opened(4, Uint8Array.of(0b1))
    content.depart(1, 1, true)
    content.depart(2, 1, false)
    expect(content.lacksBeyond([link])).toBe(true)
    content.offers.set(link, new Bitmap(4, Uint8Array.of(0b1000)))
    expect([content.lacksBeyond([link]), content.lacksBeyond([])]).toEqual([false, true])
    content.arrive(2, 1, false)
    expect(content.lacksBeyond([link])).toBe(true)
  })

  it('counts a chunk as rare by who has it', () => {
    const content = new WantedContent(ref, 5)
    content.opened(4, new Uint8Array())
    content.offers.set(link, Bitmap.full(4))
    content.offers.set(2 as LinkId, new Bitmap(4, Uint8Array.of(0b1)))
    expect([content.rarity(0), content.rarity(1)]).toEqual([2, 1])
  })
})

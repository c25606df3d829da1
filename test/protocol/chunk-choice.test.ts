import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Random } from '#base/random.ts'
import { Bitmap } from '#protocol/bitmap.ts'
import { chooseInside, chooseOutside } from '#protocol/chunk-choice.ts'
import type { LinkId } from '#protocol/link.ts'
import { dutyChunks, lanRunBytes, runChunksMax } from '#protocol/params.ts'
import { WantedContent } from '#protocol/wanted-content.ts'

const chunkBytes = 32_768

/** A content of so many chunks, of which some are here. */
function contentOf(chunks: number, ...here: number[]): WantedContent {
  const content = new WantedContent({ digest: sha256(utf8('content')), length: chunks * chunkBytes }, 0)
  content.opened(chunks, new Uint8Array())
  for (const index of here) content.have.add(index)
  return content
}
type Outside = Parameters<typeof chooseOutside>[0]
const outside = (content: WantedContent, more: Partial<Outside> = {}) =>
  chooseOutside({
    content,
    offer: Bitmap.full(content.have.size),
    creditBytes: 10 * chunkBytes,
    without: [],
    from: 0,
    isOurs: () => true,
    ...more,
  })
const inside = (content: WantedContent, random = new Random('choice'), creditBytes = 10 * chunkBytes) =>
  chooseInside({ content, offer: Bitmap.full(content.have.size), creditBytes }, random)
/** A bitmap with these bits. */
const bits = (size: number, ...indexes: number[]): Bitmap => {
  const bitmap = new Bitmap(size)
  for (const index of indexes) bitmap.add(index)
  return bitmap
}

describe('the run to ask for outside', () => {
  it('is the first that is missing, as long as credit allows', () => {
    expect(outside(contentOf(100, 0, 1))).toEqual({ first: 2, count: 10 })
  })

  it('ends where something is here, under way, not offered, or taken on by another', () => {
    const content = contentOf(100, 5)
    content.depart(13, 1, true)
    const offer = Bitmap.full(100)
    offer.delete(30)
    expect(outside(content)).toEqual({ first: 0, count: 5 })
    content.depart(0, 5, true)
    expect(outside(content)).toEqual({ first: 6, count: 7 })
    content.depart(6, 7, false)
    expect(outside(content)).toEqual({ first: 14, count: 10 })
    expect(outside(content, { without: [bits(100, 14, 17)] })).toEqual({ first: 15, count: 2 })
    expect(outside(content, { offer, from: 28 })).toEqual({ first: 28, count: 2 })
  })

  it('lies in the parts that are our duty, wherever it begins to look', () => {
    const isOurs = (part: number): boolean => part === 2
    const whole = { first: 2 * dutyChunks, count: dutyChunks }
    for (const from of [0, 2 * dutyChunks, 3 * dutyChunks, 99])
      expect(outside(contentOf(100), { isOurs, from })).toEqual(whole)
    expect(outside(contentOf(100), { isOurs: (part) => part === 12, from: 50 })).toEqual({ first: 96, count: 4 })
  })

  it('is none where the neighbour has nothing that we lack, or nothing of it is our duty', () => {
    expect(outside(contentOf(3, 0, 1, 2))).toBeUndefined()
    for (const from of [0, 50, 99]) expect(outside(contentOf(100), { isOurs: () => false, from })).toBeUndefined()
    expect(outside(contentOf(0))).toBeUndefined()
  })

  it('is at least one chunk, however small the credit, and never more than may be asked for', () => {
    expect(outside(contentOf(1_000), { creditBytes: 1 })?.count).toBe(1)
    expect(outside(contentOf(1_000), { creditBytes: 1e9 })?.count).toBe(runChunksMax)
  })
})

describe('the run to ask a neighbour of our site for', () => {
  it('is short enough to share the load, and may be under way from outside', () => {
    const content = contentOf(1_000)
    content.depart(0, 1_000, true)
    expect(inside(content, new Random('long'), 1e9)?.count).toBeLessThanOrEqual(lanRunBytes / chunkBytes)
  })

  it('begins at different places, so that neighbours get something to trade', () => {
    const random = new Random('places')
    const firsts = new Set(Array.from({ length: 50 }, () => inside(contentOf(1_000), random)?.first))
    expect(firsts.size).toBeGreaterThan(40)
  })

  it('prefers what few neighbours have', () => {
    const content = contentOf(100)
    const common = Bitmap.full(100)
    for (let index = 0; index < 50; index++) common.delete(index)
    for (let link = 1; link <= 3; link++) content.offers.set(link as LinkId, common)
    const random = new Random('rare')
    const rare = Array.from({ length: 200 }, () => inside(content, random)?.first ?? 99)
    expect(rare.filter((first) => first < 50).length).toBeGreaterThan(170)
  })

  it('is none where nothing is missing, or there is nothing', () => {
    expect([inside(contentOf(2, 0, 1)), inside(contentOf(0))]).toEqual([undefined, undefined])
  })
})

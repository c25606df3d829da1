import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Random } from '#base/random.ts'
import { Bitmap } from '#protocol/bitmap.ts'
import { chooseRun, type Choice } from '#protocol/chunk-choice.ts'
import type { LinkId } from '#protocol/link.ts'
import { lanRunBytes, runChunksMax } from '#protocol/params.ts'
import { WantedContent } from '#protocol/wanted-content.ts'

const chunkBytes = 32_768

/** A content of so many chunks, of which some are here. */
function contentOf(chunks: number, ...here: number[]): WantedContent {
  const content = new WantedContent({ digest: sha256(utf8('content')), length: chunks * chunkBytes }, 0)
  content.opened(chunks, new Uint8Array())
  for (const index of here) content.have.add(index)
  return content
}
const choose = (content: WantedContent, more: Partial<Choice> = {}) =>
  chooseRun({
    content,
    offer: Bitmap.full(content.have.size),
    inside: false,
    creditBytes: 10 * chunkBytes,
    isOurs: () => true,
    random: new Random('choice'),
    ...more,
  })

describe('the run to ask for', () => {
  it('from outside is the first that is missing, as long as credit allows', () => {
    expect(choose(contentOf(100, 0, 1))).toEqual({ first: 2, count: 10 })
  })

  it('ends where something is here, under way, not offered, or not our duty', () => {
    const content = contentOf(100, 5)
    content.flying.add(13)
    const offer = Bitmap.full(100)
    offer.delete(30)
    expect(choose(content)).toEqual({ first: 0, count: 5 })
    for (let index = 0; index < 5; index++) content.flying.add(index)
    expect(choose(content)).toEqual({ first: 6, count: 7 })
    expect(choose(content, { offer, isOurs: (index) => index >= 28 && index < 40 })).toEqual({ first: 28, count: 2 })
  })

  it('is none where the neighbour has nothing that we lack, or nothing of it is our duty', () => {
    expect(choose(contentOf(3, 0, 1, 2))).toBeUndefined()
    expect(choose(contentOf(3), { isOurs: () => false })).toBeUndefined()
    expect(choose(contentOf(3), { offer: new Bitmap(3), inside: true })).toBeUndefined()
  })

  it('is at least one chunk, however small the credit, and never more than may be asked for', () => {
    expect(choose(contentOf(1_000), { creditBytes: 1 })?.count).toBe(1)
    expect(choose(contentOf(1_000), { creditBytes: 1e9 })?.count).toBe(runChunksMax)
  })

  it('on the LAN is short enough to share the load, and asks nobody whose duty it is', () => {
    const run = choose(contentOf(1_000), { inside: true, creditBytes: 1e9, isOurs: () => false })
    expect(run?.count).toBeLessThanOrEqual(lanRunBytes / chunkBytes)
  })

  it('on the LAN begins at different places, so that neighbours get something to trade', () => {
    const random = new Random('places')
    const firsts = new Set(Array.from({ length: 50 }, () => choose(contentOf(1_000), { inside: true, random })?.first))
    expect(firsts.size).toBeGreaterThan(40)
  })

  it('on the LAN prefers what few neighbours have', () => {
    const content = contentOf(100)
    const common = Bitmap.full(100)
    for (let index = 0; index < 50; index++) common.delete(index)
    for (let link = 1; link <= 3; link++) content.offers.set(link as LinkId, common)
    const random = new Random('rare')
    const rare = Array.from({ length: 200 }, () => choose(content, { inside: true, random })?.first ?? 99)
    expect(rare.filter((first) => first < 50).length).toBeGreaterThan(170)
  })

  it('of an empty content is none', () => {
    expect(choose(contentOf(0))).toBeUndefined()
  })
})

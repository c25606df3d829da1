import { describe, expect, it } from 'vitest'
import { sha256 } from '#base/digest.ts'
import { ChunkList, encodeChunkList } from '#content/chunk-list.ts'
import { Kinship } from '#content/kinship.ts'

const older = sha256(Uint8Array.of(1))
const other = sha256(Uint8Array.of(2))
const digest = sha256(Uint8Array.of(3))

/** A list of this many chunks of 30,000 bytes each. */
function listOf(size: number): ChunkList {
  const bytes = encodeChunkList(Array.from({ length: size }, () => ({ digest, length: 30_000 })))
  return ChunkList.decode(bytes, { digest, length: size * 30_000, list: { digest, length: bytes.byteLength } })
}

/** Chunks of the new content, each with the one of the older that it equals. */
function kinOf(...pairs: readonly (readonly [number, number])[]): Kinship {
  const kin = new Kinship()
  for (const [index, from] of pairs) kin.found(index, { content: older, index: from })
  return kin
}

describe('kinship of contents', () => {
  it('chunks that were found in a row are one run', () => {
    expect(kinOf([0, 0], [1, 1], [2, 2], [4, 4], [5, 6]).runs).toEqual([
      { first: 0, count: 3, content: older, from: 0 },
      { first: 4, count: 1, content: older, from: 4 },
      { first: 5, count: 1, content: older, from: 6 },
    ])
    expect(kinOf([5, 5], [3, 3]).runs).toHaveLength(1)
  })

  it('of a chunk between two that both have, the older bytes are those between them', () => {
    const kin = kinOf([0, 10], [1, 11], [4, 13])
    expect(kin.around({ first: 2, count: 2 }, listOf(5), listOf(20))).toEqual({
      content: older,
      start: 12 * 30_000,
      end: 13 * 30_000,
    })
  })

  it('where something was inserted, and nothing stood there, there are none', () => {
    expect(kinOf([0, 0], [2, 1]).around({ first: 1, count: 1 }, listOf(3), listOf(2))).toBeUndefined()
  })

  it('before the first and behind the last common chunk, the older content begins and ends', () => {
    const kin = kinOf([2, 3])
    expect(kin.around({ first: 0, count: 2 }, listOf(4), listOf(6))).toMatchObject({ start: 0, end: 90_000 })
    expect(kin.around({ first: 3, count: 1 }, listOf(4), listOf(6))).toMatchObject({ start: 120_000, end: 180_000 })
  })

  it('in a long stretch that changed, they are looked for at the same height and not everywhere', () => {
    const place = kinOf([0, 0], [200, 100]).around({ first: 100, count: 1 }, listOf(201), listOf(101))
    const middle = 50 * 30_000
    expect(place?.start).toBeGreaterThan(middle - 150_000)
    expect(place?.start).toBeLessThan(middle)
    expect(place?.end).toBeGreaterThan(middle + 30_000)
    expect(place?.end).toBeLessThan(middle + 150_000)
  })

  it('what moved before its neighbours, or came from several contents, gives a guess and no fault', () => {
    const moved = kinOf([0, 50], [2, 3]).around({ first: 1, count: 1 }, listOf(3), listOf(60))
    expect(moved).toMatchObject({ content: older, start: 51 * 30_000 })
    const mixed = kinOf([0, 0])
    mixed.found(2, { content: other, index: 7 })
    expect([mixed.contentFor(1), mixed.contentFor(3)]).toEqual([older, other])
    expect(mixed.around({ first: 1, count: 1 }, listOf(3), listOf(4))).toMatchObject({ content: older })
    expect(new Kinship().around({ first: 0, count: 1 }, listOf(1), listOf(1))).toBeUndefined()
  })

  it('2 MiB at most are looked through for one ask, and 1,024 runs are remembered', () => {
    const place = kinOf([0, 0]).around({ first: 1, count: 256 }, listOf(300), listOf(300))
    expect((place?.end ?? 0) - (place?.start ?? 0)).toBe(2_097_152)
    expect(kinOf(...Array.from({ length: 3_000 }, (_, at) => [2 * at, 2 * at] as const)).runs).toHaveLength(1_024)
  })
})

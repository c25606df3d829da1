import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256 } from '#base/digest.ts'
import { Chunker, chunkBytesAverage, chunkBytesMin } from '#content/chunker.ts'
import { chunkBytesMax } from '#content/content-ref.ts'
import { madeBytes } from '../contracts/chunk-store.ts'

function cut(pieces: readonly Uint8Array[]): Uint8Array[] {
  const chunker = new Chunker()
  const chunks = pieces.flatMap((piece) => chunker.push(piece))
  const rest = chunker.end()
  return rest ? [...chunks, rest] : chunks
}

const digests = (chunks: readonly Uint8Array[]): string[] => chunks.map((chunk) => sha256(chunk))

describe('the chunker', () => {
  it('cuts do not depend on the pieces in which the bytes come', () => {
    const bytes = madeBytes('pieces', 600_000)
    const whole = digests(cut([bytes]))
    fc.assert(
      fc.property(fc.array(fc.nat(600_000), { maxLength: 40 }), (places) => {
        const ends = [0, ...places.toSorted((a, b) => a - b), 600_000]
        const pieces = ends.slice(1).map((end, index) => bytes.subarray(ends[index], end))
        expect(digests(cut(pieces))).toEqual(whole)
      }),
      { seed: 1, numRuns: 30 },
    )
  })

  it('a cut is found where a piece ends just before it, within the bytes that the hash still sees', () => {
    const bytes = madeBytes('just before', 600_000)
    const whole = cut([bytes])
    const ends = whole.map(
      (
        (at) => (chunk) =>
          (at += chunk.byteLength)
      )(0),
    )
    for (const before of [1, 2, 9, 31]) {
      const places = [0, ...ends.map((end) => end - before), 600_000]
      const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end))
      expect(digests(cut(pieces))).toEqual(digests(whole))
    }
  })

  it('the chunks laid end to end are the content', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200_000, size: 'max' }), (bytes) => {
        expect(Buffer.concat(cut([bytes])).equals(bytes)).toBe(true)
      }),
      { seed: 2, numRuns: 30 },
    )
  })

  it('every chunk but the last is 8 to 64 KiB, 32 KiB on average', () => {
    const chunks = cut([madeBytes('sizes', 16_000_000)])
    for (const chunk of chunks.slice(0, -1)) {
      expect(chunk.byteLength).toBeGreaterThanOrEqual(chunkBytesMin)
      expect(chunk.byteLength).toBeLessThanOrEqual(chunkBytesMax)
    }
    const average = 16_000_000 / chunks.length
    expect(average).toBeGreaterThan(chunkBytesAverage * 0.8)
    expect(average).toBeLessThan(chunkBytesAverage * 1.2)
  })

  it('an insertion changes few chunks, wherever it is', () => {
    const bytes = madeBytes('insertion', 2_000_000)
    const before = new Set(digests(cut([bytes])))
    fc.assert(
      fc.property(fc.nat(2_000_000), fc.uint8Array({ minLength: 1, maxLength: 50 }), (at, inserted) => {
        const after = digests(cut([bytes.subarray(0, at), inserted, bytes.subarray(at)]))
        expect(after.filter((digest) => !before.has(digest)).length).toBeLessThanOrEqual(4)
      }),
      { seed: 3, numRuns: 25 },
    )
  })

  it('bytes without any variety are cut at the maximum', () => {
    expect(cut([new Uint8Array(200_000)]).map((chunk) => chunk.byteLength)).toEqual([65_536, 65_536, 65_536, 3_392])
  })

  it('an empty content has no chunk', () => {
    expect(cut([])).toEqual([])
    expect(cut([new Uint8Array()])).toEqual([])
  })

  it('the cuts of this release are those of every other: a change here is a change of what every fleet fetches', () => {
    expect(cut([madeBytes('golden', 300_000)]).map((chunk) => chunk.byteLength)).toMatchInlineSnapshot(`
      [
        20550,
        35645,
        49784,
        43598,
        40190,
        47299,
        37085,
        25849,
      ]
    `)
  })
})

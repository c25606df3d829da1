import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '#base/bytes.ts'
import { codeOf } from '#base/errors.ts'
import { chunkBytesMax } from '#content/content-ref.ts'
import { OlderBytes, Sketch, sketchBlocksMax } from '#content/patch.ts'
import { sketchBytesMax } from '#protocol/params.ts'
import { madeBytes } from '../contracts/chunk-store.ts'

const older = new OlderBytes(madeBytes('older', 100_000))
const olderBytes = madeBytes('older', 100_000)

/** A piece: bytes as they are, or so many blocks. */
function piece(number: number, ...bytes: number[]): Uint8Array {
  const head = new Uint8Array(4)
  new DataView(head.buffer).setUint32(0, number)
  return concatBytes(head, Uint8Array.from(bytes))
}
const blocks = (count: number, first: number): Uint8Array => piece(0x8000_0000 + count * 0x1_0000 + first)

describe('a patch', () => {
  it('makes the chunk out of the older bytes, and carries little more than what is new', () => {
    const chunk = concatBytes(
      olderBytes.subarray(20_000, 30_000),
      madeBytes('inserted', 300),
      olderBytes.subarray(30_000, 50_000),
    )
    const patch = new Sketch(older.sketch).patchFor(chunk)
    expect(patch && older.apply(patch)).toEqual(chunk)
    expect(patch?.byteLength).toBeLessThan(300 + 6 * 1_024)
  })

  it('makes whatever chunk it was made for, from whatever older bytes', () => {
    const places = fc.array(fc.tuple(fc.nat(90_000), fc.integer({ min: 1, max: 9_000 }), fc.boolean()), {
      maxLength: 6,
    })
    fc.assert(
      fc.property(places, (parts) => {
        const chunk = concatBytes(
          ...parts.map(([at, length, isOld], index) =>
            isOld ? olderBytes.subarray(at, at + length) : madeBytes(`new ${index}`, length),
          ),
        )
        const patch = new Sketch(older.sketch).patchFor(chunk)
        expect(patch ? older.apply(patch) : chunk).toEqual(chunk)
        expect(patch?.byteLength ?? 0).toBeLessThanOrEqual((chunk.byteLength * 7) / 8)
      }),
      { seed: 4, numRuns: 60 },
    )
  })

  it('of bytes that repeat names the blocks in a row, not each by itself', () => {
    const zeros = new OlderBytes(new Uint8Array(100_000))
    const chunk = new Uint8Array(60_000)
    const patch = new Sketch(zeros.sketch).patchFor(chunk)
    expect(patch && zeros.apply(patch)).toEqual(chunk)
    expect(patch?.byteLength).toBeLessThan(2_048)
  })

  it('is not made where it saves next to nothing', () => {
    expect(new Sketch(older.sketch).patchFor(madeBytes('strange', 30_000))).toBeUndefined()
    expect(new Sketch(new Uint8Array()).patchFor(olderBytes.subarray(0, 30_000))).toBeUndefined()
    expect(new Sketch(new Uint8Array(sketchBytesMax)).patchFor(olderBytes.subarray(0, 30_000))).toBeUndefined()
  })

  it('goes with a sketch that an ask can carry, however many bytes are here', () => {
    const many = new OlderBytes(madeBytes('many', 4_000_000))
    expect(many.sketch.byteLength).toBe(8 * sketchBlocksMax)
    expect(many.sketch.byteLength).toBe(sketchBytesMax)
    const last = many.apply(blocks(1, sketchBlocksMax - 1))
    expect(last.byteLength).toBeGreaterThan(0)
    expect(() => many.apply(blocks(1, sketchBlocksMax))).toThrow(expect.objectContaining({ code: 'PATCH_INVALID' }))
  })

  it.each([
    ['ends within the head of a piece', Uint8Array.of(0, 0, 0)],
    ['ends within a piece', piece(3, 1, 2)],
    ['has an empty piece', piece(0)],
    ['has a piece of no blocks', blocks(0, 5)],
    ['names blocks that were not in the sketch', blocks(1, 5_000)],
    ['names blocks beyond the last', blocks(0x7fff, 0)],
    ['makes more than a chunk', concatBytes(blocks(100, 0), blocks(100, 0), blocks(100, 0))],
    ['carries more than a chunk', concatBytes(piece(chunkBytesMax + 1), new Uint8Array(chunkBytesMax + 1))],
  ])('that %s is refused', (_, patch) => {
    expect(() => older.apply(patch)).toThrow(expect.objectContaining({ code: 'PATCH_INVALID', exitCode: 4 }))
  })

  it('of any bytes makes a chunk at most, or is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (patch) => {
        const outcome = ((): unknown => {
          try {
            return older.apply(patch).byteLength <= chunkBytesMax
          } catch (error) {
            return codeOf(error)
          }
        })()
        expect([true, 'PATCH_INVALID']).toContain(outcome)
      }),
      { seed: 5, numRuns: 500 },
    )
  })
})

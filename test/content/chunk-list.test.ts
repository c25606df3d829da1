import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import { ChunkList, encodeChunkList } from '#content/chunk-list.ts'
import { listEntriesMax, listEntryBytes } from '#content/content-ref.ts'

const entries = [3, 65_536, 1].map((length) => ({ digest: sha256(utf8(`chunk of ${length}`)), length }))
const ref = { digest: sha256(utf8('all')), length: 65_540 }

/** `valid`, or the code under which the bytes are refused; whatever else is thrown is thrown on. */
function verdictOf(bytes: Uint8Array, length: number): string {
  try {
    ChunkList.decode(bytes, { ...ref, length })
    return 'valid'
  } catch (error) {
    if (error instanceof Refused) return error.code
    throw error
  }
}

describe('a chunk list', () => {
  it('says where each chunk begins and which one holds a byte', () => {
    const list = ChunkList.decode(encodeChunkList(entries), ref)
    expect(list.size).toBe(3)
    expect([0, 1, 2, 3].map((index) => list.offsetAt(index))).toEqual([0, 3, 65_539, 65_540])
    expect([0, 1, 2].map((index) => list.lengthAt(index))).toEqual([3, 65_536, 1])
    expect([0, 1, 2].map((index) => list.digestAt(index))).toEqual(entries.map((entry) => entry.digest))
    expect([0, 2, 3, 65_538, 65_539].map((offset) => list.indexAt(offset))).toEqual([0, 0, 1, 1, 2])
  })

  it('has 36 bytes an entry, the length last and big-endian', () => {
    const bytes = encodeChunkList(entries)
    expect(bytes.byteLength).toBe(3 * listEntryBytes)
    expect([...bytes.subarray(36 + 32, 72)]).toEqual([0, 1, 0, 0])
  })

  it('a content without a list is its own only chunk, an empty one has none', () => {
    const single = ChunkList.single({ digest: ref.digest, length: 7 })
    expect([single.size, single.digestAt(0), single.lengthAt(0)]).toEqual([1, ref.digest, 7])
    expect(ChunkList.single({ digest: ref.digest, length: 0 }).size).toBe(0)
  })

  it('is refused where it does not describe its content', () => {
    const good = encodeChunkList(entries)
    const zero = encodeChunkList([{ ...entries[0]!, length: 0 }, ...entries])
    const large = encodeChunkList([{ ...entries[0]!, length: 65_537 }])
    const cases: [Uint8Array, number][] = [
      [good, 65_539],
      [good, 65_541],
      [good.subarray(1), 65_540],
      [new Uint8Array(), 1],
      [zero, 65_540],
      [large, 65_537],
      [new Uint8Array((listEntriesMax + 1) * listEntryBytes), 65_540],
    ]
    for (const [bytes, length] of cases)
      expect(() => ChunkList.decode(bytes, { ...ref, length })).toThrow(
        expect.objectContaining({ code: 'CHUNK_LIST_INVALID', exitCode: 4 }),
      )
    const other = { ...ref, list: { digest: ref.digest, length: 72 } }
    expect(() => ChunkList.decode(good, other)).toThrow(Refused)
  })

  it('bytes from anybody throw nothing but Refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(200_000), (bytes, length) => {
        expect(['valid', 'CHUNK_LIST_INVALID']).toContain(verdictOf(bytes, length))
      }),
      { seed: 4, numRuns: 300 },
    )
  })
})

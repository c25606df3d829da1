import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '#base/bytes.ts'
import { Refused } from '#base/errors.ts'
import type { MetadataPack } from '#trust/metadata-pack.ts'
import { decodePack, encodePack } from '#trust/pack-codec.ts'
import { fleet } from '../support/fleet.ts'

const { first } = fleet()
const bytes = encodePack(first)
const refused = (input: Uint8Array, max = 100_000): string => {
  try {
    decodePack(input, max)
    return 'accepted'
  } catch (error) {
    return error instanceof Refused ? error.code : String(error)
  }
}

describe('a pack of metadata', () => {
  it('comes out as it went in, and has one spelling', () => {
    expect(encodePack(decodePack(bytes, 100_000))).toEqual(bytes)
  })

  it('over its size, cut, or with something behind it is refused', () => {
    expect(refused(bytes, bytes.byteLength - 1)).toBe('PACK_INVALID')
    for (const length of [0, 3, 9, 40, bytes.byteLength - 1])
      expect(refused(bytes.slice(0, length)), String(length)).toBe('PACK_INVALID')
    expect(refused(Uint8Array.from([...bytes, 1]))).toBe('PACK_INVALID')
  })

  it('with its files in another order, or one of them twice, is refused', () => {
    const part = (pack: Partial<MetadataPack>): Uint8Array =>
      encodePack({ roots: [], roles: new Map(), documents: new Map(), ...pack }).slice(4)
    const magic = bytes.slice(0, 4)
    const timestamp = part({ timestamp: Uint8Array.of(1) })
    const snapshot = part({ snapshot: Uint8Array.of(2) })
    const [a, b] = ['a', 'b'].map((name) => part({ roles: new Map([[name, Uint8Array.of(3)]]) })) as [
      Uint8Array,
      Uint8Array,
    ]
    expect(refused(concatBytes(magic, timestamp, snapshot, a, b))).toBe('accepted')
    for (const parts of [
      [snapshot, timestamp],
      [timestamp, timestamp],
      [b, a],
      [a, a],
      [a, timestamp],
    ])
      expect(refused(concatBytes(magic, ...parts))).toBe('PACK_INVALID')
  })

  it('of random or changed bytes throws nothing but a refusal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        expect(refused(junk)).toMatch(/PACK_INVALID|accepted/)
      }),
    )
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (place, flip) => {
        const bent = new Uint8Array(bytes)
        const index = place % bent.length
        bent[index] = (bent[index] ?? 0) ^ flip
        expect(refused(bent)).toMatch(/PACK_INVALID|accepted/)
      }),
      { numRuns: 500 },
    )
  })
})

import { deflateRawSync } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Refused } from '#base/errors.ts'
import { compress, decompress } from '#content/compress.ts'

describe('compressed bytes', () => {
  it('become what they were', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        expect(decompress(compress(bytes), 500)).toEqual(bytes)
      }),
    )
  })

  it('that would become more than the limit are refused, and hold no more memory than that meanwhile', () => {
    const bomb = deflateRawSync(Buffer.alloc(200_000_000))
    expect(bomb.byteLength).toBeLessThan(200_000)
    const before = process.memoryUsage().arrayBuffers
    expect(() => decompress(bomb, 65_536)).toThrow(expect.objectContaining({ code: 'COMPRESSED_TOO_LARGE' }))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4_000_000)
    expect(decompress(compress(new Uint8Array(65_536)), 65_536)).toHaveLength(65_536)
    expect(() => decompress(compress(new Uint8Array(65_537)), 65_536)).toThrow(Refused)
  })

  it('that are no such bytes, or torn, are refused', () => {
    const whole = compress(Uint8Array.from({ length: 300 }, (_, index) => index * 7))
    for (const bytes of [new Uint8Array(), Uint8Array.of(255, 255), whole.subarray(0, -3)])
      expect(() => decompress(bytes, 1_000)).toThrow(expect.objectContaining({ code: 'COMPRESSED_INVALID' }))
  })
})

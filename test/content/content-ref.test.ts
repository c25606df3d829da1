import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import { chunkBytesMax, contentRefOf, isSameRef, listEntriesMax } from '#content/content-ref.ts'

const digest = sha256(utf8('a content'))
/** `valid`, or the code under which it is refused; whatever else is thrown is thrown on. */
function verdictOf(value: unknown): string {
  try {
    contentRefOf(value, 'manifest')
    return 'valid'
  } catch (error) {
    if (error instanceof Refused) return error.code
    throw error
  }
}
const invalid = 'MANIFEST_INVALID'

describe('a reference to a content', () => {
  it('is read as it was written', () => {
    const refs = [
      { digest, length: 0 },
      { digest, length: chunkBytesMax },
      { digest, length: 100_000, list: { digest, length: 72 } },
      { digest, length: 50_000, list: { digest, length: 72 } },
      { digest, length: 2 ** 32, list: { digest, length: 36 * 131_072, list: { digest, length: 36 * 100 } } },
    ]
    for (const ref of refs) {
      expect(contentRefOf(ref, 'x')).toEqual(ref)
      expect(isSameRef(contentRefOf(ref, 'x'), ref)).toBe(true)
    }
    expect(isSameRef(refs[2]!, refs[4]!)).toBe(false)
    expect(isSameRef(refs[2]!, { digest, length: 100_000 })).toBe(false)
  })

  it('is refused without a list where it is longer than a chunk, and with a list that cannot fit it', () => {
    expect(verdictOf({ digest, length: chunkBytesMax + 1 })).toBe(invalid)
    expect(verdictOf({ digest, length: 0, list: { digest, length: 0 } })).toBe(invalid)
    expect(verdictOf({ digest, length: 100_000, list: { digest, length: 71 } })).toBe(invalid)
    expect(verdictOf({ digest, length: 100_000, list: { digest, length: 36 } })).toBe(invalid)
    expect(verdictOf({ digest, length: 2, list: { digest, length: 108 } })).toBe(invalid)
    expect(verdictOf({ digest, length: 2 ** 52, list: { digest, length: 36 * (listEntriesMax + 1) } })).toBe(invalid)
  })

  it('is refused with lists nested deeper than three', () => {
    const nest = (depth: number): unknown =>
      depth === 0 ? { digest, length: 36 } : { digest, length: 36, list: nest(depth - 1) }
    expect(contentRefOf(nest(3), 'x')).toBeDefined()
    expect(verdictOf(nest(4))).toBe(invalid)
    expect(verdictOf(nest(9_000))).toBe(invalid)
  })

  it('is refused with anything missing, misspelled or added', () => {
    for (const value of [
      undefined,
      null,
      [],
      'text',
      {},
      { digest },
      { length: 1 },
      { digest: digest.toUpperCase(), length: 1 },
      { digest, length: -1 },
      { digest, length: 1.5 },
      { digest, length: '1' },
      { digest, length: 1, list: null },
      { digest, length: 1, extra: true },
      JSON.parse(`{"__proto__": {"digest": "${digest}", "length": 1}}`),
    ])
      expect(verdictOf(value)).toBe(invalid)
  })

  it('JSON from anybody throws nothing but Refused', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(['valid', 'MANIFEST_INVALID']).toContain(verdictOf(value))
      }),
      { seed: 5, numRuns: 300 },
    )
  })
})

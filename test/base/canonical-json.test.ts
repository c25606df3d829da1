import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson, NotCanonical } from '#base/canonical-json.ts'

const seed = 20_260_131

describe('canonical JSON', () => {
  it('has no white space, sorts members at every depth, and leaves lists in their order', () => {
    expect(canonicalJson({ b: [2, 1], a: { d: null, c: true }, Z: false })).toBe(
      '{"Z":false,"a":{"c":true,"d":null},"b":[2,1]}',
    )
  })

  it('escapes the quote and the backslash alone', () => {
    expect(canonicalJson('a"b\\c/')).toBe('"a\\"b\\\\c/"')
  })

  it('is the same however the members were ordered', () => {
    expect(canonicalJson({ a: 1, b: 2 })).toBe(canonicalJson({ b: 2, a: 1 }))
  })

  it.each([
    ['a fraction', 1.5],
    ['a number beyond the safe ones', 2 ** 53],
    ['minus zero', -0],
    ['not a number', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['undefined', undefined],
    ['an absent member', { a: undefined }],
    ['a big integer', 1n],
    ['a function', () => 1],
    ['bytes', new Uint8Array(1)],
  ])('has no form for %s', (_name, value) => {
    expect(() => canonicalJson(value)).toThrow(NotCanonical)
  })

  it.each([
    ['a control character', 'a\nb'],
    ['text outside ASCII', 'Zürich'],
    ['a lone surrogate', '\uD800'],
    ['such a member name', { é: 1 }],
  ])('has no strict form for %s, and a lax one that TUF allows', (_name, value) => {
    expect(() => canonicalJson(value)).toThrow(NotCanonical)
    expect(canonicalJson(value, 'lax')).toContain('"')
  })

  it('goes 16 levels deep and no deeper, so that nesting cannot exhaust the stack', () => {
    const nested = (levels: number): unknown => (levels === 0 ? 0 : [nested(levels - 1)])
    expect(canonicalJson(nested(16))).toBe(`${'['.repeat(16)}0${']'.repeat(16)}`)
    expect(() => canonicalJson(nested(17))).toThrow(NotCanonical)
  })

  it('keeps a member that is called __proto__, as any other', () => {
    expect(canonicalJson(JSON.parse('{"__proto__":1,"a":2}'))).toBe('{"__proto__":1,"a":2}')
  })

  it('in its strict form is JSON that reads back as the same value, and is its own canonical form', () => {
    const text = fc.string({ unit: 'grapheme-ascii' })
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small', maxDepth: 8 },
        fc.constantFrom(null, true, false),
        // Plus zero: minus zero, which has no form, becomes zero.
        fc.maxSafeInteger().map((whole) => whole + 0),
        text,
        fc.array(tie('value')),
        fc.dictionary(text, tie('value'), { noNullPrototype: true }),
      ),
    }))
    fc.assert(
      fc.property(value, (any) => {
        const spelled = canonicalJson(any)
        expect(JSON.parse(spelled)).toEqual(any)
        expect(canonicalJson(JSON.parse(spelled))).toBe(spelled)
      }),
      { seed, numRuns: 200 },
    )
  })
})

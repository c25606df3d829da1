import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, equalBytes, fromBase64url, fromHex, textOf, toBase64url, toHex, utf8 } from '#base/bytes.ts'

const seed = 20_260_131

describe('bytes', () => {
  it('come back from hex and from base64url as they went', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes)
        expect(fromBase64url(toBase64url(bytes))).toEqual(bytes)
      }),
      { seed },
    )
  })

  it('are spelled by their own part of a shared buffer', () => {
    const part = new Uint8Array([0, 1, 254, 255, 0]).subarray(1, 4)
    expect(toHex(part)).toBe('01feff')
    expect(toBase64url(part)).toBe('Af7_')
  })

  it.each(['0', '0g', 'AB', '0x01', ' 01', '01 '])('are not read from "%s" as hex', (text) => {
    expect(fromHex(text)).toBeUndefined()
  })

  it.each(['Af7/', 'Af7+', 'AQ==', 'AR', 'A', ' AQ', 'AQ\n'])(
    'are not read from "%s" as base64url: each has one spelling',
    (text) => {
      expect(fromBase64url(text)).toBeUndefined()
    },
  )

  it('of valid UTF-8 become text, a byte order mark staying a character of it', () => {
    expect(textOf(utf8('Zürich ✓'))).toBe('Zürich ✓')
    expect(textOf(utf8('\uFEFFa'))).toBe('\uFEFFa')
    expect(textOf(new Uint8Array())).toBe('')
  })

  it.each([
    ['a cut character', [0xc3]],
    ['an overlong form', [0xc0, 0x80]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a stray continuation', [0x80]],
  ])('that are %s are no text', (_name, bytes) => {
    expect(textOf(new Uint8Array(bytes))).toBeUndefined()
  })

  it('are joined into fresh ones, so that a part can be changed later', () => {
    const part = new Uint8Array([1, 2])
    const whole = concatBytes(part, new Uint8Array(), new Uint8Array([3]))
    part[0] = 9
    expect(whole).toEqual(new Uint8Array([1, 2, 3]))
  })

  it('are equal by value, and never where their lengths differ', () => {
    expect(equalBytes(new Uint8Array([1, 2]), new Uint8Array([1, 2]))).toBe(true)
    expect(equalBytes(new Uint8Array([1, 2]), new Uint8Array([1, 3]))).toBe(false)
    expect(equalBytes(new Uint8Array([1, 2]), new Uint8Array([1, 2, 0]))).toBe(false)
    expect(equalBytes(new Uint8Array(), new Uint8Array())).toBe(true)
  })
})

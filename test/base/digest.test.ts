import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { digestLength, Hasher, isDigest, sha256, shortDigest } from '#base/digest.ts'

/** FIPS 180-4, the example of three characters. */
const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'

describe('a digest', () => {
  it('is SHA-256 as 64 digits of lower-case hex', () => {
    expect(sha256(utf8('abc'))).toBe(abc)
    expect(sha256(utf8('abc'))).toHaveLength(2 * digestLength)
    expect(shortDigest(sha256(utf8('abc')))).toBe('ba7816bf8f01')
  })

  it('of bytes that come in pieces is that of the whole', () => {
    expect(new Hasher().update(utf8('a')).update(new Uint8Array()).update(utf8('bc')).digest()).toBe(abc)
  })

  it('is recognised in its one spelling only', () => {
    expect(isDigest(abc)).toBe(true)
    for (const other of [
      abc.toUpperCase(),
      abc.slice(1),
      `${abc}0`,
      `${abc}\n`,
      `g${abc.slice(1)}`,
      '',
      1,
      null,
      [abc],
    ])
      expect(isDigest(other)).toBe(false)
  })
})

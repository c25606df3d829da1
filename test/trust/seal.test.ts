import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import nacl from 'tweetnacl'
import { AssertionFailed } from '#base/assert.ts'
import { concatBytes } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import { reportBytesMax } from '#facts/report.ts'
import { boxKey, domainBytes, sign } from '#trust/keys.ts'
import { peerIdOf } from '#trust/peer-id.ts'
import { openReport, readReceipt, sealedBytesMax, sealReport, signReceipt } from '#trust/seal.ts'
import { keyOf, seedOf } from '../support/fleet.ts'

const device = keyOf('device')
const box = boxKey(seedOf('box'))
const seal = (body: Uint8Array, seq = 3): Uint8Array =>
  sealReport({
    body,
    device,
    seq,
    origin: box.public,
    ephemeral: seedOf('ephemeral'),
    nonce: seedOf('nonce').slice(0, 24),
  })

describe('a sealed report', () => {
  it('is opened by the origin, which learns who sent it and its number', () => {
    const body = Uint8Array.of(1, 2, 3)
    expect(openReport(seal(body), [boxKey(seedOf('older box')), box])).toEqual({
      peer: peerIdOf(device.public),
      seq: 3,
      body,
    })
  })

  it('tells those who carry it nothing but a size class', () => {
    expect([1, 800, 900, 3_000, 60_000, 73_000].map((size) => seal(new Uint8Array(size)).byteLength)).toEqual([
      329, 1_097, 1_097, 4_169, 73_801, 73_801,
    ])
    expect(Buffer.from(seal(new Uint8Array(50).fill(65))).includes('AAAA')).toBe(false)
  })

  it('changes its class behind the last byte that fits, and holds the largest report, a membership and an inventory', () => {
    const overhead = 57 + 16
    for (const [body, plain] of [
      [0, 256],
      [148, 256],
      [149, 1_024],
      [916, 1_024],
      [917, 4_096],
      [3_988, 4_096],
      [3_989, 16_384],
      [16_276, 16_384],
      [16_277, 36_864],
      [36_757, 73_728],
      [reportBytesMax + 2_048, 73_728],
      [73_621, 114_688],
      [114_580, 114_688],
    ] as const) {
      const sealed = seal(new Uint8Array(body).fill(1))
      expect([body, sealed.byteLength]).toEqual([body, plain + overhead])
      expect(openReport(sealed, [box]).body.byteLength).toBe(body)
      expect(sealed.byteLength).toBeLessThanOrEqual(sealedBytesMax)
    }
    expect(() => seal(new Uint8Array(114_581))).toThrow(AssertionFailed)
  })

  /** What a member makes who knows the format: any plaintext, sealed as it should be. */
  const sealPlain = (plain: Uint8Array): Uint8Array => {
    const secret = seedOf('ephemeral')
    const nonce = seedOf('nonce').slice(0, 24)
    return concatBytes(Uint8Array.of(1), boxKey(secret).public, nonce, nacl.box(plain, nonce, box.public, secret))
  }
  const plain = (length: number, seq: bigint, body: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(108 + body.byteLength)
    const view = new DataView(bytes.buffer)
    view.setBigUint64(96, seq)
    view.setUint32(104, length)
    bytes.set(body, 108)
    bytes.set(device.public)
    bytes.set(
      sign(device, domainBytes('grapevine-report-v1', bytes.slice(96, 104), bytes.slice(108, 108 + length))),
      32,
    )
    return bytes
  }

  it('that names another device than the one that signed it, or a length it has not, is refused', () => {
    const body = Uint8Array.of(1, 2, 3)
    expect(openReport(sealPlain(plain(3, 7n, body)), [box])).toMatchObject({ seq: 7, body })
    const other = plain(3, 7n, body)
    other.set(keyOf('victim').public)
    const spoken = plain(3, 7n, body)
    spoken.set(sign(device, domainBytes('grapevine-receipt-v1', body)), 32)
    for (const bytes of [
      other,
      spoken,
      plain(4, 7n, body),
      plain(2 ** 32 - 1, 7n, body),
      plain(3, 2n ** 53n, body),
      new Uint8Array(107),
    ])
      expect(() => openReport(sealPlain(bytes), [box])).toThrow(expect.objectContaining({ code: 'SEAL_INVALID' }))
  })

  it('is not opened by any other key (93)', () => {
    expect(() => openReport(seal(new Uint8Array(3)), [boxKey(seedOf('relay'))])).toThrow(
      expect.objectContaining({ code: 'SEAL_INVALID' }),
    )
  })

  it('with a byte changed, cut or added is refused, and nothing else is thrown', () => {
    const sealed = seal(Uint8Array.of(9))
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (place, flip) => {
        const bytes = new Uint8Array(sealed)
        const index = place % bytes.length
        bytes[index] = (bytes[index] ?? 0) ^ flip
        expect(() => openReport(bytes, [box])).toThrow(Refused)
      }),
      { numRuns: 40 },
    )
    for (const bytes of [sealed.slice(0, -1), sealed.slice(0, 60), new Uint8Array(), new Uint8Array(80_000)])
      expect(() => openReport(bytes, [box])).toThrow(expect.objectContaining({ code: 'SEAL_INVALID' }))
  })
})

describe('a receipt', () => {
  const names = [sha256(Uint8Array.of(1)), sha256(Uint8Array.of(2))].map((name, index) => ({ name, anew: index === 1 }))
  const origin = keyOf('origin')
  const receipt = signReceipt(origin, names)

  it('names the reports that the origin has, and of whom it needs all anew', () => {
    expect(readReceipt(receipt, [peerIdOf(origin.public)])).toEqual(names)
  })

  it('names at most 256, and of any other bytes nothing else is thrown', () => {
    const peer = [peerIdOf(origin.public)]
    const many = Array.from({ length: 256 }, (_, n) => ({ name: sha256(Uint8Array.of(n)), anew: n % 3 === 0 }))
    expect(readReceipt(signReceipt(origin, many), peer)).toEqual(many)
    const list = new Uint8Array(2 + 257 * 32 + 33)
    list.set([1, 1])
    const signature = sign(origin, domainBytes('grapevine-receipt-v2', list))
    const long = concatBytes(origin.public, signature, list)
    expect(() => readReceipt(long, peer)).toThrow(expect.objectContaining({ code: 'RECEIPT_INVALID' }))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        expect(() => readReceipt(junk, peer)).toThrow(Refused)
        expect(() => openReport(junk, [box])).toThrow(Refused)
      }),
    )
  })

  it('of anybody else, or changed on the way, empties no outbox', () => {
    const bent = new Uint8Array(receipt)
    bent[100] = (bent[100] ?? 0) ^ 1
    for (const [bytes, peers] of [
      [receipt, [peerIdOf(keyOf('relay').public)]],
      [bent, [peerIdOf(origin.public)]],
      [receipt.slice(0, 96), [peerIdOf(origin.public)]],
      [receipt.slice(0, -1), [peerIdOf(origin.public)]],
      [new Uint8Array(), [peerIdOf(origin.public)]],
    ] as const)
      expect(() => readReceipt(bytes, peers)).toThrow(expect.objectContaining({ code: 'RECEIPT_INVALID' }))
  })
})

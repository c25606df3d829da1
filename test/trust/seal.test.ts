import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256 } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import { boxKey } from '#trust/keys.ts'
import { peerIdOf } from '#trust/peer-id.ts'
import { openReport, readReceipt, sealReport, signReceipt } from '#trust/seal.ts'
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
      1_097, 1_097, 1_097, 4_169, 73_801, 73_801,
    ])
    expect(Buffer.from(seal(new Uint8Array(50).fill(65))).includes('AAAA')).toBe(false)
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
  const names = [sha256(Uint8Array.of(1)), sha256(Uint8Array.of(2))]
  const origin = keyOf('origin')
  const receipt = signReceipt(origin, names)

  it('names the reports that the origin has', () => {
    expect(readReceipt(receipt, [peerIdOf(origin.public)])).toEqual(names)
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

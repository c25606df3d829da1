import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, utf8 } from '#base/bytes.ts'
import { Refused } from '#base/errors.ts'
import { compress } from '#content/compress.ts'
import { encodeInventoryPart } from '#facts/inventory-part.ts'
import { encodeReport } from '#facts/report.ts'
import { packReport, unpackReport } from '#origin/report-body.ts'

const said = { v: 1, seq: 3, at: 5, release: 1, bundles: [], drift: [] } as const
const report = encodeReport(said)
const membership = Uint8Array.of(7, 8, 9)
const inventory = compress(encodeInventoryPart({ machine: { cpu: { threads: 2 } } }))

const thrownBy = (bytes: Uint8Array): unknown => {
  try {
    unpackReport(bytes)
    return undefined
  } catch (error) {
    return error
  }
}

describe('the body of a report', () => {
  it('holds the membership, the report, and beside them the inventory', () => {
    expect(unpackReport(packReport({ membership, report, inventory }))).toEqual({
      membership,
      report: said,
      inventory: { machine: { cpu: { threads: 2 } } },
    })
    expect(unpackReport(packReport({ report }))).toEqual({
      membership: new Uint8Array(),
      report: said,
      inventory: undefined,
    })
  })

  it('that would unpack into more than a report, or an inventory, is refused unpacked', () => {
    const bomb = compress(new Uint8Array(20_000_000))
    expect(() => unpackReport(packReport({ report, inventory: bomb }))).toThrow(
      expect.objectContaining({ code: 'COMPRESSED_TOO_LARGE' }),
    )
    const head = Uint8Array.of(2, 0, 0, bomb.byteLength >> 8, bomb.byteLength & 255)
    expect(() => unpackReport(concatBytes(head, bomb))).toThrow(
      expect.objectContaining({ code: 'COMPRESSED_TOO_LARGE' }),
    )
  })

  it('of another form is refused, and of any bytes nothing else is thrown', () => {
    const body = packReport({ membership, report, inventory })
    const short = compress(Uint8Array.of(0, 9, 1))
    for (const bytes of [
      new Uint8Array(),
      utf8('{"v":1}'),
      Uint8Array.of(1, ...body.subarray(1)),
      Uint8Array.of(2, 255, 255, 255, 255, 0),
      concatBytes(Uint8Array.of(2, 0, 0, 0, short.byteLength), short),
    ])
      expect(() => unpackReport(bytes)).toThrow(expect.objectContaining({ code: 'REPORT_INVALID' }))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 99 }), fc.nat(body.byteLength - 1), (junk, at) => {
        const bent = Uint8Array.from(body)
        bent.set(junk.subarray(0, bent.byteLength - at), at)
        const errors = [junk, bent].map(thrownBy).filter((error) => error !== undefined)
        expect(errors.every((error) => error instanceof Refused)).toBe(true)
      }),
    )
  })
})

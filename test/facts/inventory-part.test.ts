import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { Refused } from '#base/errors.ts'
import { encodeInventoryPart, inventoryPartBytesMax, readInventoryPart } from '#facts/inventory-part.ts'
import { changesBetween, packagesDigest } from '#facts/packages.ts'

const list = 'adduser:all 3.134\nzlib1g:amd64 1:1.2.13\n'
const packages = { digest: packagesDigest(list), count: 2, changes: changesBetween('', list) }
const bent = (change: object): Uint8Array => {
  const fields = JSON.parse(new TextDecoder().decode(encodeInventoryPart({ packages }))) as { packages: object }
  return utf8(JSON.stringify({ packages: { ...fields.packages, ...change } }))
}

describe('the part of a report on what a device consists of', () => {
  it('says what it said, with or without either half', () => {
    const machine = { cpu: { threads: 4 }, disks: { sda: { sizeGB: 512 } } }
    for (const part of [
      {},
      { machine },
      { packages },
      { packages: { ...packages, base: packagesDigest('') }, machine },
    ])
      expect(readInventoryPart(encodeInventoryPart(part))).toEqual(part)
  })

  it('is refused with anything else, and of any bytes nothing else is thrown', () => {
    for (const bytes of [
      utf8('[]'),
      utf8('{"machine":[]}'),
      bent({ digest: 'x' }),
      bent({ base: 7 }),
      bent({ count: -1 }),
      bent({ count: 1e9 }),
      bent({ changes: null }),
      utf8(`{"machine":{"x":"${'y'.repeat(inventoryPartBytesMax)}"}}`),
    ])
      expect(() => readInventoryPart(bytes)).toThrow(expect.objectContaining({ code: 'INVENTORY_INVALID' }))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 99 }), (bytes) => {
        expect(() => readInventoryPart(bytes)).toThrow(Refused)
      }),
    )
  })
})

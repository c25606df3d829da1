/**
 * What lies inside a seal (trust/seal.ts): a letter and, beside it, the part on the inventory. The membership travels inside, since relays must
 * not see who reports; a device whose report says that nothing changed leaves it out, since the origin has it. Bytes:
 *
 *   0   1  version 2
 *   1   4  length of the letter, big endian
 *   5   …  letter, deflated: u16be length of the membership, the membership, the report's JSON
 *   …   …  part on the inventory, deflated: its JSON; empty where there is none
 */
import { concatBytes } from '#base/bytes.ts'
import { Refused } from '#base/errors.ts'
import { compress, decompress } from '#content/compress.ts'
import { inventoryPartBytesMax, readInventoryPart, type InventoryPart } from '#facts/inventory-part.ts'
import { readReport, reportBytesMax, type Report } from '#facts/report.ts'

export interface ReportBody {
  /** Empty where the origin has it. */
  readonly membership: Uint8Array
  readonly report: Report
  readonly inventory: InventoryPart | undefined
}

const version = 2
const head = 5
const membershipBytesMax = 2_048

export interface ReportToPack {
  readonly membership?: Uint8Array | undefined
  readonly report: Uint8Array
  /** As `packInventory` made it. */
  readonly inventory?: Uint8Array | undefined
}

export function packReport({ membership = new Uint8Array(), report, inventory }: ReportToPack): Uint8Array {
  const length = new Uint8Array(2)
  new DataView(length.buffer).setUint16(0, membership.byteLength)
  const letter = compress(concatBytes(length, membership, report))
  const start = new Uint8Array(head)
  start[0] = version
  new DataView(start.buffer).setUint32(1, letter.byteLength)
  return concatBytes(start, letter, inventory ?? new Uint8Array())
}

/** Refused REPORT_INVALID, INVENTORY_INVALID, COMPRESSED_INVALID or COMPRESSED_TOO_LARGE. */
export function unpackReport(body: Uint8Array): ReportBody {
  const length = body.byteLength < head ? 0 : new DataView(body.buffer, body.byteOffset).getUint32(1)
  if (body[0] !== version || head + length > body.byteLength) throw invalid('has no valid form')
  const letter = decompress(body.subarray(head, head + length), 2 + membershipBytesMax + reportBytesMax)
  const end = letter.byteLength < 2 ? -1 : 2 + new DataView(letter.buffer, letter.byteOffset).getUint16(0)
  if (end < 0 || end > letter.byteLength) throw invalid('holds no membership')
  const packed = body.subarray(head + length)
  return {
    membership: letter.subarray(2, end),
    report: readReport(letter.subarray(end)),
    inventory: packed.byteLength > 0 ? readInventoryPart(decompress(packed, inventoryPartBytesMax)) : undefined,
  }
}

const invalid = (what: string): Refused =>
  new Refused('REPORT_INVALID', { message: `The inside of a sealed report ${what}.` })

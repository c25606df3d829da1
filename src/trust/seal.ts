/**
 * Reports sealed to the origin, and the origin's receipt for them (protocol.md §8). Nobody on the way reads a report or learns whose
 * it is. Byte formats:
 *
 *   sealed   0   1  version 1
 *            1  32  ephemeral X25519 key of the sender
 *           33  24  nonce
 *           57   …  nacl.box of the plaintext
 *   plain    0  32  Ed25519 key of the device
 *           32  64  signature over "grapevine-report-v1" ‖ 0x00 ‖ seq ‖ body
 *           96   8  seq, big endian
 *          104   4  length of the body, big endian
 *          108   …  body, then zeros up to ¼, 1, 4, 16, 36, 72 or 112 KiB: sizes say little
 *   receipt  0  32  Ed25519 key of the origin
 *           32  64  signature over "grapevine-receipt-v2" ‖ 0x00 ‖ all that follows
 *           96   2  count of names, big endian
 *           98   …  names, 32 bytes each: SHA-256 of the sealed reports
 *            …   …  one bit a name, the lowest first, zeros up to a byte: whether its device is to say all anew
 */
import nacl from 'tweetnacl'
import { assert } from '#base/assert.ts'
import { concatBytes, fromHex, toHex } from '#base/bytes.ts'
import type { Digest } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import { domainBytes, sign, verify, type BoxKey, type SigningKey } from './keys.ts'
import { peerIdOf, type PeerId } from './peer-id.ts'

export interface ReportToSeal {
  readonly body: Uint8Array
  readonly device: SigningKey
  readonly seq: number
  /** The origin's box key. */
  readonly origin: Uint8Array
  /** 32 and 24 random bytes, never used twice. */
  readonly ephemeral: Uint8Array
  readonly nonce: Uint8Array
}

export interface OpenedReport {
  readonly peer: PeerId
  readonly seq: number
  readonly body: Uint8Array
}

const plainHead = 108
const sealedHead = 57
const boxOverhead = 16
/** The least is for a day without news, 36 KiB for an inventory of 3,000 packages; the largest holds a report of 64 KiB that does not pack, a membership and an inventory. */
const classes = [256, 1_024, 4_096, 16_384, 36_864, 73_728, 114_688]
const sealOverhead = sealedHead + boxOverhead
export const sealedBytesMax = sealOverhead + 114_688
const receiptNamesMax = 256

/** Bytes that a body takes on its way. */
export function sealedBytes(bodyBytes: number): number {
  const size = classes.find((bytes) => bytes >= plainHead + bodyBytes)
  assert(size !== undefined, `a report of ${bodyBytes} bytes is too large to seal`)
  return sealOverhead + size
}

export function sealReport({ body, device, seq, origin, ephemeral, nonce }: ReportToSeal): Uint8Array {
  const plain = new Uint8Array(sealedBytes(body.byteLength) - sealOverhead)
  const number = seqBytes(seq)
  plain.set(device.public)
  plain.set(sign(device, domainBytes('grapevine-report-v1', number, body)), 32)
  plain.set(number, 96)
  new DataView(plain.buffer).setUint32(104, body.byteLength)
  plain.set(body, plainHead)
  const sender = nacl.box.keyPair.fromSecretKey(ephemeral)
  return concatBytes(Uint8Array.of(1), sender.publicKey, nonce, nacl.box(plain, nonce, origin, ephemeral))
}

/** Refused SEAL_INVALID for what none of the keys opens, or what the device it names did not sign. */
export function openReport(sealed: Uint8Array, boxes: readonly BoxKey[]): OpenedReport {
  if (sealed.byteLength < sealedHead + boxOverhead + plainHead || sealed.byteLength > sealedBytesMax || sealed[0] !== 1)
    throw invalid('it has no valid form')
  const sender = sealed.slice(1, 33)
  const nonce = sealed.slice(33, sealedHead)
  for (const box of boxes) {
    const plain = nacl.box.open(sealed.slice(sealedHead), nonce, sender, box.secret)
    if (plain) return readPlain(plain)
  }
  throw invalid('it was not sealed to this origin')
}

/** What the origin has of a report, for good. */
export interface Receipted {
  readonly name: Digest
  /** The origin lacks what this report builds on, as after a loss: its device is to say all anew. */
  readonly anew: boolean
}

/** What empties outboxes: the origin has these reports, for good. */
export function signReceipt(origin: SigningKey, reports: readonly Receipted[]): Uint8Array {
  assert(reports.length > 0 && reports.length <= receiptNamesMax, `a receipt cannot name ${reports.length} reports`)
  const bits = new Uint8Array(Math.ceil(reports.length / 8))
  for (const [index, { anew }] of reports.entries())
    if (anew) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7))
  const names = reports.map(({ name }) => fromHex(name) ?? new Uint8Array())
  const list = concatBytes(Uint8Array.of(reports.length >> 8, reports.length & 255), ...names, bits)
  return concatBytes(origin.public, sign(origin, domainBytes('grapevine-receipt-v2', list)), list)
}

/** What a receipt says. Refused RECEIPT_INVALID unless one of the origin's devices signed it. */
export function readReceipt(bytes: Uint8Array, origins: readonly PeerId[]): Receipted[] {
  const list = bytes.slice(96)
  const count = list.byteLength < 2 ? 0 : (list[0] ?? 0) * 256 + (list[1] ?? 0)
  const key = bytes.slice(0, 32)
  const isValid =
    count > 0 &&
    count <= receiptNamesMax &&
    list.byteLength === 2 + count * 32 + Math.ceil(count / 8) &&
    origins.includes(peerIdOf(key)) &&
    verify(key, domainBytes('grapevine-receipt-v2', list), bytes.slice(32, 96))
  if (!isValid) throw new Refused('RECEIPT_INVALID', { message: 'A receipt is not signed by the origin.' })
  const bits = list.subarray(2 + count * 32)
  return Array.from({ length: count }, (_, index) => ({
    name: toHex(list.subarray(2 + index * 32, 34 + index * 32)) as Digest,
    anew: ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0,
  }))
}

function readPlain(plain: Uint8Array): OpenedReport {
  if (plain.byteLength < plainHead) throw invalid('it is too short')
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength)
  const length = view.getUint32(104)
  const seq = Number(view.getBigUint64(96))
  if (plainHead + length > plain.byteLength || !Number.isSafeInteger(seq)) throw invalid('its lengths are wrong')
  const key = plain.slice(0, 32)
  const body = plain.slice(plainHead, plainHead + length)
  if (!verify(key, domainBytes('grapevine-report-v1', plain.slice(96, 104), body), plain.slice(32, 96)))
    throw invalid('the device it names did not sign it')
  return { peer: peerIdOf(key), seq, body }
}

function seqBytes(seq: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(seq))
  return bytes
}

const invalid = (what: string): Refused =>
  new Refused('SEAL_INVALID', { message: `A sealed report is not valid: ${what}.` })

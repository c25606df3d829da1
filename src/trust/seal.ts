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
 *          108   …  body, then zeros up to 1, 4, 16 or 72 KiB: sizes say little
 *   receipt  0  32  Ed25519 key of the origin
 *           32  64  signature over "grapevine-receipt-v1" ‖ 0x00 ‖ names
 *           96   …  names, 32 bytes each: SHA-256 of the sealed reports
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
/** The largest holds a report of 64 KiB and a membership. */
const classes = [1_024, 4_096, 16_384, 73_728]
export const sealedBytesMax = sealedHead + boxOverhead + 73_728
const receiptNamesMax = 256

export function sealReport({ body, device, seq, origin, ephemeral, nonce }: ReportToSeal): Uint8Array {
  const size = classes.find((bytes) => bytes >= plainHead + body.byteLength)
  assert(size !== undefined, `a report of ${body.byteLength} bytes is too large to seal`)
  const plain = new Uint8Array(size)
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

/** What empties outboxes: the origin has these reports, for good. */
export function signReceipt(origin: SigningKey, names: readonly Digest[]): Uint8Array {
  assert(names.length > 0 && names.length <= receiptNamesMax, `a receipt cannot name ${names.length} reports`)
  const list = concatBytes(...names.map((name) => fromHex(name) ?? new Uint8Array()))
  return concatBytes(origin.public, sign(origin, domainBytes('grapevine-receipt-v1', list)), list)
}

/** The names in a receipt. Refused RECEIPT_INVALID unless one of the origin's devices signed it. */
export function readReceipt(bytes: Uint8Array, origins: readonly PeerId[]): Digest[] {
  const list = bytes.slice(96)
  const count = list.byteLength / 32
  const key = bytes.slice(0, 32)
  const isValid =
    bytes.byteLength > 96 &&
    Number.isInteger(count) &&
    count <= receiptNamesMax &&
    origins.includes(peerIdOf(key)) &&
    verify(key, domainBytes('grapevine-receipt-v1', list), bytes.slice(32, 96))
  if (!isValid) throw new Refused('RECEIPT_INVALID', { message: 'A receipt is not signed by the origin.' })
  return Array.from({ length: count }, (_, index) => toHex(list.subarray(index * 32, (index + 1) * 32)) as Digest)
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

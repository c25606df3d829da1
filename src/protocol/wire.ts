/**
 * Messages on a control stream: CBOR (RFC 8949, deterministic form), one map per frame whose member `t` names the kind. Decoding
 * refuses anything but the exact shape: unknown members, other types, more than the limits of params.ts. Never trusts a count.
 */
import { decode, encode } from 'cborg'
import type { Digest } from '#base/digest.ts'
import { fromHex, textOf, toHex } from '#base/bytes.ts'
import { Refused, messageOf } from '#base/errors.ts'
import { bytesAt, fieldsAt, listAt, onlyKeys, own, textAt, wholeAt, type Fields } from '#base/guard.ts'
import type { PeerId } from '#trust/peer-id.ts'
import type { Role } from '#trust/membership.ts'
import type { Versions } from '#trust/metadata-pack.ts'
import { sealedBytesMax } from '#trust/seal.ts'
import type { ActingMember } from './acting.ts'
import type { Address } from './link.ts'
import { progressRowAt, toldRowAt, type ProgressRow, type ToldRow } from './progress-row.ts'
import {
  actingHopsMax,
  actingToldMax,
  addressesMax,
  chunksMax,
  contentsPerLinkMax,
  leaseMsMax,
  messageBytesMax,
  packBytesMax,
  reportsPerMessageMax,
  rosterMax,
  runsPerMessageMax,
  siteLinksMax,
  tradersMax,
} from './params.ts'

/** Greets: who I am, what I have, where I listen. The first message on a link, each way (protocol.md §1). */
export interface Hello {
  readonly t: 'hello'
  readonly wire: number
  readonly membership: Uint8Array
  readonly versions: Versions
  readonly addresses: readonly Address[]
  /** I am a relay that trades with those of other sites (protocol.md §5.6). */
  readonly trade?: true
}
/** Your hello was accepted: from here on I serve you. */
export interface Ready {
  readonly t: 'ready'
  /** I act as uplink member of my site, and have a link outside. */
  readonly acting: boolean
  readonly reach: boolean
}
/** The last message before a link is closed. */
export interface Bye {
  readonly t: 'bye'
  readonly code: string
}
/** Compares heads, and asks for what is newer (protocol.md §3). */
export interface Head {
  readonly t: 'head'
  readonly versions: Versions
  /** Send me what I lack. */
  readonly ask: boolean
}
/** Part of an encoded metadata pack. */
export interface Pack {
  readonly t: 'pack'
  readonly part: number
  readonly parts: number
  readonly bytes: Uint8Array
}
export interface RosterEntry {
  readonly peer: PeerId
  readonly addresses: readonly Address[]
}
/** Members of our common site (protocol.md §5.5a). */
export interface RosterMessage {
  readonly t: 'roster'
  readonly members: readonly RosterEntry[]
}
export interface TraderEntry extends RosterEntry {
  readonly site: string
}
/** Relays of other sites that trade; from the origin alone (protocol.md §5.6). */
export interface TradersMessage {
  readonly t: 'traders'
  readonly traders: readonly TraderEntry[]
}
/** Whether I act as uplink member, and reach the outside, and who else of our site does as far as I know (protocol.md §5.1). */
export interface UplinkMessage {
  readonly t: 'uplink'
  readonly acting: boolean
  readonly reach: boolean
  readonly others: readonly ActingMember[]
}
/** Tell me what you have of these, now and as it comes. */
export interface Want {
  readonly t: 'want'
  readonly contents: readonly Digest[]
}
/** I no longer need to hear of these. */
export interface Unwant {
  readonly t: 'unwant'
  readonly contents: readonly Digest[]
}
/** All chunks of a content, or those in the bitmap. Replaces what was said before. */
export interface Have {
  readonly t: 'have'
  readonly content: Digest
  readonly chunks: number
  /** Absent: all of them. */
  readonly bits?: Uint8Array
}
/** More chunks of a content: pairs of first index and count. */
export interface More {
  readonly t: 'more'
  readonly content: Digest
  readonly runs: readonly (readonly [number, number])[]
}
/** I fetch these chunks from outside, or with none of them: the content is in my queue. Holds for `ms`; replaces what I said of the content (protocol.md §5.3). */
export interface Lease {
  readonly t: 'lease'
  readonly content: Digest
  readonly runs: readonly (readonly [number, number])[]
  readonly ms: number
}
/** Sealed reports on their way to the origin (protocol.md §8). */
export interface Reports {
  readonly t: 'reports'
  readonly sealed: readonly Uint8Array[]
}
/** The origin's signed receipt, on its way back. */
export interface Receipt {
  readonly t: 'receipt'
  readonly bytes: Uint8Array
}
/** How far I am with what is meant for me (protocol.md §5.8). Only inside a site. */
export interface ProgressMessage {
  readonly t: 'progress'
  readonly row: ProgressRow
  /** Tell me what you know of the others. */
  readonly ask: boolean
  /** What others said to me: the answer to an ask. */
  readonly others: readonly ToldRow[]
}

export type Message =
  | Hello
  | Ready
  | Bye
  | Head
  | Pack
  | RosterMessage
  | TradersMessage
  | UplinkMessage
  | Want
  | Unwant
  | Have
  | More
  | Lease
  | Reports
  | Receipt
  | ProgressMessage

const membershipBytesMax = 2_048

/** The bytes of a message; digests travel as 32 raw bytes. */
export function encodeMessage(message: Message): Uint8Array {
  return encode(toWire(message))
}

/** The message in a frame. Refused `MESSAGE_INVALID` for anything else; nothing is kept of it. */
export function decodeMessage(bytes: Uint8Array): Message {
  try {
    if (bytes.byteLength > messageBytesMax) throw new RangeError(`more than ${messageBytesMax} bytes`)
    return fromWire(fieldsAt(decode(bytes, { strict: true, rejectDuplicateMapKeys: true, useMaps: false }), 'message'))
  } catch (error) {
    throw new Refused('MESSAGE_INVALID', { message: `A message was not understood: ${messageOf(error)}`, cause: error })
  }
}

/**
 * What an encoded message is called, without decoding it: `t` is its shortest member name, so deterministic CBOR puts it first. Undefined
 * where the bytes are spelled otherwise.
 */
export function nameOf(bytes: Uint8Array): string | undefined {
  const [map = 0, key, t, head = 0] = bytes
  const length = head - 0x60
  if (map >> 5 !== 5 || key !== 0x61 || t !== 0x74 || length < 1 || length > 16) return undefined
  return textOf(bytes.subarray(4, 4 + length))
}

const rawDigest = (digest: Digest): Uint8Array => fromHex(digest) ?? new Uint8Array()

function toWire(message: Message): unknown {
  switch (message.t) {
    case 'want':
    case 'unwant':
      return { ...message, contents: message.contents.map(rawDigest) }
    case 'have':
      return { ...message, content: rawDigest(message.content) }
    case 'more':
    case 'lease':
      return { ...message, content: rawDigest(message.content) }
    default:
      return message
  }
}

function fromWire(fields: Fields): Message {
  const t = textAt(own(fields, 't'), 't', 16)
  switch (t) {
    case 'hello':
      onlyKeys(fields, t, ['t', 'wire', 'membership', 'versions', 'addresses', 'trade'])
      return {
        t,
        ...tradeAt(own(fields, 'trade')),
        wire: wholeAt(own(fields, 'wire'), 'wire', 1, 65_535),
        membership: bytesAt(own(fields, 'membership'), 'membership', 1, membershipBytesMax),
        versions: versionsAt(own(fields, 'versions')),
        addresses: addressesAt(own(fields, 'addresses')),
      }
    case 'ready':
      onlyKeys(fields, t, ['t', 'acting', 'reach'])
      return { t, acting: flagAt(own(fields, 'acting'), 'acting'), reach: flagAt(own(fields, 'reach'), 'reach') }
    case 'uplink':
      onlyKeys(fields, t, ['t', 'acting', 'reach', 'others'])
      return {
        t,
        acting: flagAt(own(fields, 'acting'), 'acting'),
        reach: flagAt(own(fields, 'reach'), 'reach'),
        others: listAt(own(fields, 'others'), 'others', actingToldMax).map(actingAt),
      }
    case 'bye':
      onlyKeys(fields, t, ['t', 'code'])
      return { t, code: textAt(own(fields, 'code'), 'code', 64, /^[A-Z_]*$/) }
    case 'head':
      onlyKeys(fields, t, ['t', 'versions', 'ask'])
      return { t, versions: versionsAt(own(fields, 'versions')), ask: flagAt(own(fields, 'ask'), 'ask') }
    case 'pack':
      onlyKeys(fields, t, ['t', 'part', 'parts', 'bytes'])
      return packAt(fields)
    case 'roster':
      onlyKeys(fields, t, ['t', 'members'])
      return { t, members: listAt(own(fields, 'members'), 'members', rosterMax).map(rosterEntryAt) }
    case 'traders':
      onlyKeys(fields, t, ['t', 'traders'])
      return { t, traders: listAt(own(fields, 'traders'), 'traders', tradersMax).map(traderAt) }
    case 'want':
    case 'unwant':
      onlyKeys(fields, t, ['t', 'contents'])
      return { t, contents: listAt(own(fields, 'contents'), 'contents', contentsPerLinkMax).map(digestAt) }
    case 'have':
      onlyKeys(fields, t, ['t', 'content', 'chunks', 'bits'])
      return haveAt(fields)
    case 'more':
      onlyKeys(fields, t, ['t', 'content', 'runs'])
      return {
        t,
        content: digestAt(own(fields, 'content')),
        runs: runsAt(own(fields, 'runs')),
      }
    case 'lease':
      onlyKeys(fields, t, ['t', 'content', 'runs', 'ms'])
      return {
        t,
        content: digestAt(own(fields, 'content')),
        runs: runsAt(own(fields, 'runs')),
        ms: wholeAt(own(fields, 'ms'), 'ms', 0, leaseMsMax),
      }
    case 'reports':
      onlyKeys(fields, t, ['t', 'sealed'])
      return {
        t,
        sealed: listAt(own(fields, 'sealed'), 'sealed', reportsPerMessageMax).map((item) =>
          bytesAt(item, 'sealed', 1, sealedBytesMax),
        ),
      }
    case 'receipt':
      onlyKeys(fields, t, ['t', 'bytes'])
      return { t, bytes: bytesAt(own(fields, 'bytes'), 'bytes', 1, messageBytesMax) }
    case 'progress':
      onlyKeys(fields, t, ['t', 'row', 'ask', 'others'])
      return {
        t,
        row: progressRowAt(own(fields, 'row')),
        ask: flagAt(own(fields, 'ask'), 'ask'),
        others: listAt(own(fields, 'others'), 'others', siteLinksMax).map(toldRowAt),
      }
    default:
      throw new RangeError(`no message is called ${JSON.stringify(t)}`)
  }
}

function flagAt(value: unknown, path: string): boolean {
  if (typeof value !== 'boolean') throw new RangeError(`${path}: expected true or false`)
  return value
}

function digestAt(value: unknown): Digest {
  return toHex(bytesAt(value, 'digest', 32, 32)) as Digest
}

function addressesAt(value: unknown): Address[] {
  return listAt(value, 'addresses', addressesMax).map(
    (item) => textAt(item, 'address', 256, /^\/[\x21-\x7e]+$/) as Address,
  )
}

function versionsAt(value: unknown): Versions {
  const fields = fieldsAt(value, 'versions')
  onlyKeys(fields, 'versions', ['root', 'timestamp', 'snapshot', 'roles'])
  const roles = fieldsAt(own(fields, 'roles'), 'roles')
  const names = Object.keys(roles)
  if (names.length > 16) throw new RangeError('versions.roles: at most 16')
  return {
    root: wholeAt(own(fields, 'root'), 'root', 0),
    timestamp: wholeAt(own(fields, 'timestamp'), 'timestamp', 0),
    snapshot: wholeAt(own(fields, 'snapshot'), 'snapshot', 0),
    roles: Object.fromEntries(
      names.map((name) => [textAt(name, 'role', 64, /^[a-z][a-z0-9-]*$/), wholeAt(own(roles, name), name, 0)]),
    ),
  }
}

function packAt(fields: Fields): Pack {
  const parts = wholeAt(own(fields, 'parts'), 'parts', 1, Math.ceil(packBytesMax / (messageBytesMax / 2)))
  return {
    t: 'pack',
    part: wholeAt(own(fields, 'part'), 'part', 0, parts - 1),
    parts,
    bytes: bytesAt(own(fields, 'bytes'), 'bytes', 0, messageBytesMax),
  }
}

function actingAt(value: unknown): ActingMember {
  const fields = fieldsAt(value, 'other')
  onlyKeys(fields, 'other', ['peer', 'role', 'hops'])
  return {
    peer: peerAt(own(fields, 'peer')),
    role: textAt(own(fields, 'role'), 'role', 8, /^(?:origin|relay|client)$/) as Role,
    hops: wholeAt(own(fields, 'hops'), 'hops', 1, actingHopsMax),
  }
}

const peerAt = (value: unknown): PeerId => textAt(value, 'peer', 60, /^12D3Koo[1-9A-HJ-NP-Za-km-z]+$/) as PeerId

function rosterEntryAt(value: unknown): RosterEntry {
  const fields = fieldsAt(value, 'member')
  onlyKeys(fields, 'member', ['peer', 'addresses'])
  return {
    peer: peerAt(own(fields, 'peer')),
    addresses: addressesAt(own(fields, 'addresses')),
  }
}

function traderAt(value: unknown): TraderEntry {
  const fields = fieldsAt(value, 'trader')
  onlyKeys(fields, 'trader', ['peer', 'site', 'addresses'])
  return {
    peer: peerAt(own(fields, 'peer')),
    site: textAt(own(fields, 'site'), 'site', 63, /^[\x21-\x7e]+$/),
    addresses: addressesAt(own(fields, 'addresses')),
  }
}

/** Said or left out: there is no second way to write no. */
function tradeAt(value: unknown): { trade?: true } {
  if (value === undefined) return {}
  if (value !== true) throw new RangeError('trade: expected true, or nothing')
  return { trade: true }
}

function haveAt(fields: Fields): Have {
  const chunks = wholeAt(own(fields, 'chunks'), 'chunks', 0, chunksMax)
  const bits = own(fields, 'bits')
  const content = digestAt(own(fields, 'content'))
  if (bits === undefined) return { t: 'have', content, chunks }
  const size = Math.ceil(chunks / 8)
  return { t: 'have', content, chunks, bits: bytesAt(bits, 'bits', size, size) }
}

/** In order and apart, so that together they never name more than there are chunks: to follow them must not take for ever. */
function runsAt(value: unknown): (readonly [number, number])[] {
  let end = 0
  return listAt(value, 'runs', runsPerMessageMax).map((item) => {
    const [first, count] = runAt(item)
    if (first < end || first + count > chunksMax)
      throw new RangeError('runs: expected in order, apart, within the limit')
    end = first + count
    return [first, count]
  })
}

function runAt(value: unknown): readonly [number, number] {
  const pair = listAt(value, 'run', 2)
  return [wholeAt(pair[0], 'first', 0, chunksMax), wholeAt(pair[1], 'count', 1, chunksMax)]
}

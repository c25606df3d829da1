import { encode } from 'cborg'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Refused } from '#base/errors.ts'
import { sha256 } from '#base/digest.ts'
import { utf8 } from '#base/bytes.ts'
import type { Address } from '#protocol/link.ts'
import { chunksMax, messageBytesMax, reportBatchBytes, siteLinksMax } from '#protocol/params.ts'
import { decodeMessage, encodeMessage, nameOf, type Message } from '#protocol/wire.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { sealedBytesMax } from '#trust/seal.ts'

const content = sha256(utf8('content'))
const peer = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp' as PeerId
const max = Number.MAX_SAFE_INTEGER
const versions = { root: 1, timestamp: 4, snapshot: 3, roles: { bundles: 2, mesh: 1 } }
const row = { release: 4, bundles: 3, prepared: 1, failed: 0, unsized: 1, missing: 1_000_000, rate: 125_000 }
const messages: Message[] = [
  { t: 'hello', wire: 1, membership: new Uint8Array([1, 2]), versions, addresses: ['/ip4/10.0.0.1/tcp/1' as Address] },
  { t: 'hello', wire: 1, membership: new Uint8Array([1]), versions, addresses: [], trade: true },
  { t: 'ready', acting: true, reach: false },
  { t: 'bye', code: 'STOPPING' },
  { t: 'head', versions, ask: true },
  { t: 'pack', part: 0, parts: 2, bytes: new Uint8Array([7]) },
  { t: 'roster', members: [{ peer, addresses: ['/ip4/10.0.0.2/tcp/47100' as Address] }] },
  { t: 'traders', traders: [{ peer, site: 'lyon', addresses: ['/ip4/10.0.0.2/tcp/47100' as Address] }] },
  { t: 'uplink', acting: false, reach: true, others: [{ peer, role: 'origin', hops: 2 }] },
  { t: 'want', contents: [content] },
  { t: 'unwant', contents: [] },
  { t: 'have', content, chunks: 9, bits: new Uint8Array([255, 1]) },
  { t: 'have', content, chunks: 9 },
  { t: 'more', content, runs: [[0, 4]] },
  {
    t: 'lease',
    content,
    runs: [
      [0, 4],
      [6, 1],
    ],
    ms: 6_000,
  },
  { t: 'reports', sealed: [new Uint8Array([1])] },
  { t: 'receipt', bytes: new Uint8Array([1]) },
  { t: 'progress', row, ask: true, others: [] },
  {
    t: 'progress',
    row: { ...row, line: { missing: 5, unfound: 0, rate: 9 } },
    ask: false,
    others: [{ peer, name: 'till-7', role: 'client', ageMs: 900, row }],
  },
]

const refusal = new Refused('NONE', { message: 'nothing was thrown' })

function thrownBy(bytes: Uint8Array): unknown {
  try {
    decodeMessage(bytes)
    return undefined
  } catch (error) {
    return error
  }
}

const more = (...runs: (readonly [number, number])[]): unknown => ({ t: 'more', content: new Uint8Array(32), runs })

describe('messages on a control stream', () => {
  it.each(messages.map((message) => [message.t, message] as const))('a %s comes out as it went in', (_t, message) => {
    expect(decodeMessage(encodeMessage(message))).toEqual(message)
  })

  it.each(messages.map((message) => [message.t, message] as const))(
    'a %s is named without decoding it',
    (t, message) => {
      expect(nameOf(encodeMessage(message))).toBe(t)
    },
  )

  it('bytes that are no message have no name, or that of none', () => {
    for (const value of [[], null, { a: 1, t: 'have' }, 'have']) expect(nameOf(encode(value))).toBeUndefined()
    expect(nameOf(new Uint8Array())).toBeUndefined()
  })

  it('progress of a whole neighbourhood fits a message', () => {
    const row = { release: max, bundles: 1, prepared: 1, failed: 1, unsized: 1, missing: max, rate: max }
    const whole = { ...row, line: { missing: max, unfound: max, rate: max } }
    const other = { peer, name: 'n'.repeat(63), role: 'client', ageMs: 86_400_000, row: whole } as const
    const message: Message = {
      t: 'progress',
      row: whole,
      ask: false,
      others: Array.from({ length: siteLinksMax }, () => other),
    }
    expect(thrownBy(encodeMessage(message))).toBeUndefined()
  })

  it('whatever bytes come, nothing but a refusal is thrown', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(thrownBy(bytes) ?? refusal).toBeInstanceOf(Refused)
      }),
      { numRuns: 2000 },
    )
  })

  it('a message with one byte changed is refused or is another valid message, never a crash', () => {
    fc.assert(
      fc.property(fc.constantFrom(...messages), fc.nat(), fc.integer({ min: 1, max: 255 }), (message, at, flip) => {
        const bytes = encodeMessage(message).slice()
        const index = at % bytes.length
        bytes[index] = (bytes[index] ?? 0) ^ flip
        expect(thrownBy(bytes) ?? refusal).toBeInstanceOf(Refused)
      }),
      { numRuns: 2000 },
    )
  })

  it.each([
    ['an unknown kind', { t: 'boom' }],
    ['a member too many', { t: 'ready', acting: true, reach: true, more: 1 }],
    ['a member too few', { t: 'ready', acting: true }],
    ['a flag that is a number', { t: 'ready', acting: 1, reach: true }],
    ['a part behind the last', { t: 'pack', part: 2, parts: 2, bytes: new Uint8Array() }],
    ['more parts than a pack can have', { t: 'pack', part: 0, parts: 1_000_000, bytes: new Uint8Array() }],
    ['a digest of 31 bytes', { t: 'want', contents: [new Uint8Array(31)] }],
    ['a bitmap of the wrong size', { t: 'have', content: new Uint8Array(32), chunks: 9, bits: new Uint8Array(1) }],
    ['more chunks than a content can have', { t: 'have', content: new Uint8Array(32), chunks: 2 ** 40 }],
    [
      'a prototype as a role',
      { t: 'head', ask: true, versions: { root: 1, timestamp: 1, snapshot: 1, roles: { '__proto__x!': 1 } } },
    ],
    ['runs that overlap, which would take for ever to follow', more([0, 1_000_000], [0, 1_000_000])],
    ['runs out of order', more([5, 1], [1, 1])],
    ['a run behind the last chunk that there can be', more([chunksMax, 1])],
    ['a sealed report larger than the largest', { t: 'reports', sealed: [new Uint8Array(sealedBytesMax + 1)] }],
    [
      'progress with less than nothing missing',
      { t: 'progress', row: { ...row, missing: -1 }, ask: false, others: [] },
    ],
    [
      'progress with a row too many',
      { t: 'progress', row, ask: false, others: Array.from({ length: siteLinksMax + 1 }, () => ({})) },
    ],
    [
      'progress of somebody whose name could move a cursor',
      {
        t: 'progress',
        row,
        ask: false,
        others: [{ peer, name: '\u001B[2J', role: 'client', ageMs: 0, row }],
      },
    ],
    ['a list', []],
    ['nothing', null],
  ])('%s is refused', (_what, value) => {
    expect(() => decodeMessage(encode(value))).toThrow(expect.objectContaining({ code: 'MESSAGE_INVALID' }))
  })

  it('the largest report that can be sealed passes, and a batch of large ones', () => {
    const message: Message = { t: 'reports', sealed: [new Uint8Array(sealedBytesMax)] }
    const batch: Message = {
      t: 'reports',
      sealed: Array.from({ length: 3 }, () => new Uint8Array(Math.floor(reportBatchBytes / 3))),
    }
    expect(thrownBy(encodeMessage(batch))).toBeUndefined()
    expect(thrownBy(encodeMessage(message))).toBeUndefined()
  })

  it('a thousand lists within each other are refused without a crash', () => {
    const nested = new Uint8Array(messageBytesMax).fill(0x81)
    expect(thrownBy(nested)).toBeInstanceOf(Refused)
  })

  it('a message over the size limit is refused before it is decoded', () => {
    expect(() => decodeMessage(new Uint8Array(messageBytesMax + 1))).toThrow(
      expect.objectContaining({ code: 'MESSAGE_INVALID' }),
    )
  })

  it('a map with one key twice is refused, so that two readers cannot disagree', () => {
    const twice = Uint8Array.from([0xa2, 0x61, 0x74, 0x61, 0x61, 0x61, 0x74, 0x61, 0x62])
    expect(() => decodeMessage(twice)).toThrow(expect.objectContaining({ code: 'MESSAGE_INVALID' }))
  })
})

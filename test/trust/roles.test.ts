import { describe, expect, it } from 'vitest'
import { textOf, utf8 } from '#base/bytes.ts'
import { canonicalJson } from '#base/canonical-json.ts'
import { Refused } from '#base/errors.ts'
import { keyId, tufKey, type SigningKey } from '#trust/keys.ts'
import { openEnvelope, readRoot, readSnapshot, readTargets, readTimestamp, type FileType } from '#trust/roles.ts'
import { verifyThreshold, type RoleKeys } from '#trust/threshold.ts'
import { fleet, forged, keyOf, signedOf } from '../support/fleet.ts'

const { first, keys } = fleet()
const rootBytes = first.roots[0] as Uint8Array
const text = textOf(rootBytes) ?? ''
const idOf = (key: SigningKey): string => keyId(tufKey(key.public))

const codeOf = (act: () => unknown): string => {
  try {
    act()
    return 'accepted'
  } catch (error) {
    return error instanceof Refused ? error.code : String(error)
  }
}
const opened = (bytes: Uint8Array, type: FileType = 'root'): string => codeOf(() => openEnvelope(bytes, type, type))

/** A root signed by so many keys; with `turned`, in the wrong order. */
function forgedMany(count: number, turned = false): Uint8Array {
  const file = JSON.parse(textOf(forged(signedOf(rootBytes), ...manyKeys(count))) ?? '') as { signatures: unknown[] }
  return utf8(canonicalJson({ ...file, signatures: turned ? file.signatures.toReversed() : file.signatures }))
}
function manyKeys(count: number): SigningKey[] {
  return Array.from({ length: count }, (_, n) => keyOf(`key ${n}`))
}
const manyNames = Array.from({ length: 1_100 }, (_, n) => `k${n}`)

describe('a file', () => {
  it('in its one spelling is read', () => {
    expect(opened(rootBytes)).toBe('accepted')
  })

  it.each([
    ['with a further member (20)', utf8(text.replace('{"signatures"', '{"a":1,"signatures"')), 'METADATA_MALFORMED'],
    ['after a byte order mark (21)', utf8(`\ufeff${text}`), 'METADATA_MALFORMED'],
    ['with a byte that is no UTF-8 (21)', Uint8Array.of(...rootBytes, 0xff), 'METADATA_MALFORMED'],
    ['with half a character (21)', utf8(text.replace('"acme"', String.raw`"\ud800"`)), 'METADATA_NOT_CANONICAL'],
    ['with a control character (32)', utf8(text.replace('"acme"', String.raw`"a\u0007"`)), 'METADATA_NOT_CANONICAL'],
    ['with a fraction (24)', utf8(text.replace('"version":1', '"version":1.5')), 'METADATA_NOT_CANONICAL'],
    ['with 1.0 for 1 (24)', utf8(text.replace('"version":1', '"version":1.0')), 'METADATA_NOT_CANONICAL'],
    ['with 1e3 (24)', utf8(text.replace('"version":1', '"version":1e3')), 'METADATA_NOT_CANONICAL'],
    ['with 2^53+2 (24)', utf8(text.replace('"version":1', '"version":9007199254740994')), 'METADATA_NOT_CANONICAL'],
    ['with version -0 (24)', utf8(text.replace('"version":1', '"version":-0')), 'METADATA_NOT_CANONICAL'],
    ['of 7,500 levels (29)', utf8('['.repeat(7_500) + ']'.repeat(7_500)), 'METADATA_MALFORMED'],
    [
      'of 7,500 levels inside (29)',
      utf8(`{"signatures":[],"signed":{"a":${'['.repeat(7_500)}${']'.repeat(7_500)}}}`),
      'METADATA_NOT_CANONICAL',
    ],
    ['with 17 signatures', forgedMany(17), 'METADATA_MALFORMED'],
    ['with signatures out of order', forgedMany(2, true), 'METADATA_MALFORMED'],
    ['of 17 levels (29)', utf8(text.replace('"acme"', '['.repeat(17) + ']'.repeat(17))), 'METADATA_NOT_CANONICAL'],
  ])('%s is refused before any signature is looked at', (_what, bytes, code) => {
    expect(opened(bytes)).toBe(code)
  })

  it.each([
    ['root', 32_768],
    ['timestamp', 4_096],
    ['snapshot', 262_144],
    ['targets', 1_048_576],
  ] as const)('of type %s is refused from %i bytes and one on (28)', (type, bytesMax) => {
    expect(opened(new Uint8Array(bytesMax), type)).toBe('METADATA_MALFORMED')
    expect(opened(new Uint8Array(bytesMax + 1), type)).toBe('METADATA_TOO_LARGE')
  })
})

describe('what the right key signed', () => {
  const fileMeta = { version: 1, length: 9, hashes: { sha256: 'a'.repeat(64) } }
  const target = { length: 9, hashes: { sha256: 'a'.repeat(64) } }
  const files = {
    timestamp: { bytes: first.timestamp as Uint8Array, read: readTimestamp },
    snapshot: { bytes: first.snapshot as Uint8Array, read: readSnapshot },
    targets: { bytes: first.roles.get('targets') as Uint8Array, read: readTargets },
  }
  const changed = (type: keyof typeof files, change: object): string => {
    const { bytes, read } = files[type]
    // A member that is undefined is left out.
    const signed: unknown = JSON.parse(JSON.stringify({ ...signedOf(bytes), ...change }))
    return codeOf(() => read(openEnvelope(forged(signed, keys.timestamp), type, type), type))
  }

  it.each<[string, object]>([
    ['spec_version left out (23)', { spec_version: undefined }],
    ['spec_version 1..0 (23)', { spec_version: '1..0' }],
    ['a version below 1 (24)', { version: -1 }],
    ['a version left out', { version: undefined }],
    ['an end that is no date (25)', { expires: 'tomorrow' }],
    ['no end (25)', { expires: undefined }],
    ['two snapshots (26)', { meta: { 'snapshot.json': fileMeta, 'other.json': fileMeta } }],
    ['md5 alone (27)', { meta: { 'snapshot.json': { ...fileMeta, hashes: { md5: 'a'.repeat(32) } } } }],
    [
      'a hash nobody knows beside (27)',
      { meta: { 'snapshot.json': { ...fileMeta, hashes: { ...fileMeta.hashes, md5: 'a' } } } },
    ],
    ['an upper-case digest (27)', { meta: { 'snapshot.json': { ...fileMeta, hashes: { sha256: 'A'.repeat(64) } } } }],
    ['a prototype as hash (31)', { meta: { 'snapshot.json': { ...fileMeta, hashes: { constructor: 'a' } } } }],
    ['a snapshot larger than any may be', { meta: { 'snapshot.json': { ...fileMeta, length: 262_145 } } }],
    ['a length of nothing', { meta: { 'snapshot.json': { ...fileMeta, length: 0 } } }],
    ['a birth that is no date (58)', { 'x-issued': 'now' }],
  ])('a timestamp with %s is refused', (_what, change) => {
    expect(changed('timestamp', change)).toBe('METADATA_MALFORMED')
  })

  it.each<[string, object]>([
    ['no targets.json', { meta: {} }],
    ['a prototype as role (31)', { meta: { 'targets.json': fileMeta, 'constructor.js': fileMeta } }],
    ['a number as role (31)', { meta: { 'targets.json': fileMeta, '10.json': fileMeta } }],
    ['65 roles', { meta: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`r${n}.json`, fileMeta])) }],
  ])('a snapshot with %s is refused', (_what, change) => {
    expect(changed('snapshot', change)).toBe('METADATA_MALFORMED')
  })

  it.each<[string, object]>([
    ['a prototype as path (31)', { targets: JSON.parse('{"__proto__":{"length":9,"hashes":{}}}') as object }],
    ['a path upwards', { targets: { 'bundles/../x': target } }],
    ['an absolute path', { targets: { '/x': target } }],
    ['a path in upper case', { targets: { 'bundles/Web/1.json': target } }],
    ['a path of 201 characters', { targets: { ['a'.repeat(201)]: target } }],
    ['a length below 0', { targets: { x: { ...target, length: -1 } } }],
    ['custom that is no object', { targets: { x: { ...target, custom: [] } } }],
    ['no targets', { targets: undefined }],
    ['delegations of another shape', { delegations: [] }],
  ])('targets with %s are refused', (_what, change) => {
    expect(changed('targets', change)).toBe('METADATA_MALFORMED')
  })

  it('may say more than we know, and is read all the same', () => {
    expect(changed('timestamp', { 'x-more': { a: 1 } })).toBe('accepted')
    expect(changed('targets', { targets: { x: { ...target, custom: { a: 1 } } } })).toBe('accepted')
  })
})

describe('keys of a root', () => {
  interface RootJson {
    keys: Record<string, unknown>
    roles: { timestamp: { keyids: string[]; threshold: unknown } }
  }
  const changed = (change: (root: RootJson) => void): string => {
    const signed = structuredClone(signedOf(rootBytes)) as unknown as RootJson
    change(signed)
    return codeOf(() => readRoot(openEnvelope(forged(signed, ...keys.root), 'root', 'root'), 'root'))
  }
  const id = idOf(keys.timestamp)

  it.each<[string, (root: RootJson) => void]>([
    ['one keyid twice in a role (12)', ({ roles }) => roles.timestamp.keyids.push(id)],
    ['one key under two keyids (13)', ({ keys: all }) => (all['a'.repeat(64)] = tufKey(keys.timestamp.public))],
    ['another key under a keyid (14)', ({ keys: all }) => (all[id] = tufKey(keyOf('other').public))],
    ['a threshold of 0 (15)', ({ roles }) => (roles.timestamp.threshold = 0)],
    ['a negative threshold (15)', ({ roles }) => (roles.timestamp.threshold = -1)],
    ['a threshold that is no number (15)', ({ roles }) => (roles.timestamp.threshold = '1')],
    ['a keyid without a key', ({ roles }) => (roles.timestamp.keyids = ['b'.repeat(64)])],
    ['a key of another kind (16)', ({ keys: all }) => (all[id] = { ...tufKey(keys.timestamp.public), keytype: 'rsa' })],
    ['a key with a further member', ({ keys: all }) => (all[id] = { ...tufKey(keys.timestamp.public), a: 1 })],
    ['33 keys (30)', ({ keys: all }) => manyKeys(29).forEach((key) => (all[idOf(key)] = tufKey(key.public)))],
    ['1,100 keys that are none (30)', (root) => (root.keys = Object.fromEntries(manyNames.map((name) => [name, 0])))],
    [
      'consistent_snapshot turned off',
      (root) => ((root as unknown as { consistent_snapshot: boolean }).consistent_snapshot = false),
    ],
    ['a prototype as keyid (31)', ({ roles }) => (roles.timestamp.keyids = ['constructor'])],
  ])('refuse %s', (_what, change) => {
    expect(changed(change)).toBe('METADATA_MALFORMED')
  })
})

describe('a threshold', () => {
  const [a, b, c] = [keyOf('a'), keyOf('b'), keyOf('c')] as const
  const role = (threshold: number, ...signers: SigningKey[]): RoleKeys => ({
    threshold,
    keys: new Map(signers.map((key) => [idOf(key), key.public])),
  })
  const counted = (keysOfRole: RoleKeys, ...signers: SigningKey[]): string =>
    codeOf(() => verifyThreshold(keysOfRole, openEnvelope(forged(signedOf(rootBytes), ...signers), 'root', 'x'), 'x'))

  it('of three is met by three keys and not by two (10)', () => {
    expect(counted(role(3, a, b, c), a, b, c)).toBe('accepted')
    expect(counted(role(3, a, b, c), a, b)).toBe('METADATA_SIGNATURE')
  })

  it('counts a key once, under however many names it stands (13)', () => {
    const twice: RoleKeys = { threshold: 2, keys: new Map([...role(2, a).keys, ['f'.repeat(64), a.public]]) }
    const { signatures, ...rest } = openEnvelope(forged(signedOf(rootBytes), a), 'root', 'x')
    const doubled = { ...rest, signatures: new Map([...signatures, ['f'.repeat(64), [...signatures.values()][0]!]]) }
    expect(codeOf(() => verifyThreshold(twice, doubled, 'x'))).toBe('METADATA_SIGNATURE')
  })

  it('is not met by a good signature beside a wrong one: the strict form has no spare ones (11)', () => {
    const { signatures, ...rest } = openEnvelope(forged(signedOf(rootBytes), a), 'root', 'x')
    const spoilt = { ...rest, signatures: new Map([...signatures, [idOf(b), new Uint8Array(64)]]) }
    expect(codeOf(() => verifyThreshold(role(1, a, b), spoilt, 'x'))).toBe('METADATA_SIGNATURE')
  })

  it('is not met by a key of small order, which verifies anything elsewhere (17)', () => {
    const weak = new Uint8Array(32)
    weak[0] = 1
    const signature = new Uint8Array(64)
    signature[0] = 1
    const { signatures: _, ...rest } = openEnvelope(rootBytes, 'root', 'x')
    const small: RoleKeys = { threshold: 1, keys: new Map([['e'.repeat(64), weak]]) }
    const signed = { ...rest, signatures: new Map([['e'.repeat(64), signature]]) }
    expect(codeOf(() => verifyThreshold(small, signed, 'x'))).toBe('METADATA_SIGNATURE')
  })
})

import { describe, expect, it } from 'vitest'
import { textOf, utf8 } from '#base/bytes.ts'
import { Refused } from '#base/errors.ts'
import { keyId, tufKey, type SigningKey } from '#trust/keys.ts'
import { openEnvelope, readRoot, type FileType } from '#trust/roles.ts'
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

/**
 * A plain TUF client against repositories that attack it, by the numbers of the list of attacks. Each attack comes after a good first
 * generation; then its code is seen, what was verified before is as it was, and a good generation after it is accepted.
 */
import { describe, expect, it } from 'vitest'
import { textOf, utf8 } from '#base/bytes.ts'
import { findTarget } from '#trust/tuf/tuf-update.ts'
import {
  codeFrom,
  ecdsaPen,
  pen,
  penOf,
  rsaPen,
  signAgain,
  TufReader,
  TufRepository,
  type Bends,
  type File,
  versionsIn,
} from '../../support/tuf-repository.ts'

describe('a good repository', () => {
  it('is followed through roots, releases and delegations, without a request too many', () => {
    const repository = new TufRepository()
    const reader = new TufReader(repository)
    reader.refresh()
    expect(repository.requests).toEqual(['2.root.json', 'timestamp.json', '1.snapshot.json', '1.targets.json'])
    repository.requests.length = 0
    reader.refresh()
    expect(repository.requests).toEqual(['2.root.json', 'timestamp.json'])
    repository.roles.root = { ...repository.roles.root, version: 2, pens: [pen('new root')] }
    repository.publishRoot()
    repository.next()
    reader.refresh()
    expect(versionsIn(reader)).toEqual({ root: 2, timestamp: 2, snapshot: 2, targets: 2 })
  })

  it.each([
    ['ECDSA on P-256', () => ecdsaPen()],
    ['RSA-PSS', () => rsaPen()],
  ])('may sign with %s', (_name, make) => {
    const repository = new TufRepository()
    repository.roles.root.version = 2
    repository.roles.timestamp.pens = [make()]
    repository.publishRoot()
    repository.next()
    expect(new TufReader(repository).refresh().timestamp.version).toBe(2)
  })
})

/** An attack on one file of the second generation. */
const attacks: readonly [number, string, Bends, string][] = [
  [
    1,
    'a timestamp signed by a stranger',
    { file: { timestamp: (file) => signAgain(file, pen('stranger')) } },
    'METADATA_SIGNATURE',
  ],
  [
    2,
    'a timestamp signed by the key of the snapshot',
    { file: { timestamp: (file) => signAgain(file, pen('snapshot')) } },
    'METADATA_SIGNATURE',
  ],
  [3, 'no signatures', { file: { timestamp: (file) => (file.signatures = []) } }, 'METADATA_SIGNATURE'],
  [
    4,
    'one changed number in what is signed',
    { file: { timestamp: (file) => (file.signed['version'] = 9) } },
    'METADATA_SIGNATURE',
  ],
  [
    6,
    'one keyid twice',
    { file: { timestamp: (file) => file.signatures.push(...file.signatures) } },
    'METADATA_MALFORMED',
  ],
  [
    9,
    'letters behind the signature',
    { file: { timestamp: ({ signatures }) => signatures.forEach((one) => (one.sig += 'zz')) } },
    'METADATA_SIGNATURE',
  ],
  [21, 'a byte order mark', { bytes: { timestamp: (bytes) => utf8(`\uFEFF${textOf(bytes)}`) } }, 'METADATA_MALFORMED'],
  [21, 'invalid UTF-8', { bytes: { timestamp: (bytes) => bytes.with(5, 0xff) } }, 'METADATA_MALFORMED'],
  [
    22,
    'another type with a right signature',
    { signed: { timestamp: (signed) => (signed['_type'] = 'snapshot') } },
    'METADATA_MALFORMED',
  ],
  [
    23,
    'a spec_version of 2',
    { signed: { timestamp: (signed) => (signed['spec_version'] = '2.0.0') } },
    'METADATA_MALFORMED',
  ],
  [
    23,
    'a spec_version of "1..0"',
    { signed: { timestamp: (signed) => (signed['spec_version'] = '1..0') } },
    'METADATA_MALFORMED',
  ],
  [23, 'no spec_version', { signed: { timestamp: (signed) => delete signed['spec_version'] } }, 'METADATA_MALFORMED'],
  [24, 'version 0', { signed: { timestamp: (signed) => (signed['version'] = 0) } }, 'METADATA_MALFORMED'],
  [24, 'a negative version', { signed: { timestamp: (signed) => (signed['version'] = -1) } }, 'METADATA_MALFORMED'],
  [
    24,
    'version 1.5',
    { bytes: { timestamp: (bytes) => utf8((textOf(bytes) ?? '').replace('"version":3', '"version":2.5')) } },
    'METADATA_MALFORMED',
  ],
  [
    25,
    'an expiry that is no date',
    { signed: { timestamp: (signed) => (signed['expires'] = 'soon') } },
    'METADATA_MALFORMED',
  ],
  [
    25,
    'an expiry with an offset',
    { signed: { timestamp: (signed) => (signed['expires'] = '2027-01-01T00:00:00+01:00') } },
    'METADATA_MALFORMED',
  ],
  [
    25,
    'the 30th of February',
    { signed: { timestamp: (signed) => (signed['expires'] = '2027-02-30T00:00:00Z') } },
    'METADATA_MALFORMED',
  ],
  [25, 'no expiry', { signed: { timestamp: (signed) => delete signed['expires'] } }, 'METADATA_MALFORMED'],
  [
    26,
    'two entries in the timestamp',
    { signed: { timestamp: (signed) => Object.assign(signed['meta'] as object, { 'b.json': { version: 1 } }) } },
    'METADATA_MALFORMED',
  ],
  [26, 'no entry in the timestamp', { signed: { timestamp: (signed) => (signed['meta'] = {}) } }, 'METADATA_MALFORMED'],
  [
    27,
    'an empty list of digests',
    { signed: { timestamp: (signed) => (signed['meta'] = { 'snapshot.json': { version: 2, hashes: {} } }) } },
    'METADATA_MALFORMED',
  ],
  [
    27,
    'an unknown digest alone',
    {
      signed: { timestamp: (signed) => (signed['meta'] = { 'snapshot.json': { version: 2, hashes: { md5: 'aa' } } }) },
    },
    'METADATA_HASH',
  ],
  [
    28,
    'a timestamp of more than 16 KiB',
    { signed: { timestamp: (signed) => (signed['x'] = 'x'.repeat(16_384)) } },
    'METADATA_TOO_LARGE',
  ],
  [29, 'seventeen levels', { bytes: { timestamp: (bytes) => nested(bytes, 17) } }, 'METADATA_MALFORMED'],
  [29, '7,500 levels', { bytes: { timestamp: (bytes) => nested(bytes, 7500) } }, 'METADATA_MALFORMED'],
  [
    46,
    'a snapshot of another version than the timestamp says',
    { signed: { snapshot: (signed) => (signed['version'] = 9) } },
    'METADATA_VERSION',
  ],
  [
    48,
    'a snapshot that lowers a role',
    { signed: { snapshot: (signed) => metaIn(signed, { version: 1 }) } },
    'METADATA_ROLLBACK',
  ],
  [
    49,
    'a snapshot that drops a role',
    { signed: { snapshot: (signed) => (signed['meta'] = { 'other.json': { version: 1 } }) } },
    'METADATA_ROLLBACK',
  ],
  [52, 'an expired timestamp', { signed: { timestamp: expire } }, 'METADATA_EXPIRED'],
  [52, 'an expired snapshot', { signed: { snapshot: expire } }, 'METADATA_EXPIRED'],
  [52, 'expired targets', { signed: { targets: expire } }, 'METADATA_EXPIRED'],
  [
    59,
    'targets signed by a wrong key',
    { file: { targets: (file) => signAgain(file, pen('stranger')) } },
    'METADATA_SIGNATURE',
  ],
  [
    70,
    'targets of the listed length and other content',
    { signed: { snapshot: (signed) => metaIn(signed, { hashes: { sha256: '00'.repeat(32) } }) } },
    'METADATA_HASH',
  ],
  [
    71,
    'targets that are longer than listed',
    { signed: { snapshot: (signed) => metaIn(signed, { length: 10 }) } },
    'METADATA_HASH',
  ],
]

function expire(signed: Record<string, unknown>): void {
  signed['expires'] = '2026-11-23T00:00:00Z'
}
function metaIn(signed: Record<string, unknown>, change: object): void {
  Object.assign((signed['meta'] as Record<string, object>)['targets.json'] ?? {}, change)
}
const nested = (bytes: Uint8Array, levels: number): Uint8Array =>
  utf8((textOf(bytes) ?? '').replace('"signed":{', `"signed":{"x":${'['.repeat(levels)}${']'.repeat(levels)},`))

describe('an attack on the second generation', () => {
  it.each(attacks)('%i: %s is refused, and a good generation afterwards is accepted', (_number, _name, bends, code) => {
    const repository = new TufRepository()
    const reader = new TufReader(repository)
    repository.next()
    reader.refresh()
    repository.next(bends)
    expect(codeFrom(() => reader.refresh())).toBe(code)
    // Each file is kept as soon as it is verified itself, and none that is not; targets are never ahead of what lists them.
    expect(versionsIn(reader)['targets']).toBe(2)
    repository.next()
    expect(codeFrom(() => reader.refresh())).toBe('accepted')
    expect(versionsIn(reader)['targets']).toBe(4)
  })
})

describe('signatures', () => {
  const withTimestamp = (change: (repository: TufRepository) => void, bends: Bends = {}): string => {
    const repository = new TufRepository()
    repository.roles.root.version = 2
    change(repository)
    repository.publishRoot(bends)
    repository.next(bends)
    return codeFrom(() => new TufReader(repository).refresh())
  }
  const of =
    (threshold: number, ...labels: string[]) =>
    (repository: TufRepository) => {
      repository.roles.timestamp.pens = labels.map((label) => pen(label))
      repository.roles.timestamp.threshold = threshold
    }
  const bad = (file: File): void => {
    const [first] = file.signatures
    if (first) first.sig = `00${first.sig.slice(2)}`
  }

  it('10: two are too few where three are needed', () => {
    const twoOf = (file: File): void => void file.signatures.pop()
    expect(withTimestamp(of(3, 'a', 'b', 'c'), { file: { timestamp: twoOf } })).toBe('METADATA_SIGNATURE')
    expect(withTimestamp(of(3, 'a', 'b', 'c'))).toBe('accepted')
  })

  it('7, 11: junk beside enough good ones harms nothing', () => {
    const junk = (file: File): void => void file.signatures.push({ keyid: 'junk', sig: 'zz' })
    expect(withTimestamp(of(1, 'a'), { file: { timestamp: junk } })).toBe('accepted')
    expect(withTimestamp(of(2, 'a', 'b', 'c'), { file: { timestamp: bad } })).toBe('accepted')
  })

  it('8: upper-case hex is the same signature', () => {
    const upper = ({ signatures }: File): void => signatures.forEach((one) => (one.sig = one.sig.toUpperCase()))
    expect(withTimestamp(of(1, 'a'), { file: { timestamp: upper } })).toBe('accepted')
  })

  it('12: a role that lists one keyid twice is no role', () => {
    const twice = (signed: Record<string, unknown>): void => {
      const { keyids } = (signed['roles'] as Record<string, { keyids: string[] }>)['timestamp'] ?? { keyids: [] }
      keyids.push(...keyids)
    }
    expect(withTimestamp(of(1, 'a'), { signed: { root: twice } })).toBe('METADATA_MALFORMED')
  })

  it('13: one key under two keyids counts once', () => {
    const plain = pen('a')
    const again = penOf({ ...plain.key, x: 1 }, (bytes) => plain.sign(bytes))
    const change = (repository: TufRepository): void => {
      repository.roles.timestamp.pens = [plain, again]
      repository.roles.timestamp.threshold = 2
    }
    expect(withTimestamp(change)).toBe('METADATA_SIGNATURE')
  })

  it('14: a keyid must be the digest of its key', () => {
    const change = (repository: TufRepository): void => {
      repository.roles.timestamp.pens = [{ ...pen('a'), keyid: 'ab'.repeat(32) }]
    }
    expect(withTimestamp(change)).toBe('METADATA_MALFORMED')
  })

  it.each([0, -1])('15: a threshold of %d is none', (threshold) => {
    expect(withTimestamp(of(threshold, 'a'))).toBe('METADATA_MALFORMED')
  })

  it('16: a key of an unknown kind counts as no signature, and harms none beside it', () => {
    const odd = penOf({ keytype: 'rot13', scheme: 'rot13', keyval: { public: 'x' } }, () => 'ab')
    const only = (pens: ReturnType<typeof pen>[]) => (repository: TufRepository) => {
      repository.roles.timestamp.pens = pens
    }
    expect(withTimestamp(only([odd]))).toBe('METADATA_SIGNATURE')
    expect(withTimestamp(only([odd, pen('a')]))).toBe('accepted')
  })

  it('17: keys that are too weak count as none: a short RSA key, one of small order', () => {
    const small = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: `01${'00'.repeat(31)}` } }
    for (const weak of [rsaPen(1024), penOf(small, () => `01${'00'.repeat(63)}`)])
      expect(withTimestamp((repository) => void (repository.roles.timestamp.pens = [weak]))).toBe('METADATA_SIGNATURE')
  })
})

describe('form', () => {
  it.each(['__proto__', 'constructor', 'toString', '10'])('31: "%s" is a name like any other', (name) => {
    const repository = new TufRepository()
    const role = repository.delegate(name, { paths: [name] })
    Object.defineProperty(role.targets, name, { value: utf8('odd'), enumerable: true })
    repository.next()
    const reader = new TufReader(repository)
    const set = reader.refresh()
    expect(reader.drive(findTarget(set, name)).target.length).toBe(3)
  })

  it('18, 19, 20: spaces, a member twice and one more beside `signed` are allowed here, not in the mesh', () => {
    const spell = (bytes: Uint8Array): Uint8Array => utf8(`{"x":1,"x":2, ${textOf(bytes)?.slice(1)} \n`)
    const repository = new TufRepository()
    repository.next({ bytes: { timestamp: spell } })
    expect(new TufReader(repository).refresh().timestamp.version).toBe(2)
  })

  it('32: a control character in a text is covered by the signature as it stands', () => {
    const repository = new TufRepository()
    repository.next({ signed: { timestamp: (signed) => (signed['x'] = 'a\u0001\nb') } })
    expect(new TufReader(repository).refresh().timestamp.version).toBe(2)
  })

  it('30: a junk root of half a megabyte is refused before its keys are read', () => {
    const repository = new TufRepository()
    const keys = Object.fromEntries(
      Array.from({ length: 1100 }, (_, n) => [`${n}`, { keytype: 'ed25519', scheme: 'x'.repeat(300), keyval: {} }]),
    )
    const signed = { _type: 'root', keys, roles: {}, version: 2 }
    repository.served.set('2.root.json', utf8(JSON.stringify({ signed, signatures: [{ keyid: 'a', sig: 'ab' }] })))
    expect(codeFrom(() => new TufReader(repository).refresh())).toBe('METADATA_SIGNATURE')
  })
})

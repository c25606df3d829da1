import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { textOf, utf8 } from '#base/bytes.ts'
import { canonicalJson } from '#base/canonical-json.ts'
import { sha256 } from '#base/digest.ts'
import { after, day, instant } from '#base/time.ts'
import type { MetadataPack } from '#trust/metadata-pack.ts'
import { heartbeat } from '#trust/repository.ts'
import { TrustedSet } from '#trust/trusted-set.ts'
import { bundle, fleet, forged, keyOf, now, signedOf } from '../support/fleet.ts'

const acme = fleet()
const { keys, first, meshId } = acme
const next: typeof acme.next = (...given) => acme.next(...given)
const fresh = (): TrustedSet => TrustedSet.restore(meshId, first, now)
const at = after(now, 1_000)
const second = next()

/** The pack with its timestamp replaced. */
const withTimestamp = (timestamp: Uint8Array): MetadataPack => ({ ...second, timestamp })

/** Offers a pack: the code, that nothing changed, and that a following good release is still accepted. */
function offered(pack: MetadataPack, set = fresh(), time = at): string {
  const before = set.state()
  const absorbed = set.absorb(pack, time)
  expect(absorbed.type === 'advanced' ? before : set.state()).toEqual(before)
  const good = set.absorb(next([bundle('web', 9)], set.state(), time), time)
  expect(good.type).toBe('advanced')
  return absorbed.type === 'refused' ? absorbed.code : absorbed.type
}

describe('a newcomer', () => {
  it('trusts nothing but the digest of the first root, and takes the whole set from anybody', () => {
    const set = TrustedSet.pinned(meshId)
    expect([set.complete, set.release, set.versions().root]).toEqual([false, 0, 0])
    expect(set.absorb(first, at)).toEqual({ type: 'advanced', complete: true })
    expect([set.complete, set.release, set.fleet]).toEqual([true, 1, 'acme'])
  })

  it("is not fooled by another fleet's root", () => {
    expect(TrustedSet.pinned(meshId).absorb(fleet('evil').first, at).type).toBe('incomplete')
  })

  it('asks for more where a pack has no root', () => {
    expect(TrustedSet.pinned(meshId).absorb({ ...first, roots: [] }, at).type).toBe('incomplete')
  })
})

describe('a release', () => {
  it('is taken once, told as the same again, and as older when a newer is here', () => {
    const set = fresh()
    expect(set.absorb(second, at)).toEqual({ type: 'advanced', complete: true })
    expect([set.absorb(second, at).type, set.absorb(first, at).type]).toEqual(['same', 'older'])
    expect(set.bundles()).toMatchObject([{ name: 'web', version: 1 }])
  })

  it('is known whole from its announcement by whoever had the one before', () => {
    const [origin, member] = [fresh(), fresh()]
    origin.absorb(second, at)
    expect(member.absorb(origin.announcement(), at)).toEqual({ type: 'advanced', complete: true })
  })

  it('brings a laggard up by what it lacks alone', () => {
    const [ahead, behind] = [fresh(), fresh()]
    ahead.absorb(second, at)
    ahead.absorb(next([bundle('web', 2)], second), at)
    const pack = ahead.packSince(behind.versions())
    expect([pack.roots.length, [...pack.roles.keys()]]).toEqual([0, ['bundles']])
    expect(behind.absorb(pack, at)).toEqual({ type: 'advanced', complete: true })
    expect(behind.release).toBe(3)
  })

  it('whose parts are withheld leaves the old one in force, and the member still shows as behind (75)', () => {
    const set = fresh()
    const timestampOnly = {
      roots: [],
      roles: new Map(),
      documents: new Map(),
      timestamp: second.timestamp as Uint8Array,
    }
    expect(set.absorb(timestampOnly, at)).toEqual({ type: 'advanced', complete: false })
    expect([set.release, set.versions().timestamp, set.complete]).toEqual([1, 1, false])
    expect(set.absorb(second, at)).toEqual({ type: 'advanced', complete: true })
    expect([set.release, set.versions().timestamp]).toEqual([2, 2])
  })

  it('changes with a heartbeat in nothing but the timestamp', () => {
    const set = fresh()
    const beat = heartbeat({ previous: first, keys, now: at })
    expect(set.absorb(beat, at)).toEqual({ type: 'advanced', complete: true })
    expect([set.release, set.versions().timestamp, set.announcement().snapshot]).toEqual([1, 2, undefined])
  })

  it('stays in force when it expires, and an expired one is not taken as new (52)', () => {
    const set = fresh()
    const late = after(now, 40 * day)
    expect(set.absorb(second, late)).toMatchObject({ type: 'refused', code: 'METADATA_EXPIRED' })
    expect([set.complete, set.release]).toEqual([true, 1])
  })
})

describe('signatures', () => {
  const signed = signedOf(second.timestamp as Uint8Array)

  it("a stranger's timestamp asks for a newer root, and costs its sender nothing (1)", () => {
    expect(offered(withTimestamp(forged(signed, keyOf('stranger'))))).toBe('unknown-signer')
  })

  it('the key of another role does not serve (2)', () => {
    expect(offered(withTimestamp(forged(signed, keys.snapshot)))).toBe('unknown-signer')
  })

  it('none at all, or one bit changed, is refused (3, 4)', () => {
    expect(offered(withTimestamp(forged(signed)))).toBe('METADATA_SIGNATURE')
    const text = textOf(second.timestamp as Uint8Array) ?? ''
    expect(offered(withTimestamp(utf8(text.replace('"version":2}', '"version":3}'))))).toBe('METADATA_SIGNATURE')
  })

  it('upper-case hex, trailing bytes and a repeated keyid are refused (6, 8, 9)', () => {
    const text = textOf(second.timestamp as Uint8Array) ?? ''
    const [, sig = ''] = /"sig":"([0-9a-f]+)"/.exec(text) ?? []
    for (const other of [sig.toUpperCase(), `${sig}zz`, `${sig}00`])
      expect(offered(withTimestamp(utf8(text.replace(sig, other))))).toBe('METADATA_MALFORMED')
    const [, one = ''] = /\[(\{"keyid".*?\})\]/.exec(text) ?? []
    expect(offered(withTimestamp(utf8(text.replace(one, `${one},${one}`))))).toBe('METADATA_MALFORMED')
  })
})

describe('form', () => {
  const text = textOf(second.timestamp as Uint8Array) ?? ''
  const signed = signedOf(second.timestamp as Uint8Array)

  it.each([
    ['trailing space (18)', `${text} `, 'METADATA_NOT_CANONICAL'],
    ['pretty printing (18)', JSON.stringify(JSON.parse(text), undefined, 1), 'METADATA_NOT_CANONICAL'],
    ['a member twice (19)', text.replace('"version":2}', '"version":2,"version":2}'), 'METADATA_NOT_CANONICAL'],
    ['no JSON', 'hello', 'METADATA_MALFORMED'],
    ['a list', '[]', 'METADATA_MALFORMED'],
    ['deep nesting (29)', `${'['.repeat(5_000)}${']'.repeat(5_000)}`, 'METADATA_TOO_LARGE'],
    ['too many bytes (28)', `${text}${' '.repeat(5_000)}`, 'METADATA_TOO_LARGE'],
  ])('%s is refused', (_what, bytes, code) => {
    expect(offered(withTimestamp(utf8(bytes)))).toBe(code)
  })

  it.each([
    ['another type (22)', { ...signed, _type: 'snapshot' }],
    ['another major version (23)', { ...signed, spec_version: '2.0.0' }],
    ['version 0 (24)', { ...signed, version: 0 }],
    ['a date with an offset (25)', { ...signed, expires: '2030-01-01T00:00:00+01:00' }],
    ['30 February (25)', { ...signed, expires: '2030-02-30T00:00:00Z' }],
    ['no snapshot (26)', { ...signed, meta: {} }],
    ['hashes that prove nothing (27)', { ...signed, meta: { 'snapshot.json': { version: 2, length: 9, hashes: {} } } }],
    ['a prototype as a name (31)', { ...signed, meta: { constructor: { version: 1 } } }],
  ])('%s is refused though the right key signed it', (_what, other) => {
    expect(offered(withTimestamp(forged(other, keys.timestamp)))).toBe('METADATA_MALFORMED')
  })

  it('a junk root of 189 kB is refused at its size, in no time (30)', () => {
    const junk = utf8(
      canonicalJson({
        signed: {
          _type: 'root',
          keys: Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`k${n}`, 'x'.repeat(80)])),
        },
        signatures: [],
      }),
    )
    expect(offered({ ...second, roots: [junk] })).toBe('METADATA_TOO_LARGE')
  })
})

describe('rollback and mixing', () => {
  it('a newer timestamp that names an older snapshot is refused (45)', () => {
    const set = fresh()
    set.absorb(second, at)
    const old = signedOf(first.timestamp as Uint8Array)
    const bad = forged({ ...old, version: 7 }, keys.timestamp)
    expect(offered({ ...second, timestamp: bad }, set)).toBe('METADATA_ROLLBACK')
  })

  it('a snapshot that drops a role or lowers its version is refused (48, 49)', () => {
    const snapshot = signedOf(second.snapshot as Uint8Array) as unknown as {
      version: number
      meta: Record<string, object>
    }
    const { 'mesh.json': mesh, ...dropped } = snapshot.meta
    const ahead = fresh()
    ahead.absorb(next([bundle('web', 2)], next([bundle('web', 1)])), at)
    expect(mesh).toBeDefined()
    const bad = forged({ ...snapshot, meta: dropped }, keys.snapshot)
    expect(offered({ ...second, snapshot: bad, timestamp: signTimestampFor(bad, snapshot.version) })).toBe(
      'METADATA_ROLLBACK',
    )
    const lowered = forged({ ...snapshot, version: 9 }, keys.snapshot)
    const timestamp = forged(
      { ...signedOf(second.timestamp as Uint8Array), version: 9, meta: { 'snapshot.json': metaOf(lowered, 9) } },
      keys.timestamp,
    )
    expect(ahead.absorb({ ...second, snapshot: lowered, timestamp }, at)).toMatchObject({ code: 'METADATA_ROLLBACK' })
  })

  it('a snapshot or a role other than the listed one is refused (46, 47)', () => {
    expect(offered({ ...second, snapshot: first.snapshot as Uint8Array })).toBe('METADATA_HASH')
    expect(offered({ ...second, roles: new Map([['bundles', first.roles.get('bundles') as Uint8Array]]) })).toBe(
      'METADATA_HASH',
    )
  })

  it('a role whose version is not the listed one is refused', () => {
    const role = signedOf(second.roles.get('bundles') as Uint8Array)
    const bad = forged({ ...role, version: 40 }, keys.bundles)
    const snapshot = forgedSnapshot({ 'bundles.json': bad }, 2)
    const pack = { ...second, snapshot, roles: new Map([['bundles', bad]]), timestamp: signTimestampFor(snapshot, 2) }
    expect(offered(pack)).toBe('METADATA_VERSION')
  })

  it('two different timestamps of one version, both signed, are evidence against the origin (44)', () => {
    const set = fresh()
    set.absorb(second, at)
    expect(offered(next([bundle('other', 1)]), set)).toBe('equivocation')
  })

  it('a role signed by another role is refused (59, 60)', () => {
    const role = signedOf(second.roles.get('bundles') as Uint8Array)
    const bad = forged(role, keys.targets)
    const snapshot = forgedSnapshot({ 'bundles.json': bad }, 2)
    const pack = { ...second, snapshot, roles: new Map([['bundles', bad]]), timestamp: signTimestampFor(snapshot, 2) }
    expect(offered(pack)).toBe('unknown-signer')
  })

  it('a root that skips a version is not taken, and one that the old root did not sign is refused (33, 35)', () => {
    const root = signedOf(first.roots[0] as Uint8Array)
    expect(offered({ ...second, roots: [forged({ ...root, version: 3 }, ...keys.root)] })).toBe('incomplete')
    expect(offered({ ...second, roots: [forged({ ...root, version: 2 }, keyOf('thief'))] })).toMatch(
      /unknown-signer|METADATA_SIGNATURE/,
    )
  })

  it('a root signed by the old one is taken, and forgets what replaced online keys said (33, 51)', () => {
    const root = signedOf(first.roots[0] as Uint8Array)
    const set = fresh()
    const same = forged({ ...root, version: 2 }, ...keys.root)
    expect(set.absorb({ ...second, roots: [same] }, at)).toEqual({ type: 'advanced', complete: true })
    expect(set.versions().root).toBe(2)
  })
})

describe('state on disk', () => {
  it('reads back as it was, whatever expired meanwhile', () => {
    const set = fresh()
    set.absorb(second, at)
    const restored = TrustedSet.restore(meshId, set.state(), instant(Date.UTC(2031, 0, 1)))
    expect([restored.release, restored.versions()]).toEqual([2, set.versions()])
  })

  it('that does not verify is told, and never taken for a first start', () => {
    const state = fresh().state()
    expect(() => TrustedSet.restore(meshId, { ...state, timestamp: utf8('junk') }, now)).toThrow(
      expect.objectContaining({ code: 'TRUST_STATE_DAMAGED' }),
    )
  })
})

it('no change of a single byte in any file makes absorb throw, or leaves a changed set behind', () => {
  const files = ['timestamp', 'snapshot'] as const
  fc.assert(
    fc.property(fc.constantFrom(...files), fc.nat(), fc.integer({ min: 1, max: 255 }), (name, place, flip) => {
      const bytes = new Uint8Array(second[name] as Uint8Array)
      const index = place % bytes.length
      bytes[index] = (bytes[index] ?? 0) ^ flip
      const set = fresh()
      const before = set.state()
      const absorbed = set.absorb({ ...second, [name]: bytes }, at)
      expect(absorbed.type).not.toBe('advanced')
      expect(set.state()).toEqual(before)
    }),
    { numRuns: 300 },
  )
})

function forgedSnapshot(files: Readonly<Record<string, Uint8Array>>, version: number): Uint8Array {
  const snapshot = signedOf(second.snapshot as Uint8Array) as unknown as { meta: Record<string, object> }
  const listed = Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, metaOf(bytes, version)]))
  return forged({ ...snapshot, meta: { ...snapshot.meta, ...listed } }, keys.snapshot)
}

function signTimestampFor(snapshot: Uint8Array, version: number): Uint8Array {
  const signed = signedOf(second.timestamp as Uint8Array)
  return forged({ ...signed, meta: { 'snapshot.json': metaOf(snapshot, version) } }, keys.timestamp)
}

const metaOf = (bytes: Uint8Array, version: number): object => ({
  version,
  length: bytes.byteLength,
  hashes: { sha256: sha256(bytes) },
})

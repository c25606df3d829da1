import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { after, day, toDate, type Instant } from '#base/time.ts'
import { keyId, tufKey, type SigningKey } from '#trust/keys.ts'
import type { MetadataPack } from '#trust/metadata-pack.ts'
import { decodePack, encodePack } from '#trust/pack-codec.ts'
import { nextRelease } from '#trust/repository.ts'
import { TrustedSet } from '#trust/trusted-set.ts'
import { bundle, fleet, forged, keyOf, now, signedOf } from '../support/fleet.ts'

const acme = fleet()
const { keys, first, meshId } = acme
const nothing: MetadataPack = { roots: [], roles: new Map(), documents: new Map() }
const thief = fleet('thief').keys
const thiefPeer = '12D3KooWthief'
const expelled = { issuers: new Set<string>(), peers: new Set([thiefPeer]), tokens: new Set<string>() }
/** A release with a bundle and a revocation, and the one after it. */
const second = nextRelease({
  previous: first,
  keys,
  now,
  bundles: [bundle('web', 1)],
  documents: { revocations: expelled },
})
const third = acme.next([bundle('web', 2)], second)

const setAt = (pack: MetadataPack): TrustedSet => TrustedSet.restore(meshId, pack, now)
const restarted = (set: TrustedSet, at: Instant = now): TrustedSet =>
  TrustedSet.restore(meshId, decodePack(encodePack(set.state()), 1_000_000), at)
const inForce = (set: TrustedSet): unknown => [
  set.release,
  set.bundles(),
  set.issuers(),
  set.revocations(),
  set.origin(),
]

type Json = Record<string, unknown>
interface RootJson extends Json {
  version: number
  keys: Record<string, unknown>
  roles: Record<string, { keyids: string[]; threshold: number }>
}
const idOf = (key: SigningKey): string => keyId(tufKey(key.public))
/** A further root: `change` edits a copy of the first. */
function root(
  version: number,
  change: (root: RootJson) => void,
  signers: readonly SigningKey[] = keys.root,
): Uint8Array {
  const signed = structuredClone(signedOf(first.roots[0] as Uint8Array)) as unknown as RootJson
  signed.version = version
  change(signed)
  return forged(signed, ...signers)
}
const same = (): void => undefined
const replaceKey = (role: string, key: SigningKey) => (signed: RootJson) => {
  signed.keys[idOf(key)] = tufKey(key.public)
  signed.roles[role] = { keyids: [idOf(key)], threshold: 1 }
}
const metaOf = (
  bytes: Uint8Array,
  version: number,
): { version: number; length: number; hashes: { sha256: Digest } } => ({
  version,
  length: bytes.byteLength,
  hashes: { sha256: sha256(bytes) },
})
/** `pack` with other roles, listed and signed as the origin would. */
function relisted(pack: MetadataPack, roles: Readonly<Record<string, [Uint8Array, number]>>): MetadataPack {
  const before = signedOf(pack.snapshot as Uint8Array) as unknown as { version: number; meta: Json }
  const meta = Object.fromEntries(Object.entries(roles).map(([name, [bytes, v]]) => [`${name}.json`, metaOf(bytes, v)]))
  const version = before.version + 1
  const snapshot = forged({ ...before, version, meta: { ...before.meta, ...meta } }, keys.snapshot)
  const head = signedOf(pack.timestamp as Uint8Array) as unknown as { version: number }
  const timestamp = forged(
    { ...head, version: head.version + 1, meta: { 'snapshot.json': metaOf(snapshot, version) } },
    keys.timestamp,
  )
  const files = Object.entries(roles).map(([name, [bytes]]): [string, Uint8Array] => [name, bytes])
  return { ...pack, timestamp, snapshot, roles: new Map([...pack.roles, ...files]) }
}

describe('a newer set of which something is missing', () => {
  const parts: [string, MetadataPack][] = [
    ['the snapshot', { ...nothing, timestamp: third.timestamp as Uint8Array }],
    ['a role', { ...third, roles: new Map() }],
  ]

  it.each(parts)('without %s does not survive a restart, and what is in force does', (_what, part) => {
    const set = setAt(second)
    const before = inForce(set)
    expect(set.absorb(part, now)).toEqual({ type: 'advanced', complete: false })
    expect(inForce(set)).toEqual(before)
    const again = restarted(set, after(now, 400 * day))
    expect(inForce(again)).toEqual(before)
    expect(again.complete).toBe(true)
    expect(again.absorb(third, now)).toEqual({ type: 'advanced', complete: true })
  })

  it('without its documents is completed by any neighbour: nobody can hold back a revocation by cutting them off', () => {
    const [whole, cut] = [setAt(second), setAt(first)]
    expect(cut.absorb({ ...second, documents: new Map() }, now)).toEqual({ type: 'advanced', complete: false })
    expect(cut.absorb(whole.packSince(cut.versions()), now)).toEqual({ type: 'advanced', complete: true })
    expect(cut.revocations().peers.has(thiefPeer)).toBe(true)
    const newcomer = TrustedSet.pinned(meshId)
    newcomer.absorb({ ...second, documents: new Map() }, now)
    expect(newcomer.absorb(whole.packSince(newcomer.versions()), now)).toEqual({ type: 'advanced', complete: true })
  })

  it('of a newcomer leaves its roots on disk, and nothing in force', () => {
    const set = TrustedSet.pinned(meshId)
    set.absorb({ ...nothing, roots: first.roots }, now)
    const again = restarted(set)
    expect([again.versions().root, again.complete, again.release]).toEqual([1, false, 0])
    expect(again.absorb(second, now)).toEqual({ type: 'advanced', complete: true })
  })
})

describe('a replaced key', () => {
  it('of the timestamp leaves what is in force, through a restart too', () => {
    const set = setAt(second)
    const before = inForce(set)
    set.absorb({ ...nothing, roots: [root(2, replaceKey('timestamp', keyOf('new')))] }, now)
    expect(inForce(set)).toEqual(before)
    const again = restarted(set)
    expect([inForce(again), again.versions().root]).toEqual([before, 2])
  })

  it('signs nothing any more, and a stolen one that counted up far is forgotten (40, 50, 51)', () => {
    const set = setAt(second)
    const head = signedOf(second.timestamp as Uint8Array)
    set.absorb({ ...second, timestamp: forged({ ...head, version: 1000 }, keys.timestamp) }, now)
    expect(set.absorb(third, now).type).toBe('older')
    const fresh = { ...keys, timestamp: keyOf('new timestamp'), snapshot: keyOf('new snapshot') }
    const rotated = root(2, (signed) => {
      replaceKey('timestamp', fresh.timestamp)(signed)
      replaceKey('snapshot', fresh.snapshot)(signed)
    })
    expect(set.absorb({ ...third, roots: [rotated] }, now)).toEqual({ type: 'advanced', complete: false })
    expect(set.absorb(third, now).type).toBe('unknown-signer')
    const good = nextRelease({ previous: second, keys: fresh, now, bundles: [bundle('web', 3)] })
    expect(set.absorb(good, now)).toEqual({ type: 'advanced', complete: true })
    expect(set.bundles()).toMatchObject([{ version: 3 }])
  })

  it('of a delegation no longer vouches for what is here already', () => {
    const targets = structuredClone(signedOf(second.roles.get('targets') as Uint8Array)) as unknown as {
      delegations: { keys: Record<string, unknown>; roles: { keyids: string[] }[] }
    }
    const other = keyOf('new bundles')
    targets.delegations.keys[idOf(other)] = tufKey(other.public)
    const [bundles] = targets.delegations.roles
    if (bundles) bundles.keyids = [idOf(other)]
    const pack = relisted(second, { targets: [forged({ ...targets, version: 2 }, keys.targets), 2] })
    const set = setAt(second)
    expect(set.absorb(pack, now).type).toBe('unknown-signer')
    expect([set.complete, set.versions()]).toEqual([true, setAt(second).versions()])
    const signed = signedOf(second.roles.get('bundles') as Uint8Array)
    const resigned = relisted(pack, { bundles: [forged({ ...(signed as Json), version: 3 }, other), 3] })
    expect(set.absorb(resigned, now)).toEqual({ type: 'advanced', complete: true })
  })
})

describe('roots', () => {
  const offered = (...roots: Uint8Array[]): [string, number] => {
    const set = setAt(second)
    const absorbed = set.absorb({ ...nothing, roots }, now)
    return [absorbed.type === 'refused' ? absorbed.code : absorbed.type, set.versions().root]
  }

  it('of a version that is here already change nothing (36)', () => {
    const other = { ...signedOf(first.roots[0] as Uint8Array), 'x-fleet': 'other' }
    expect(offered(forged(other, ...keys.root))).toEqual(['incomplete', 1])
    expect(offered(...first.roots)).toEqual(['incomplete', 1])
  })

  it('that lack a role are refused (37)', () => {
    expect(offered(root(2, (signed) => void delete signed.roles['snapshot']))).toEqual(['METADATA_MALFORMED', 1])
  })

  it('must be signed by the old ones and by their own keys (33, 34)', () => {
    const mine = replaceKey('root', keyOf('thief'))
    expect(offered(root(2, mine, [keyOf('thief')]))).toEqual(['METADATA_SIGNATURE', 1])
    expect(offered(root(2, mine))).toEqual(['METADATA_SIGNATURE', 1])
    expect(offered(root(2, mine, [...keys.root, keyOf('thief')]))).toEqual(['advanced', 2])
  })

  const expired = (signed: RootJson): void => {
    signed['expires'] = toDate(after(now, -1 * day))
  }

  it('may have expired on the way, and not at the end (38, 39)', () => {
    const set = setAt(second)
    expect(set.absorb({ ...third, roots: [root(2, expired)] }, now)).toMatchObject({ code: 'METADATA_EXPIRED' })
    expect(inForce(set)).toEqual(inForce(setAt(second)))
    const roots = [root(2, expired), root(3, same)]
    expect(set.absorb({ ...third, roots }, now)).toEqual({ type: 'advanced', complete: true })
  })

  it('are taken 256 at a time, go on with the next pack, and all come back from disk (41)', () => {
    const roots = Array.from({ length: 299 }, (_, n) => root(n + 2, same))
    const set = setAt(second)
    set.absorb({ ...nothing, roots }, now)
    expect(set.versions().root).toBe(257)
    set.absorb({ ...nothing, roots: roots.slice(256) }, now)
    expect(set.versions().root).toBe(300)
    const again = restarted(set)
    expect([again.versions().root, again.complete]).toEqual([300, true])
  })

  it('on disk must form one chain from the first', () => {
    const set = setAt(second)
    set.absorb({ ...nothing, roots: [root(2, same), root(3, same)] }, now)
    const { roots, ...files } = set.state()
    const [one, two, three] = roots as [Uint8Array, Uint8Array, Uint8Array]
    for (const bad of [[], [two], [one, three], [one, one, two], [one, two, root(3, same, thief.root)]])
      expect(() => TrustedSet.restore(meshId, { ...files, roots: bad }, now)).toThrow(
        expect.objectContaining({ code: 'TRUST_STATE_DAMAGED' }),
      )
  })
})

describe('a timestamp', () => {
  it('that has expired is not taken, though all behind it is still good (52, 53)', () => {
    const head = signedOf(second.timestamp as Uint8Array) as unknown as { version: number }
    const expires = toDate(after(now, -1 * day))
    const timestamp = forged({ ...head, version: head.version + 1, expires }, keys.timestamp)
    const set = setAt(second)
    expect(set.absorb({ ...nothing, timestamp }, now)).toMatchObject({ type: 'refused', code: 'METADATA_EXPIRED' })
    expect(set.state()).toEqual(setAt(second).state())
    expect(set.absorb(second, after(now, 400 * day)).type).toBe('same')
    expect(inForce(set)).toEqual(inForce(setAt(second)))
  })
})

describe('a role', () => {
  it('with a version that is no number is refused, and nothing is thrown', () => {
    const bundles = forged({ ...signedOf(third.roles.get('bundles') as Uint8Array), version: 'x' }, keys.bundles)
    const pack = relisted(second, { bundles: [bundles, 3] })
    expect(setAt(second).absorb(pack, now)).toMatchObject({ type: 'refused', code: 'METADATA_VERSION' })
  })

  const changedFile = (name: string, change: object, key: SigningKey): Uint8Array =>
    forged({ ...signedOf(second.roles.get(name) as Uint8Array), ...change }, key)

  it('signed by the wrong keys is refused: targets by the bundles, bundles by a stranger (59, 60)', () => {
    for (const [name, key, version] of [
      ['targets', keys.bundles, 2],
      ['bundles', keyOf('stranger'), 3],
      ['mesh', keys.bundles, 3],
    ] as const) {
      const set = setAt(second)
      const pack = relisted(second, { [name]: [changedFile(name, { version }, key), version] })
      expect(set.absorb(pack, now).type).toBe('unknown-signer')
      expect(set.state()).toEqual(setAt(second).state())
      expect(set.absorb(third, now)).toEqual({ type: 'advanced', complete: true })
    }
  })

  it('that the snapshot does not list is not believed, and the set is not whole (61)', () => {
    const listed = signedOf(second.snapshot as Uint8Array) as unknown as { meta: Json; version: number }
    const { 'bundles.json': _, ...meta } = listed.meta
    const snapshot = forged({ ...listed, meta }, keys.snapshot)
    const head = signedOf(second.timestamp as Uint8Array) as unknown as Json
    const timestamp = forged({ ...head, meta: { 'snapshot.json': metaOf(snapshot, 2) } }, keys.timestamp)
    const set = TrustedSet.pinned(meshId)
    expect(set.absorb({ ...second, snapshot, timestamp }, now)).toEqual({ type: 'advanced', complete: false })
    expect([set.complete, set.release, set.bundles()]).toEqual([false, 0, []])
    expect(set.absorb(third, now)).toEqual({ type: 'advanced', complete: true })
  })

  it('speaks for no path but those that were given to it (62)', () => {
    const targets = structuredClone(signedOf(second.roles.get('targets') as Uint8Array)) as unknown as {
      delegations: { roles: { name: string; paths: string[] }[] }
    }
    const withPaths = (name: string, paths: string[]): MetadataPack => {
      const roles = targets.delegations.roles.map((role) => (role.name === name ? { ...role, paths } : role))
      const file = forged({ ...targets, version: 2, delegations: { ...targets.delegations, roles } }, keys.targets)
      return relisted(second, { targets: [file, 2] })
    }
    const set = setAt(second)
    expect(set.absorb(withPaths('bundles', ['bundles/db/*']), now)).toEqual({ type: 'advanced', complete: true })
    expect(set.bundles()).toEqual([])
    const newcomer = TrustedSet.pinned(meshId)
    expect(newcomer.absorb(withPaths('mesh', ['other/*']), now)).toEqual({ type: 'advanced', complete: false })
    expect(newcomer.issuers()).toEqual([])
  })

  it('or a snapshot that has expired is not taken as new (52)', () => {
    const expires = toDate(after(now, -1 * day))
    const bundles = relisted(second, { bundles: [changedFile('bundles', { version: 3, expires }, keys.bundles), 3] })
    const listed = signedOf(bundles.snapshot as Uint8Array)
    const snapshot = forged({ ...listed, expires }, keys.snapshot)
    const head = signedOf(bundles.timestamp as Uint8Array)
    const meta = { 'snapshot.json': metaOf(snapshot, 3) }
    const old = { ...second, snapshot, timestamp: forged({ ...head, meta }, keys.timestamp) }
    for (const pack of [bundles, old]) {
      const set = setAt(second)
      expect(set.absorb(pack, now)).toMatchObject({ type: 'refused', code: 'METADATA_EXPIRED' })
      expect(set.state()).toEqual(setAt(second).state())
      expect(set.absorb(third, now)).toEqual({ type: 'advanced', complete: true })
    }
  })

  it('and a document of it that is signed and not understood is refused, and nothing is thrown', () => {
    const mesh = signedOf(second.roles.get('mesh') as Uint8Array) as unknown as { targets: Json }
    for (const text of [
      '[]',
      '{',
      '{"v":2}',
      '{"issuers":[{"kid":"a","pub":"b"}],"v":1}',
      '{"issuers":[],"v":1,"x":1}',
    ]) {
      const bytes = utf8(text)
      const { version: _, ...target } = metaOf(bytes, 0)
      const role = changedFile(
        'mesh',
        { version: 3, targets: { ...mesh.targets, 'mesh/issuers.json': target } },
        keys.mesh,
      )
      const documents = new Map([...second.documents, ['mesh/issuers.json', bytes]])
      const set = setAt(second)
      const pack = { ...relisted(second, { mesh: [role, 3] }), documents }
      expect(set.absorb(pack, now), text).toMatchObject({ type: 'refused', code: 'METADATA_MALFORMED' })
      expect(set.state()).toEqual(setAt(second).state())
    }
  })

  it('that is listed anew and expired meanwhile is not carried over (52)', () => {
    const late = after(now, 20 * day)
    const short = forged(
      { ...signedOf(second.roles.get('targets') as Uint8Array), version: 2, expires: toDate(after(now, day)) },
      keys.targets,
    )
    const set = setAt(relisted(second, { targets: [short, 2] }))
    const bundles = forged({ ...signedOf(second.roles.get('bundles') as Uint8Array), version: 3 }, keys.bundles)
    const pack = relisted(set.state(), { bundles: [bundles, 3] })
    expect(set.absorb(pack, late)).toMatchObject({ type: 'refused', code: 'METADATA_EXPIRED' })
    expect(set.bundles()).toMatchObject([{ name: 'web', version: 1 }])
  })
})

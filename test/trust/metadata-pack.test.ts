/** Packs that carry more than is true, or less: whoever passes one on vouches for every part of it. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { textOf, utf8 } from '#base/bytes.ts'
import { canonicalJson } from '#base/canonical-json.ts'
import { after, day } from '#base/time.ts'
import { keyId, tufKey } from '#trust/keys.ts'
import type { MetadataPack } from '#trust/metadata-pack.ts'
import { nextRelease } from '#trust/repository.ts'
import { TrustedSet } from '#trust/trusted-set.ts'
import { bundle, fleet, forged, keyOf, now, signedOf } from '../support/fleet.ts'

const acme = fleet()
const { keys, first, meshId } = acme
const junk = utf8('junk')
const expelled = { issuers: new Set<string>(), peers: new Set(['12D3KooWthief']), tokens: new Set<string>() }
const second = nextRelease({
  previous: first,
  keys,
  now,
  bundles: [bundle('web', 1)],
  documents: { revocations: expelled },
})
const third = acme.next([bundle('web', 2)], second)
const misSigned = (file: Uint8Array): Uint8Array =>
  utf8((textOf(file) ?? '').replace(/"sig":"(.)/, (_, digit: string) => `"sig":"${digit === '0' ? '1' : '0'}`))
const setAt = (pack: MetadataPack): TrustedSet => TrustedSet.restore(meshId, pack, now)
const nothing: MetadataPack = { roots: [], roles: new Map(), documents: new Map() }

/** Root `version` with the keys of the first, signed by both. */
const root = (version: number, more: object = {}, signers = keys.root): Uint8Array =>
  forged({ ...signedOf(first.roots[0] as Uint8Array), version, ...more }, ...signers)

describe('a good announcement with one false part', () => {
  const set = setAt(second)
  set.absorb({ ...nothing, roots: [root(2)] }, now)
  const rooted = set.state()
  const announcement = { ...nothing, ...third, roots: [], documents: new Map() }

  it.each<[string, Partial<MetadataPack>, string]>([
    ['a role that is here', { roles: new Map([...third.roles, ['targets', junk]]) }, 'METADATA_HASH'],
    ['a document that is here', { documents: new Map([['mesh/issuers.json', junk]]) }, 'METADATA_HASH'],
    ['a root that is here', { roots: [misSigned(root(2))] }, 'METADATA_SIGNATURE'],
    ['a root that nobody can read', { roots: [root(2, { version: '2' })] }, 'METADATA_MALFORMED'],
    ['bytes in place of a root', { roots: [junk] }, 'METADATA_MALFORMED'],
  ])('is refused by those who do not need that part too: %s', (_what, part, code) => {
    const member = setAt(rooted)
    expect(member.absorb({ ...announcement, ...part }, now)).toMatchObject({ type: 'refused', code })
    expect(member.state()).toEqual(rooted)
    expect(member.absorb(announcement, now)).toEqual({ type: 'advanced', complete: true })
  })

  it("that is another fleet's first root is passed on by nobody, and held against nobody", () => {
    const pack = { ...announcement, roots: [root(1, { 'x-fleet': 'evil' })] }
    for (const set of [setAt(rooted), TrustedSet.pinned(meshId)]) expect(set.absorb(pack, now).type).toBe('incomplete')
  })

  it('is refused by a laggard in the same way as by all others', () => {
    const laggard = setAt(first)
    const bent = { ...announcement, roles: new Map([...second.roles, ['bundles', junk]]), documents: second.documents }
    expect(laggard.absorb(bent, now)).toMatchObject({ type: 'refused', code: 'METADATA_HASH' })
    expect(laggard.state()).toEqual(first)
    expect(laggard.absorb(third, now)).toEqual({ type: 'advanced', complete: true })
  })

  it('of a kind that nobody knows is passed over, for a newer program may know it', () => {
    const member = setAt(second)
    const roles = new Map([...third.roles, ['patches', junk]])
    const documents = new Map([['mesh/patches.json', junk]])
    expect(member.absorb({ ...third, roles, documents }, now)).toEqual({ type: 'advanced', complete: true })
    expect([...member.state().roles.keys()]).not.toContain('patches')
  })

  it('that is a second root of one version, signed as well, is evidence against the keys of the fleet', () => {
    const member = setAt(rooted)
    expect(member.absorb({ ...nothing, roots: [root(2, { 'x-fleet': 'other' })] }, now).type).toBe('equivocation')
    expect(member.state()).toEqual(rooted)
  })
})

describe('a file signed by more keys than it needs', () => {
  const spare = keyOf('spare')
  /** A fleet whose timestamp may be signed by either of two keys. */
  const signed = signedOf(first.roots[0] as Uint8Array) as unknown as {
    keys: object
    roles: { timestamp: { keyids: string[] } } & object
  }
  const keyid = keyId(tufKey(spare.public))
  const wide = root(2, {
    keys: { ...signed.keys, [keyid]: tufKey(spare.public) },
    roles: {
      ...signed.roles,
      timestamp: { keyids: [...signed.roles.timestamp.keyids, keyid].toSorted(), threshold: 1 },
    },
  })

  it('is the same file when a relay drops the spare signature, and no evidence against the origin', () => {
    const head = signedOf(second.timestamp as Uint8Array)
    const member = setAt(first)
    const both = { ...second, roots: [wide], timestamp: forged(head, keys.timestamp, spare) }
    expect(member.absorb(both, now)).toEqual({ type: 'advanced', complete: true })
    expect(member.absorb({ ...second, timestamp: forged(head, spare) }, now).type).toBe('same')
    expect(member.absorb({ ...second, timestamp: forged({ ...head, a: 1 }, spare) }, now).type).toBe('equivocation')
  })
})

describe('what a set tells others', () => {
  it('is the same announcement after a restart, and a heartbeat after it announces the timestamp alone', () => {
    const [set, behind] = [setAt(first), setAt(first)]
    set.absorb(second, now)
    const again = setAt(set.state())
    expect(behind.absorb(again.announcement(), now)).toEqual({ type: 'advanced', complete: true })
    const head = signedOf(second.timestamp as Uint8Array) as unknown as { version: number }
    const beat = forged({ ...head, version: head.version + 1 }, keys.timestamp)
    again.absorb({ ...nothing, timestamp: beat }, now)
    const { timestamp, snapshot, roles, documents } = again.announcement()
    expect([timestamp, snapshot, roles.size, documents.size]).toEqual([beat, undefined, 0, 0])
    expect(behind.absorb(again.announcement(), now)).toEqual({ type: 'advanced', complete: true })
  })

  it('counts a replaced timestamp for nothing, so that the new one finds it though its number is lower (51)', () => {
    const set = setAt(second)
    const far = { ...signedOf(second.timestamp as Uint8Array), version: 1_000 }
    set.absorb({ ...second, timestamp: forged(far, keys.timestamp) }, now)
    expect(set.versions().timestamp).toBe(1_000)
    const rooted = fleetWithNewTimestampKey()
    set.absorb({ ...nothing, roots: [rooted.root] }, now)
    expect(set.versions()).toMatchObject({ root: 2, timestamp: 0 })
    const good = nextRelease({ previous: second, keys: rooted.keys, now, bundles: [bundle('web', 3)] })
    set.absorb({ ...nothing, timestamp: good.timestamp as Uint8Array }, now)
    expect(set.versions().timestamp).toBeLessThan(3)
    expect(set.absorb(good, now)).toEqual({ type: 'advanced', complete: true })
    expect(set.versions().timestamp).toBe(3)
  })

  it('to one that knows more roots than we do holds none, and what it has stays', () => {
    const ahead = setAt(second)
    ahead.absorb({ ...nothing, roots: [root(2), root(3)] }, now)
    const pack = setAt(third).packSince(ahead.versions())
    expect(pack.roots).toEqual([])
    expect(ahead.absorb(pack, now)).toEqual({ type: 'advanced', complete: true })
  })

  it('to one that says it has nothing is everything', () => {
    const newcomer = TrustedSet.pinned(meshId)
    expect(newcomer.absorb(setAt(third).packSince(newcomer.versions()), now)).toEqual({
      type: 'advanced',
      complete: true,
    })
  })

  it('starts at its second root to a newcomer that has the first, and helps nobody who has none', () => {
    const set = setAt(second)
    set.absorb({ ...nothing, roots: [root(2)] }, now)
    const { roots } = set.packSince({ root: 1, timestamp: 0, snapshot: 0, roles: {} })
    expect(roots.length).toBe(1)
    const newcomer = TrustedSet.pinned(meshId)
    expect(newcomer.absorb({ ...second, roots }, now)).toEqual({ type: 'incomplete' })
    expect(newcomer.versions().root).toBe(0)
  })
})

/** Every file of a pack in one list, to be bent at any place. */
const partsOf = (pack: MetadataPack): [string, Uint8Array][] => [
  ...pack.roots.map((bytes, index): [string, Uint8Array] => [`root ${index}`, bytes]),
  ['timestamp', pack.timestamp as Uint8Array],
  ['snapshot', pack.snapshot as Uint8Array],
  ...pack.roles,
  ...pack.documents,
]
const packWith = (pack: MetadataPack, name: string, bytes: Uint8Array): MetadataPack => ({
  roots: pack.roots.map((file, index) => (name === `root ${index}` ? bytes : file)),
  timestamp: name === 'timestamp' ? bytes : (pack.timestamp as Uint8Array),
  snapshot: name === 'snapshot' ? bytes : (pack.snapshot as Uint8Array),
  roles: new Map([...pack.roles].map(([role, file]) => [role, name === role ? bytes : file])),
  documents: new Map([...pack.documents].map(([path, file]) => [path, name === path ? bytes : file])),
})

describe('absorb never throws, and a bent pack leaves no trace', () => {
  const parts = partsOf(third)

  it('for a member, whatever byte of whatever file is bent', () => {
    const before = setAt(second).state()
    fc.assert(
      fc.property(
        fc.constantFrom(...parts),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        ([name, file], place, flip) => {
          const bytes = new Uint8Array(file)
          const index = place % bytes.length
          bytes[index] = (bytes[index] ?? 0) ^ flip
          const set = setAt(second)
          expect(set.absorb(packWith(third, name, bytes), now).type).not.toBe('advanced')
          expect(set.state()).toEqual(before)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('for a newcomer, whatever a file says instead and whoever signed it', () => {
    const names = parts.map(([name]) => name)
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.jsonValue(), fc.boolean(), (name, value, isSigned) => {
        let bytes = utf8(JSON.stringify(value))
        try {
          if (isSigned) bytes = forged(value, keys.timestamp)
          else bytes = utf8(canonicalJson(value))
        } catch {
          // What has no canonical spelling comes as it is.
        }
        const set = TrustedSet.pinned(meshId)
        const absorbed = set.absorb(packWith(third, name, bytes), after(now, day))
        expect(absorbed).not.toMatchObject({ complete: true })
        expect(set.release).toBe(0)
      }),
      { numRuns: 200 },
    )
  })

  it('whatever one member of a signed timestamp, snapshot or role says instead', () => {
    const files = [
      ['timestamp', third.timestamp, keys.timestamp],
      ['snapshot', third.snapshot, keys.snapshot],
      ['bundles', third.roles.get('bundles'), keys.bundles],
      ['root', first.roots[0], keys.root[0]],
    ] as const
    fc.assert(
      fc.property(fc.constantFrom(...files), fc.nat(), fc.jsonValue(), ([name, file, key], place, value) => {
        const signed = signedOf(file as Uint8Array) as unknown as Record<string, unknown>
        const members = Object.keys(signed)
        const member = members[place % members.length] as string
        let bytes: Uint8Array
        try {
          bytes = forged({ ...signed, [member]: value }, key as typeof keys.timestamp)
        } catch {
          return
        }
        const set = setAt(second)
        const pack = name === 'root' ? { ...nothing, roots: [bytes] } : packWith(third, name, bytes)
        set.absorb(pack, now)
        expect(set.release).toBe(2)
        expect(set.bundles()).toMatchObject([{ version: 1 }])
      }),
      { numRuns: 300 },
    )
  })
})

function fleetWithNewTimestampKey(): { keys: typeof keys; root: Uint8Array } {
  const timestamp = keyOf('new timestamp')
  const signed = signedOf(first.roots[0] as Uint8Array) as unknown as { keys: object; roles: object }
  const key = tufKey(timestamp.public)
  const keyid = keyId(key)
  return {
    keys: { ...keys, timestamp },
    root: root(2, {
      keys: { ...signed.keys, [keyid]: key },
      roles: { ...signed.roles, timestamp: { keyids: [keyid], threshold: 1 } },
    }),
  }
}

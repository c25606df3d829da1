import { describe, expect, it } from 'vitest'
import { codeOf, messageOf } from '#base/errors.ts'
import { after, day, type Instant } from '#base/time.ts'
import { kidOf } from '#trust/keys.ts'
import type { MeshDocuments } from '#trust/mesh-documents.ts'
import type { BundleTarget, MetadataPack } from '#trust/metadata-pack.ts'
import { firstRelease, heartbeat, nextRelease } from '#trust/repository.ts'
import { peerIdOf } from '#trust/peer-id.ts'
import { TrustedSet } from '#trust/trusted-set.ts'
import { bundle, fleet, keyOf, now, signedOf } from '../support/fleet.ts'

const acme = fleet()
const { keys, first, meshId } = acme
const versionOf = (bytes: Uint8Array | undefined): number =>
  (signedOf(bytes as Uint8Array) as unknown as { version: number }).version
const versionsOf = (pack: MetadataPack): Record<string, number> => ({
  timestamp: versionOf(pack.timestamp),
  snapshot: versionOf(pack.snapshot),
  ...Object.fromEntries([...pack.roles].map(([name, bytes]) => [name, versionOf(bytes)])),
})

describe('a release', () => {
  it('is the same bytes from the same keys, fleet and time', () => {
    const again = firstRelease({ fleet: 'acme', keys, origin: peerIdOf(keyOf('acme origin').public), now })
    expect(again).toEqual(first)
  })

  it('says at first who issues memberships, who the origin is, and nothing more', () => {
    const set = TrustedSet.restore(meshId, first, now)
    expect(set.issuers().map(({ kid }) => kid)).toEqual([kidOf(keys.issuer.public)])
    expect(set.origin()).toMatchObject({ peers: [peerIdOf(keyOf('acme origin').public)] })
    expect([set.bundles(), set.revocations().peers.size, set.fleet]).toEqual([[], 0, 'acme'])
  })

  it('gives a new number to what changed, to snapshot and timestamp, and to nothing else', () => {
    expect(versionsOf(first)).toEqual({ timestamp: 1, snapshot: 1, targets: 1, bundles: 1, mesh: 1 })
    const second = acme.next([bundle('web', 1)])
    expect(versionsOf(second)).toEqual({ timestamp: 2, snapshot: 2, targets: 1, bundles: 2, mesh: 1 })
    const tokens = new Set(['a'.repeat(32)])
    const revocations = { issuers: new Set<string>(), peers: new Set<string>(), tokens }
    const third = nextRelease({ previous: second, keys, now, documents: { revocations } })
    expect(versionsOf(third)).toEqual({ timestamp: 3, snapshot: 3, targets: 1, bundles: 2, mesh: 2 })
    const set = TrustedSet.restore(meshId, third, now)
    expect([set.revocations().tokens, set.issuers().length, set.bundles().length]).toEqual([tokens, 1, 1])
  })

  it('keeps what a bundle says of itself from one release to the next', () => {
    const wanted = { ...bundle('web', 1), custom: { bytes: 10, select: { labels: { role: 'web' } } } }
    const set = TrustedSet.restore(meshId, acme.next([wanted]), now)
    const [read] = set.bundles()
    expect(read).toMatchObject({ name: 'web', version: 1, manifest: wanted.manifest, custom: wanted.custom })
    expect(TrustedSet.restore(meshId, acme.next(set.bundles()), now).bundles()).toEqual(set.bundles())
  })
})

describe('what no member would accept', () => {
  const refused = (news: Partial<Parameters<typeof nextRelease>[0]>): string => {
    try {
      nextRelease({ previous: first, keys, now, ...news })
    } catch (error) {
      return `${codeOf(error)}: ${messageOf(error)}`
    }
    return 'signed'
  }
  const bundlesOf = (bytes: number): BundleTarget[] =>
    Array.from({ length: Math.ceil(bytes / 1_000) }, (_, number) => ({
      ...bundle(`b${number}`, 1),
      custom: { note: 'n'.repeat(700) },
    }))
  const revoked = (count: number, length: number): Partial<MeshDocuments> => {
    const names = (kind: string): Set<string> =>
      new Set(Array.from({ length: count }, (_, number) => `${kind}${number}`.padEnd(length, 'x')))
    return { revocations: { issuers: new Set(), peers: names('p'), tokens: names('t') } }
  }

  it('is not signed: a role with more bytes than they read', () => {
    expect(refused({ bundles: bundlesOf(1_000_000) })).toBe('signed')
    expect(refused({ bundles: bundlesOf(1_300_000) })).toMatch(/RELEASE_UNACCEPTABLE: .*bundles has more than 1048576/)
  })

  it('is not signed: more revocations than they keep', () => {
    expect(refused({ documents: revoked(10_000, 32) })).toBe('signed')
    expect(refused({ documents: revoked(10_001, 32) })).toMatch(/RELEASE_UNACCEPTABLE: .*peers/)
    expect(refused({ documents: revoked(10_000, 64) })).toMatch(/RELEASE_UNACCEPTABLE: .*revocations.json has more/)
  })

  it('is not signed: all of it together more than a newcomer is told in one pack', () => {
    const news = { bundles: bundlesOf(1_000_000), documents: revoked(10_000, 48) }
    const roots = Array.from({ length: 200 }, () => first.roots[0] as Uint8Array)
    expect(refused(news)).toBe('signed')
    expect(refused({ ...news, previous: { ...first, roots } })).toMatch(
      /RELEASE_UNACCEPTABLE: .*As a whole it has 2\d{6} bytes, more than 2097152/,
    )
  })
})

describe('a heartbeat', () => {
  it('changes the timestamp alone while the rest is good for half of the longest outage', () => {
    const beat = heartbeat({ previous: first, keys, now: after(now, 14 * day) })
    expect(versionsOf(beat)).toEqual({ timestamp: 2, snapshot: 1, targets: 1, bundles: 1, mesh: 1 })
    expect([beat.snapshot, beat.roles, beat.documents]).toEqual([first.snapshot, first.roles, first.documents])
  })

  it('signs the snapshot anew before it expires', () => {
    const beat = heartbeat({ previous: first, keys, now: after(now, 16 * day) })
    expect(versionsOf(beat)).toEqual({ timestamp: 2, snapshot: 2, targets: 1, bundles: 1, mesh: 1 })
  })

  it('alone keeps a fleet without any release alive until its root ends, and loses no bundle', () => {
    const set = TrustedSet.restore(meshId, acme.next([bundle('web', 1)]), now)
    const seen = new Map<string, number>()
    for (let days = 1; days < 700; days += 10) {
      const at: Instant = after(now, days * day)
      const beat = heartbeat({ previous: set.state(), keys, now: at })
      expect(set.absorb(beat, at)).toEqual({ type: 'advanced', complete: true })
      for (const [name, version] of Object.entries(versionsOf(beat))) {
        expect(version).toBeGreaterThanOrEqual(seen.get(name) ?? 1)
        seen.set(name, version)
      }
      // Every part of what is in force is good for at least half of the time that a site may be cut off.
      for (const role of beat.roles.values()) {
        const { expires } = signedOf(role) as unknown as { expires: string }
        expect(Date.parse(expires)).toBeGreaterThan(after(at, 15 * day))
      }
    }
    expect(set.bundles()).toMatchObject([{ name: 'web', version: 1 }])
    expect(seen.get('bundles')).toBeGreaterThan(2)
  })
})

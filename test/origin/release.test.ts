import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { after, hour } from '#base/time.ts'
import { assignmentOf } from '#agent/assignment.ts'
import type { Manifest } from '#content/manifest.ts'
import {
  againTarget,
  bundleTarget,
  isSameBundle,
  releaseWith,
  releaseWithout,
  type PackedBundle,
} from '#origin/release.ts'
import { parsePolicy } from '#policy/parse.ts'
import { TrustedSet } from '#trust/trusted-set.ts'
import { Site, siteStart } from '../support/site.ts'

const content = { digest: sha256(utf8('content')), length: 7 }
const manifest = (name: string, version = 1, more: Partial<Manifest> = {}): Manifest => ({
  name,
  version,
  contents: [content],
  files: [],
  ...more,
})
const policyText = `policy: web
select: { sites: [berlin] }
windows: [{ start: "2026-03-07T02:00", duration: PT1H, zone: UTC }]
prepare: { ahead: PT12H }
resources: [{ file: { path: /etc/motd, content: "hello" } }]
`
function packed(text: string): PackedBundle {
  const { policy, problems } = parsePolicy(text, { has: () => undefined, text: () => undefined })
  expect(problems).toEqual([])
  if (!policy) throw new TypeError('the policy of this test is faulty')
  return {
    policy,
    manifest: manifest(policy.name, 3),
    manifestRef: { digest: sha256(utf8('manifest')), length: 9 },
    bytes: 70,
  }
}

describe('whether a bundle is the same as before', () => {
  it('is told by its files and contents, whatever its version', () => {
    const file = { path: 'a', mode: 0o644, length: 7, digest: content.digest, content: 0, offset: 0 }
    const same = (more: Partial<Manifest>): boolean =>
      isSameBundle(manifest('web', 1, { files: [file] }), manifest('web', 2, { files: [file], ...more }))
    expect(same({})).toBe(true)
    expect(same({ files: [{ ...file, mode: 0o755 }] })).toBe(false)
    expect(same({ files: [{ ...file, path: 'b' }] })).toBe(false)
    expect(same({ contents: [] })).toBe(false)
  })
})

describe('the signed target of a bundle', () => {
  it('says what a device must know before it fetches, and a device reads the same from it', () => {
    const target = bundleTarget(packed(policyText))
    expect(target).toMatchObject({ name: 'web', version: 3, custom: { bytes: 70, aheadMs: 12 * hour } })
    expect(assignmentOf(target)).toMatchObject({
      name: 'web',
      version: 3,
      manifest: target.manifest,
      select: { sites: ['berlin'] },
      windows: [{ start: '2026-03-07T02:00', durationMs: hour, zone: 'UTC' }],
      aheadMs: 12 * hour,
    })
  })

  it('says nothing of what the policy says nothing of', () => {
    const { custom } = bundleTarget(packed('policy: web\nresources: [{ file: { path: /etc/motd, content: "x" } }]\n'))
    expect(custom).toEqual({ bytes: 70 })
  })

  it('says that it is urgent where it is, and another version of the same contents does not inherit it', () => {
    const older = bundleTarget({ ...packed(policyText), urgent: true })
    expect(older.custom).toMatchObject({ urgent: true })
    const signed = { ...older, custom: { ...older.custom, name: 'web', version: 3 } }
    const again = againTarget({ name: 'web', version: 5, older: signed, urgent: false })
    const { urgent: _, ...settings } = older.custom
    expect(again).toEqual({ name: 'web', version: 5, manifest: older.manifest, custom: settings })
    expect(againTarget({ name: 'web', version: 5, older: signed, urgent: true }).custom).toMatchObject({ urgent: true })
  })
})

describe('a release', () => {
  const site = new Site()
  const target = (name: string, version: number) => ({
    name,
    version,
    manifest: { digest: sha256(utf8(`${name} ${version}`)), length: 5 },
    custom: { bytes: 5 },
  })

  it('is none where nothing changed', () => {
    expect(releaseWith(site.first, [target('web', 1)], [], site.keys, siteStart)).toBeUndefined()
  })

  it('replaces bundles by name, adds new ones and keeps the others; every member accepts it after the one before', () => {
    const set = TrustedSet.restore(site.meshId, site.first, siteStart)
    const first = releaseWith(site.first, [], [target('web', 1), target('db', 1)], site.keys, siteStart)
    expect(first && set.absorb(first, siteStart)).toEqual({ type: 'advanced', complete: true })
    const later = after(siteStart, hour)
    const second =
      first && releaseWith(set.state(), set.bundles(), [target('web', 2), target('mail', 1)], site.keys, later)
    expect(second && set.absorb(second, later)).toEqual({ type: 'advanced', complete: true })
    expect(
      set
        .bundles()
        .map(({ name, version }) => `${name}@${version}`)
        .toSorted(),
    ).toEqual(['db@1', 'mail@1', 'web@2'])
    expect(set.release).toBe(3)
  })

  it('without a bundle is as good as any, also without all of them', () => {
    const set = TrustedSet.restore(site.meshId, site.first, siteStart)
    const first = releaseWith(site.first, [], [target('web', 1), target('db', 1)], site.keys, siteStart)
    if (first) set.absorb(first, siteStart)
    for (const [names, left] of [
      [['web'], ['db']],
      [['db'], []],
    ] as const) {
      const pack = releaseWithout(set.state(), set.bundles(), new Set(names), site.keys, siteStart)
      expect(set.absorb(pack, siteStart)).toEqual({ type: 'advanced', complete: true })
      expect(set.bundles().map(({ name }) => name)).toEqual(left)
    }
    expect(set.release).toBe(4)
  })
})

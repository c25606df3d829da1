import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { after, instant } from '#base/time.ts'
import { earlierMs } from '#content/retention.ts'
import { BundleHistory } from '#origin/bundle-history.ts'
import type { BundleTarget } from '#trust/metadata-pack.ts'

const now = instant(Date.UTC(2026, 10, 24))
const target = (name: string, version: number): BundleTarget => ({
  name,
  version,
  manifest: { digest: sha256(utf8(`${name} ${version}`)), length: 10 },
  custom: { bytes: 10 },
})
const wantedOf = (history: BundleHistory, at = now, bundles: readonly BundleTarget[] = []): string[] =>
  history.wanted(bundles, at).map(({ name, version }) => `${name}@${version}`)

/** A history in which versions 1 to `count` of `web` were published, one after the other. */
function webUpTo(count: number, versionsMax = 3): BundleHistory {
  const history = new BundleHistory(versionsMax)
  for (let version = 1; version <= count; version++) history.published('web', { ...target('web', version), at: now })
  return history
}

describe('what an origin published', () => {
  it('is kept as far as the newest few versions of each bundle', () => {
    const history = webUpTo(5)
    history.published('till', target('till', 1))
    expect(wantedOf(history)).toEqual(['web@5', 'web@4', 'web@3', 'till@1'])
    expect(history.names()).toEqual(['till', 'web'])
  })

  it('survives a restart as it was written down, and what is not understood is left out', () => {
    const note = JSON.parse(JSON.stringify(webUpTo(4).record('web'))) as unknown
    const history = new BundleHistory(3, [note, null, 7, { version: 1 }])
    expect(wantedOf(history)).toEqual(['web@4', 'web@3', 'web@2'])
    expect([history.nextVersion('web'), history.nextVersion('new')]).toEqual([5, 1])
    expect(wantedOf(new BundleHistory(1, [note]))).toEqual(['web@4'])
  })

  it('takes up what the release holds though it was published elsewhere, and forgets nothing of its own by it', () => {
    const history = webUpTo(2)
    history.follow([target('web', 4), target('till', 7)], now)
    history.published('web', { ...target('web', 4), at: now })
    history.follow([target('web', 4), target('till', 7)], now)
    expect(wantedOf(history)).toEqual(['web@4', 'web@2', 'web@1', 'till@7'])
    expect(history.record('web')?.versions[0]?.at).toBe(now)
    expect([history.nextVersion('web'), history.nextVersion('till')]).toEqual([5, 8])
  })
})

describe('a release that was restored from a backup', () => {
  it('is kept though it is older than all that is remembered, whose numbers stay taken', () => {
    const history = webUpTo(5)
    history.follow([target('web', 1)], now)
    expect(wantedOf(history, now, [target('web', 1)])).toEqual(['web@5', 'web@4', 'web@3', 'web@1'])
    expect(history.nextVersion('web')).toBe(6)
  })
})

describe('a bundle that was withdrawn', () => {
  it('is kept for a week, and its numbers are never used again', () => {
    const history = webUpTo(2)
    history.follow([], now)
    history.follow([], after(now, 1_000))
    expect(history.record('web')?.withdrawnAt).toBe(now)
    expect(wantedOf(history, after(now, earlierMs - 1))).toEqual(['web@2', 'web@1'])
    expect(wantedOf(history, after(now, earlierMs))).toEqual([])
    expect(history.nextVersion('web')).toBe(3)
  })

  it('is no longer withdrawn once it is published again', () => {
    const history = webUpTo(2)
    history.follow([], now)
    history.published('web', target('web', 3))
    expect(history.record('web')).not.toHaveProperty('withdrawnAt')
    history.follow([], now)
    history.follow([target('web', 3)], now)
    expect(history.record('web')).not.toHaveProperty('withdrawnAt')
    expect(wantedOf(history, after(now, earlierMs))).toEqual(['web@3', 'web@2', 'web@1'])
  })
})

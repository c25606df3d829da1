import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { after, instant } from '#base/time.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { earlierMs, Retention, type StoredBytes, type WantedBundle } from '#content/retention.ts'

const now = instant(Date.UTC(2026, 10, 24))
const digestOf = (label: string): Digest => sha256(utf8(label))

/** A made-up store: manifests of 100 bytes, contents of 1,000 with a list of 36. */
class Shelf {
  readonly #manifests = new Map<Digest, readonly ContentRef[]>()
  readonly #stored = new Map<Digest, StoredBytes>()

  put(ref: ContentRef, used = 0): void {
    this.#stored.set(ref.digest, { ref, used })
    if (ref.list) this.put(ref.list, used)
  }

  bundle(name: string, version: number, contents: readonly string[], used = 0): WantedBundle {
    const manifest = { digest: digestOf(`${name} ${version}`), length: 100 }
    const refs = contents.map((label) => contentOf(label))
    this.#manifests.set(manifest.digest, refs)
    this.put(manifest, 100)
    for (const ref of refs) this.put(ref, used)
    return { name, version, manifest }
  }

  plan(retention: Retention, quotaBytes = 1e9, incomingBytes = 0): { gone: string[]; bytes: number } {
    const stored = [...this.#stored.values()]
    const contentsOf = (manifest: Digest): readonly ContentRef[] | undefined => this.#manifests.get(manifest)
    const { contents, bytes } = retention.plan({ stored, contentsOf, quotaBytes, incomingBytes })
    return { gone: contents.map((digest) => digest.slice(0, 8)).toSorted(), bytes }
  }
}

const contentOf = (label: string): ContentRef => ({
  digest: digestOf(label),
  length: 1_000,
  list: { digest: digestOf(`list of ${label}`), length: 36 },
})
const short = (...labels: readonly string[]): string[] => labels.map((label) => digestOf(label).slice(0, 8)).toSorted()
const versionsOf = (retention: Retention): string[] =>
  retention.kept.map(({ name, version, since }) => `${name} ${version}${since === undefined ? '' : ' earlier'}`)

describe('what is kept on disk', () => {
  it('is what the release means for this member, with its manifests and lists, and nothing that no bundle names', () => {
    const shelf = new Shelf()
    const web = shelf.bundle('web', 1, ['a', 'b'])
    shelf.put(contentOf('stray'))
    const retention = new Retention()
    expect(retention.update([web], now)).toBe(true)
    expect(retention.update([web], now)).toBe(false)
    expect(shelf.plan(retention)).toEqual({ gone: short('stray', 'list of stray'), bytes: 100 + 2 * 1_036 })
  })

  it('is also the version before, for a week, and not those before that', () => {
    const shelf = new Shelf()
    const [one, two, three] = [1, 2, 3].map((version) =>
      shelf.bundle('web', version, ['common', `only ${version}`]),
    ) as [WantedBundle, WantedBundle, WantedBundle]
    const retention = new Retention()
    retention.update([one], now)
    retention.update([two], now)
    expect(versionsOf(retention)).toEqual(['web 2', 'web 1 earlier'])
    retention.update([three], after(now, 1_000))
    expect(versionsOf(retention)).toEqual(['web 3', 'web 2 earlier'])
    expect(shelf.plan(retention).gone).toEqual(short('web 1', 'only 1', 'list of only 1'))
    retention.update([three], after(now, earlierMs))
    expect(versionsOf(retention)).toEqual(['web 3', 'web 2 earlier'])
    retention.update([three], after(now, earlierMs + 1_000))
    expect(versionsOf(retention)).toEqual(['web 3'])
    expect(shelf.plan(retention).gone).toEqual(
      short('web 1', 'only 1', 'list of only 1', 'web 2', 'only 2', 'list of only 2'),
    )
  })

  it('is a bundle that is not meant for us any more, for a week, and it is wanted anew when it comes back', () => {
    const shelf = new Shelf()
    const web = shelf.bundle('web', 1, ['a'])
    const retention = new Retention()
    retention.update([web], now)
    retention.update([], now)
    expect([versionsOf(retention), shelf.plan(retention).gone]).toEqual([['web 1 earlier'], []])
    retention.update([web], after(now, 5))
    expect(versionsOf(retention)).toEqual(['web 1'])
    retention.update([], now)
    retention.update([], after(now, earlierMs))
    expect(versionsOf(retention)).toEqual([])
  })

  it('is every version that is wanted of one bundle, as at the origin, which goes back to them', () => {
    const shelf = new Shelf()
    const versions = [1, 2, 3, 4].map((version) => shelf.bundle('web', version, ['common', `only ${version}`]))
    const retention = new Retention()
    retention.update(versions.slice(0, 3), now)
    expect([versionsOf(retention), shelf.plan(retention).gone]).toEqual([
      ['web 1', 'web 2', 'web 3'],
      short('web 4', 'only 4', 'list of only 4'),
    ])
    retention.update(versions.slice(1), now)
    expect(versionsOf(retention)).toEqual(['web 2', 'web 3', 'web 4', 'web 1 earlier'])
    retention.update(versions.slice(1), after(now, earlierMs))
    expect(shelf.plan(retention).gone).toEqual(short('web 1', 'only 1', 'list of only 1'))
  })

  it('survives a restart as it was written down', () => {
    const shelf = new Shelf()
    const retention = new Retention()
    retention.update([shelf.bundle('web', 1, ['a'])], now)
    const next = shelf.bundle('web', 2, ['b'])
    retention.update([next], now)
    const again = new Retention(JSON.parse(JSON.stringify(retention.kept)) as typeof retention.kept)
    expect(again.update([next], now)).toBe(false)
    expect(versionsOf(again)).toEqual(['web 2', 'web 1 earlier'])
  })

  it('under the quota gives up earlier versions, the longest unused first, and only as many as it must', () => {
    const shelf = new Shelf()
    const retention = new Retention()
    const names = ['mail', 'till', 'web']
    retention.update(
      names.map((name, index) => shelf.bundle(name, 1, [`${name} old`], [5, 0, 9][index])),
      now,
    )
    retention.update(
      names.map((name) => shelf.bundle(name, 2, [`${name} new`])),
      now,
    )
    const wantedBytes = 3 * 1_136
    expect(shelf.plan(retention, wantedBytes + 3 * 1_136).gone).toEqual([])
    expect(shelf.plan(retention, wantedBytes + 3 * 1_136, 1).gone).toEqual(
      short('till 1', 'till old', 'list of till old'),
    )
    expect(versionsOf(retention).filter((text) => text.endsWith('earlier'))).toEqual([
      'mail 1 earlier',
      'web 1 earlier',
    ])
    shelf.plan(retention, wantedBytes + 1_136)
    expect(versionsOf(retention).filter((text) => text.endsWith('earlier'))).toEqual(['web 1 earlier'])
  })

  it('never gives up what is wanted, however small the quota, nor what it shares with an earlier version', () => {
    const shelf = new Shelf()
    const retention = new Retention()
    retention.update([shelf.bundle('web', 1, ['common', 'old'])], now)
    retention.update([shelf.bundle('web', 2, ['common', 'new'])], now)
    expect(shelf.plan(retention, 0)).toEqual({ gone: short('web 1', 'old', 'list of old'), bytes: 100 + 2 * 1_036 })
    expect(versionsOf(retention)).toEqual(['web 2'])
  })

  it('is the list of a manifest too, from the moment it is here', () => {
    const shelf = new Shelf()
    const retention = new Retention()
    const manifest = { ...contentOf('long manifest'), length: 70_000 }
    shelf.put(manifest.list ?? manifest)
    retention.update([{ name: 'web', version: 1, manifest }], now)
    expect(shelf.plan(retention)).toEqual({ gone: [], bytes: 36 })
  })

  it('is counted as it lies here: a manifest that has not come names nothing yet', () => {
    const shelf = new Shelf()
    const retention = new Retention()
    const old = shelf.bundle('web', 1, ['a'])
    retention.update([old], now)
    retention.update([{ name: 'web', version: 2, manifest: { digest: digestOf('not here'), length: 100 } }], now)
    expect(shelf.plan(retention)).toEqual({ gone: [], bytes: 1_136 })
  })
})

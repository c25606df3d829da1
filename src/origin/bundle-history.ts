/**
 * Which versions of each bundle an origin published, the newest first, and which of them it keeps so that it can go back to them. Version
 * numbers only go up, also over a withdrawal: a device that knows version 4 must never meet another 4. It decides; what it returns is to
 * be written down.
 */
import { isFields, own } from '#base/guard.ts'
import { after, instant, type Instant } from '#base/time.ts'
import { contentRefOf } from '#content/content-ref.ts'
import { earlierMs, type WantedBundle } from '#content/retention.ts'
import type { BundleTarget } from '#trust/metadata-pack.ts'

/** A version as it was signed. */
export interface PublishedVersion extends Pick<BundleTarget, 'version' | 'manifest' | 'custom'> {
  /** When; undefined where that is not known: published by an older program, or learnt from a member. */
  readonly at?: number
  /** The version whose contents it has again. */
  readonly from?: number
}

export interface BundleRecord {
  readonly name: string
  /** The highest version ever published, also where that is not kept any more. */
  readonly highest: number
  /** The newest first. */
  readonly versions: readonly PublishedVersion[]
  /** Since when it is in no release; undefined while it is. */
  readonly withdrawnAt?: number
}

export class BundleHistory {
  readonly #records = new Map<string, BundleRecord>()
  readonly #versionsMax: number

  /** Of each bundle `versionsMax` versions are kept, the one in force among them; entries that are not understood are left out. */
  constructor(versionsMax: number, entries: readonly unknown[] = []) {
    this.#versionsMax = versionsMax
    for (const entry of entries) {
      // Our own notes, written by this class.
      if (isFields(entry) && typeof own(entry, 'name') === 'string') this.#keep(entry as unknown as BundleRecord)
    }
  }

  /** Takes up what the newest release holds, and what it holds no more. */
  follow(bundles: readonly BundleTarget[], now: Instant): void {
    for (const { name, version, manifest, custom } of bundles) {
      const known = this.#records.get(name)
      // Published by an older program, or by the home that this one was restored from.
      if (known?.withdrawnAt !== undefined || !known?.versions.some((one) => one.version === version))
        this.published(name, { version, manifest, custom })
    }
    const names = new Set(bundles.map(({ name }) => name))
    for (const record of this.#records.values())
      if (record.withdrawnAt === undefined && !names.has(record.name)) this.#keep({ ...record, withdrawnAt: now })
  }

  record(name: string): BundleRecord | undefined {
    return this.#records.get(name)
  }

  /** Names of all bundles that were ever published here. */
  names(): string[] {
    return [...this.#records.keys()].toSorted()
  }

  /** The number that the next version of a bundle gets. */
  nextVersion(name: string): number {
    return (this.#records.get(name)?.highest ?? 0) + 1
  }

  /** A version was published; the record to be written down. */
  published(name: string, version: PublishedVersion): BundleRecord {
    const known = this.#records.get(name)
    const highest = Math.max(known?.highest ?? 0, version.version)
    return this.#keep({ name, highest, versions: [version, ...(known?.versions ?? [])] })
  }

  /** What the origin's disk keeps beside what is in force: versions that can be rolled back to, those of a withdrawn bundle for a week. */
  wanted(bundles: readonly BundleTarget[], now: Instant): WantedBundle[] {
    const kept = [...this.#records.values()]
      .filter(({ withdrawnAt }) => withdrawnAt === undefined || after(instant(withdrawnAt), earlierMs) > now)
      .flatMap(({ name, versions }) => versions.map(({ version, manifest }) => ({ name, version, manifest })))
    // A restored release may be older than all that is kept.
    const isKept = ({ name, version }: BundleTarget): boolean =>
      kept.some((one) => one.name === name && one.version === version)
    const all = [...kept, ...bundles.filter((bundle) => !isKept(bundle))]
    return all.map(({ name, version, manifest }) => ({ name, version, manifest: contentRefOf(manifest, name) }))
  }

  #keep(record: BundleRecord): BundleRecord {
    const byVersion = new Map(record.versions.toReversed().map((version) => [version.version, version]))
    const versions = [...byVersion.values()].toSorted((a, b) => b.version - a.version).slice(0, this.#versionsMax)
    const kept = { ...record, versions }
    this.#records.set(kept.name, kept)
    return kept
  }
}

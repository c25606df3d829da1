/**
 * Which contents are worth their place on disk. What the release means for this member is never given up; of each bundle one earlier
 * version stays for a week, because the next version is told as its difference to it; everything else goes. Where that is still more than
 * the quota, earlier versions go too, the longest unused first. It decides; whoever calls removes.
 */
import type { Digest } from '#base/digest.ts'
import { after, type Instant } from '#base/time.ts'
import type { ContentRef } from './content-ref.ts'

/** A bundle that the release means for this member now. */
export interface WantedBundle {
  readonly name: string
  readonly version: number
  readonly manifest: ContentRef
}

/** A version that is kept, as it is remembered over restarts. */
export interface KeptVersion extends WantedBundle {
  /** Since when it is not wanted any more; undefined while it is. */
  readonly since?: Instant
}

/** A content that lies in the store. */
export interface StoredBytes {
  readonly ref: ContentRef
  /** The higher, the later it was used; 0 for not since the start. */
  readonly used: number
}

export interface SweepPlan {
  /** Contents that nothing needs any more. */
  readonly contents: readonly Digest[]
  /** What stays, in bytes. */
  readonly bytes: number
}

export interface Plenty {
  readonly stored: readonly StoredBytes[]
  /** The contents that a manifest names, undefined where it is not here. */
  readonly contentsOf: (manifest: Digest) => readonly ContentRef[] | undefined
  readonly quotaBytes: number
  /** Room to be made for what is about to come. */
  readonly incomingBytes: number
}

/** A week: updates come in days or weeks, and a difference to nothing costs the whole. */
export const earlierMs = 7 * 86_400_000

export class Retention {
  /** Wanted versions, and at most one earlier of each name. */
  #kept: readonly KeptVersion[]

  constructor(kept: readonly KeptVersion[] = []) {
    this.#kept = kept
  }

  /** In order of name, wanted versions before the earlier one. */
  get kept(): readonly KeptVersion[] {
    return this.#kept
  }

  /** Takes up what is wanted now; true where what is kept changed. */
  update(wanted: readonly WantedBundle[], now: Instant): boolean {
    const before = JSON.stringify(this.#kept)
    const names = new Set([...wanted, ...this.#kept].map(({ name }) => name))
    this.#kept = [...names].toSorted().flatMap((name) => {
      // More than one where it can be rolled back to: at the origin.
      const current = wanted.filter((bundle) => bundle.name === name)
      const isWanted = ({ version }: KeptVersion): boolean => current.some((bundle) => bundle.version === version)
      const others = this.#kept.filter((bundle) => bundle.name === name && !isWanted(bundle))
      // The one that was wanted last; a clock that was set back does not make it a new one.
      const [earlier] = others
        .map((version) => ({ ...version, since: version.since ?? now }))
        .filter(({ since }) => after(since, earlierMs) > now)
        .toSorted((a, b) => b.since - a.since || b.version - a.version)
      const kept = current.map(({ version, manifest }) => ({ name, version, manifest }))
      return [...kept, ...(earlier ? [earlier] : [])]
    })
    return JSON.stringify(this.#kept) !== before
  }

  /** What may be removed now; gives up earlier versions where the quota asks for it. */
  plan({ stored, contentsOf, quotaBytes, incomingBytes }: Plenty): SweepPlan {
    const byDigest = new Map(stored.map((content) => [content.ref.digest, content]))
    const needed = new Set<Digest>()
    const need = (version: KeptVersion): Digest[] => {
      const named = [version.manifest, ...(contentsOf(version.manifest.digest) ?? [])].flatMap(chainOf)
      return [...new Set(named)].filter((digest) => byDigest.has(digest) && !needed.has(digest))
    }
    const add = (version: KeptVersion): void => need(version).forEach((digest) => needed.add(digest))
    const lengthOf = (digests: Iterable<Digest>): number =>
      [...digests].reduce((sum, digest) => sum + (byDigest.get(digest)?.ref.length ?? 0), 0)
    for (const version of this.#kept) if (version.since === undefined) add(version)
    const earlier = this.#kept.filter((version) => version.since !== undefined)
    const usedAt = (version: KeptVersion): number =>
      // Not its manifest: to plan is to read that.
      (contentsOf(version.manifest.digest) ?? []).reduce(
        (used, { digest }) => Math.max(used, byDigest.get(digest)?.used ?? 0),
        0,
      )
    const latest = earlier
      .map((version) => ({ version, used: usedAt(version) }))
      .toSorted((a, b) => b.used - a.used || (b.version.since ?? 0) - (a.version.since ?? 0))
    let bytes = lengthOf(needed)
    const dropped = new Set<KeptVersion>()
    for (const { version } of latest) {
      const more = lengthOf(need(version))
      if (bytes + more + incomingBytes > quotaBytes) {
        dropped.add(version)
        continue
      }
      add(version)
      bytes += more
    }
    this.#kept = this.#kept.filter((version) => !dropped.has(version))
    return { contents: [...byDigest.keys()].filter((digest) => !needed.has(digest)), bytes }
  }
}

/** A content and its lists. */
function chainOf(ref: ContentRef): Digest[] {
  return [ref.digest, ...(ref.list ? chainOf(ref.list) : [])]
}

/**
 * How a release is made: which bundles changed, and the newly signed metadata that names them. Packing and storing happened
 * before (disk/tree.ts); signing is trust's. Publishing what is there already makes nothing new.
 */
import type { Instant } from '#base/time.ts'
import type { ContentRef } from '#content/content-ref.ts'
import type { Manifest } from '#content/manifest.ts'
import type { Policy } from '#policy/model.ts'
import type { BundleTarget, MetadataPack } from '#trust/metadata-pack.ts'
import { nextRelease, type RepositoryKeys } from '#trust/repository.ts'

/** A policy folder that was packed. */
export interface PackedBundle {
  readonly policy: Policy
  readonly manifest: Manifest
  readonly manifestRef: ContentRef
  readonly bytes: number
}

/** Whether two manifests hold the same files: then it is the same bundle, whatever their versions. */
export const isSameBundle = (a: Manifest, b: Manifest): boolean =>
  JSON.stringify([a.name, a.contents, a.files]) === JSON.stringify([b.name, b.contents, b.files])

/** The signed target of a bundle: what devices must know of it before they fetch anything. */
export function bundleTarget({ policy, manifest, manifestRef, bytes }: PackedBundle): BundleTarget {
  const { select, windows, prepareAheadMs } = policy
  return {
    name: manifest.name,
    version: manifest.version,
    manifest: manifestRef,
    custom: {
      bytes,
      ...(select && { select }),
      ...(windows.length > 0 && { windows }),
      ...(prepareAheadMs !== undefined && { aheadMs: prepareAheadMs }),
    },
  }
}

/** The release in which `changed` replace bundles of their names; undefined where nothing changed. */
export function releaseWith(
  previous: MetadataPack,
  bundles: readonly BundleTarget[],
  changed: readonly BundleTarget[],
  keys: RepositoryKeys,
  now: Instant,
): MetadataPack | undefined {
  if (changed.length === 0) return undefined
  const byName = new Map(bundles.map((bundle) => [bundle.name, bundle]))
  for (const bundle of changed) byName.set(bundle.name, bundle)
  return nextRelease({ previous, keys, now, bundles: [...byName.values()] })
}

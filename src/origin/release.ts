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
  readonly urgent?: boolean
}

/** Whether two manifests hold the same files: then it is the same bundle, whatever their versions. */
export const isSameBundle = (a: Manifest, b: Manifest): boolean =>
  JSON.stringify([a.name, a.contents, a.files]) === JSON.stringify([b.name, b.contents, b.files])

/** The signed target of a bundle: what devices must know of it before they fetch anything. */
export function bundleTarget({ policy, manifest, manifestRef, bytes, urgent = false }: PackedBundle): BundleTarget {
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
      ...(urgent && { urgent }),
    },
  }
}

/** An earlier version's manifest and settings signed anew under another number; whether it is urgent is asked each time. */
export function againTarget({
  name,
  version,
  older,
  urgent,
}: {
  readonly name: string
  readonly version: number
  readonly older: Pick<BundleTarget, 'manifest' | 'custom'>
  readonly urgent: boolean
}): BundleTarget {
  // Our own names for the target are added when it is signed.
  const { urgent: _, name: __, version: ___, list: ____, ...custom } = older.custom
  return { name, version, manifest: older.manifest, custom: { ...custom, ...(urgent && { urgent }) } }
}

/** The release without bundles of these names, which are all in it. */
export function releaseWithout(
  previous: MetadataPack,
  bundles: readonly BundleTarget[],
  names: ReadonlySet<string>,
  keys: RepositoryKeys,
  now: Instant,
): MetadataPack {
  return nextRelease({ previous, keys, now, bundles: bundles.filter(({ name }) => !names.has(name)) })
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

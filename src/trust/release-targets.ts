/** Bundles as signed targets: `bundles/<name>/<version>.json` names a manifest, its `custom` says for whom and when. */
import { isFields, own } from '#base/guard.ts'
import type { BundleTarget } from './metadata-pack.ts'
import type { Target, Targets } from './roles.ts'

export const bundlePath = (name: string, version: number): string => `bundles/${name}/${version}.json`

/** The bundles of a role that speaks for their paths; a target that does not say what its path says is left out. */
export function bundlesOf(targets: Targets, maySpeakFor: (path: string) => boolean): BundleTarget[] {
  const bundles: BundleTarget[] = []
  for (const [path, target] of targets.targets) {
    const bundle = maySpeakFor(path) ? bundleOf(path, target) : undefined
    if (bundle) bundles.push(bundle)
  }
  return bundles
}

function bundleOf(path: string, { length, digest, custom }: Target): BundleTarget | undefined {
  const name = custom && own(custom, 'name')
  const version = custom && own(custom, 'version')
  if (typeof name !== 'string' || typeof version !== 'number' || path !== bundlePath(name, version)) return undefined
  const list = own(custom ?? {}, 'list')
  return {
    name,
    version,
    manifest: { digest, length, ...(isFields(list) && { list }) },
    custom: custom ?? {},
  }
}

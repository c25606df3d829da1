/**
 * The inventory of one device as the origin keeps it: the list that the device's changes begin with, and the newest changes. The list before stays,
 * since a report that was on its way meanwhile may still build on it. Nothing is taken that does not lead to the digest the device named.
 */
import type { Digest } from '#base/digest.ts'
import { isFields, own } from '#base/guard.ts'
import type { PackagePart } from '#facts/inventory-part.ts'
import {
  changesAt,
  columnsOf,
  noPackages,
  packagesDigest,
  packagesOf,
  withChanges,
  type PackageColumns,
} from '#facts/packages.ts'

/** As JSON on disk; both as changes, `list` from the empty list. */
export interface KeptInventory {
  readonly list: PackageColumns
  readonly changes: PackageColumns
  /** Of the list with the changes made. */
  readonly digest: Digest
}

/** The list with a part taken in; undefined where the part builds on a list that is not here, or does not lead where it says. */
export function takenIn(kept: unknown, part: PackagePart): KeptInventory | undefined {
  const base = part.base === undefined ? noPackages : keptPackages(kept, part.base)
  if (base === undefined || packagesDigest(withChanges(base, part.changes)) !== part.digest) return undefined
  return { list: columnsOf(packagesOf(base)), changes: columnsOf(part.changes), digest: part.digest }
}

/** The list that is kept, if it is the one with this digest. */
export function keptPackages(kept: unknown, digest: Digest): string | undefined {
  const { list, whole } = listsOf(kept)
  return [whole, list].find((text) => text !== undefined && packagesDigest(text) === digest)
}

/** Our own note; one that is damaged is none. */
function listsOf(kept: unknown): { list?: string; whole?: string } {
  if (!isFields(kept)) return {}
  try {
    const list = withChanges(noPackages, changesAt(own(kept, 'list'), 'list'))
    return { list, whole: withChanges(list, changesAt(own(kept, 'changes'), 'changes')) }
  } catch {
    return {}
  }
}

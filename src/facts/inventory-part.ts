/**
 * The part of a report that says what a device consists of: its packages and its machine. Whole the first time, later only what changed
 * since the list that the origin has for good (protocol.md §8). JSON:
 *
 *   { packages?: { base?: digest, digest, count, changes }, machine?: facts }
 *
 * `base` is the digest of the list that the changes begin with, none for the empty one; `digest` that of the list they lead to, of `count` packages.
 */
import { textOf, utf8 } from '#base/bytes.ts'
import { isDigest, type Digest } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import { GuardFailed, fieldsAt, own, wholeAt } from '#base/guard.ts'
import { factsAt, type Facts } from './inventory.ts'
import { changesAt, columnsOf, packagesMax, type PackageChanges } from './packages.ts'

/** All that a device is made of, as it was found. `packages` is a list as in `packages.ts`. */
export interface Inventory {
  readonly packages: string
  readonly machine: Facts
}

export interface PackagePart {
  readonly base?: Digest
  readonly digest: Digest
  /** Packages in the list that they lead to. */
  readonly count: number
  readonly changes: PackageChanges
}

export interface InventoryPart {
  readonly packages?: PackagePart
  readonly machine?: Facts
}

/** Of the JSON: 12,000 packages with names and versions of a usual length. */
export const inventoryPartBytesMax = 786_432

export function encodeInventoryPart({ packages, machine }: InventoryPart): Uint8Array {
  return utf8(
    JSON.stringify({
      ...(packages && { packages: { ...packages, changes: columnsOf(packages.changes) } }),
      ...(machine && { machine }),
    }),
  )
}

/** Refused INVENTORY_INVALID says what is wrong with the bytes. */
export function readInventoryPart(bytes: Uint8Array): InventoryPart {
  try {
    const fields = fieldsAt(jsonOf(bytes), 'inventory')
    const packages = own(fields, 'packages')
    const machine = own(fields, 'machine')
    return {
      ...(packages !== undefined && { packages: packagePartAt(packages) }),
      ...(machine !== undefined && { machine: factsAt(machine, 'machine') }),
    }
  } catch (error) {
    if (!(error instanceof GuardFailed)) throw error
    throw new Refused('INVENTORY_INVALID', { message: `This is no inventory: ${error.message}.`, where: error.path })
  }
}

function packagePartAt(value: unknown): PackagePart {
  const fields = fieldsAt(value, 'packages')
  const base = own(fields, 'base')
  const digest = own(fields, 'digest')
  if (base !== undefined && !isDigest(base)) throw new GuardFailed('packages.base', 'a digest')
  if (!isDigest(digest)) throw new GuardFailed('packages.digest', 'a digest')
  return {
    ...(base && { base }),
    digest,
    count: wholeAt(own(fields, 'count'), 'packages.count', 0, packagesMax),
    changes: changesAt(own(fields, 'changes'), 'packages.changes'),
  }
}

function jsonOf(bytes: Uint8Array): unknown {
  const text = bytes.byteLength <= inventoryPartBytesMax ? textOf(bytes) : undefined
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown)
  } catch {
    return undefined
  }
}

import { describe, expect, it } from 'vitest'
import type { PackagePart } from '#facts/inventory-part.ts'
import { changesBetween, packagesDigest, packagesOf } from '#facts/packages.ts'
import { keptPackages, takenIn, type KeptInventory } from '#origin/kept-inventory.ts'

const lists = ['', 'a:all 1\n', 'a:all 1\nb:all 1\n', 'a:all 2\nb:all 1\n', 'b:all 1\nc:all 3\n'] as const
/** The part that leads from one list to the other. */
const part = (from: number, to: number): PackagePart => ({
  ...(from > 0 && { base: packagesDigest(lists[from] ?? '') }),
  digest: packagesDigest(lists[to] ?? ''),
  count: packagesOf(lists[to] ?? '').size,
  changes: changesBetween(lists[from] ?? '', lists[to] ?? ''),
})
const kept = (...parts: PackagePart[]): KeptInventory | undefined =>
  parts.reduce<KeptInventory | undefined>(
    (before, next) => takenIn(JSON.parse(JSON.stringify(before ?? null)), next),
    undefined,
  )
const listOf = (inventory: KeptInventory | undefined): string | undefined =>
  inventory && keptPackages(JSON.parse(JSON.stringify(inventory)), inventory.digest)

describe('the inventory that the origin keeps', () => {
  it('is the list that all parts lead to', () => {
    expect(listOf(kept(part(0, 1), part(1, 2), part(2, 3), part(3, 4)))).toBe(lists[4])
  })

  it('takes what builds on the list before, since a report may have been on its way', () => {
    expect(listOf(kept(part(0, 1), part(1, 2), part(1, 3), part(1, 4)))).toBe(lists[4])
    expect(listOf(kept(part(0, 1), part(1, 2), part(2, 3), part(2, 4)))).toBe(lists[4])
  })

  it('is begun anew with a whole list', () => {
    expect(listOf(kept(part(0, 1), part(1, 2), part(0, 4)))).toBe(lists[4])
  })

  it('takes nothing that builds on a list it has not, or leads elsewhere than it says', () => {
    const known = kept(part(0, 1), part(1, 2), part(2, 3))
    expect(takenIn(known, part(1, 4))).toBeUndefined()
    expect(takenIn(undefined, part(1, 2))).toBeUndefined()
    expect(takenIn(known, { ...part(3, 4), digest: packagesDigest(lists[1]) })).toBeUndefined()
    expect(takenIn({ list: 5, changes: 'x' }, part(1, 2))).toBeUndefined()
    expect(keptPackages(known, packagesDigest(lists[4]))).toBeUndefined()
  })
})

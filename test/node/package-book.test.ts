import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Catalog } from '#disk/catalog.ts'
import { changesBetween, packagesDigest, packagesOf } from '#facts/packages.ts'
import type { PackagePart } from '#facts/inventory-part.ts'
import { PackageBook } from '#node/package-book.ts'
import { scratch } from '../disk/scratch.ts'
import { debianPackages } from '../support/debian.ts'
import { Site } from '../support/site.ts'

const { peer } = new Site().person('till-7')
const part = (before: string, after: string): PackagePart => ({
  ...(before && { base: packagesDigest(before) }),
  digest: packagesDigest(after),
  count: packagesOf(after).size,
  changes: changesBetween(before, after),
})

describe('the lists of packages of an origin', () => {
  it('are on disk, joined in the order they came, and there after a restart', async () => {
    const folder = join(await scratch(), 'index')
    const index = await Catalog.open(folder)
    const lists = [debianPackages(863), debianPackages(863, 2), debianPackages(900, 3)] as const
    const book = new PackageBook(index)
    const saved = [part('', lists[0]), part(lists[0], lists[1]), part(lists[1], lists[2])].map((next) =>
      book.save(peer, next),
    )
    expect(await Promise.all(saved)).toEqual([true, true, true])
    expect(await book.save(peer, part(lists[0], lists[2]))).toBe(false)
    await index.close()
    const again = await Catalog.open(folder)
    expect(await new PackageBook(again).read(peer, packagesDigest(lists[2]))).toEqual(packagesOf(lists[2]))
    expect(await new PackageBook(again).read(peer, packagesDigest(lists[0]))).toBeUndefined()
    await again.close()
  })
})

import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Unavailable } from '#base/errors.ts'
import type { Digest } from '#base/digest.ts'
import { ChunkList } from '#content/chunk-list.ts'
import { Arrivals } from '#disk/arrivals.ts'
import type { Catalog, CatalogChange } from '#disk/catalog.ts'
import { StoredContent } from '#disk/stored-content.ts'
import { Turns } from '#disk/turns.ts'
import { WriteBack, type Lender } from '#disk/write-back.ts'
import { madeBytes, madeContent } from '../contracts/chunk-store.ts'
import { scratch } from './scratch.ts'

/** A content of one chunk that was stored and not written down yet, and a catalog that fails as often as it is told. */
async function stored(
  failures: number,
): Promise<{ content: StoredContent; back: WriteBack; written: CatalogChange[] }> {
  const root = await scratch()
  const { ref, bytes } = await madeContent(madeBytes('written back', 1_000))
  const content = new StoredContent({ contents: join(root, 'contents'), root }, ref)
  await content.write(ChunkList.single(ref), [{ index: 0, bytes }])
  const written: CatalogChange[] = []
  const catalog = {
    write: async (changes: readonly CatalogChange[]) => {
      if (failures-- > 0) throw new Unavailable('DISK_FULL', { message: 'No space is left.' })
      written.push(...changes)
    },
  } as unknown as Catalog
  const back = new WriteBack(catalog, {
    change: async (_, act) => act(),
    listOf: async () => ChunkList.single(ref),
    isHeld: () => true,
  })
  return { content, back, written }
}

describe('writing back', () => {
  it('what could not be written down is written down the next time', async () => {
    const { content, back, written } = await stored(1)
    back.touch(content)
    await expect(back.flush()).rejects.toMatchObject({ code: 'DISK_FULL' })
    await back.flush()
    expect(written).toMatchObject([{ record: { have: 'AQ', where: 'file', dirty: false } }])
    await back.flush()
    expect(written).toHaveLength(1)
  })

  it('a round of its own that failed is told once, to whoever stores next', async () => {
    const { content, back, written } = await stored(1)
    back.touch(content)
    await expect.poll(() => attempt(back)).toBe('DISK_FULL')
    expect(attempt(back)).toBe('nothing')
    await back.flush()
    expect(written).toHaveLength(1)
  })
})

it('chunks go on being stored while those before them are synced, and are claimed one round later', async () => {
  const root = await scratch()
  const { ref, list, chunk } = await madeContent(madeBytes('synced', 200_000))
  const content = new StoredContent({ contents: join(root, 'contents'), root }, ref)
  const gate = Promise.withResolvers<void>()
  const sync = content.sync.bind(content)
  content.sync = async () => {
    const have = await sync()
    await gate.promise
    return have
  }
  const written: CatalogChange[] = []
  const catalog = { write: async (changes: readonly CatalogChange[]) => void written.push(...changes) }
  const turns = new Turns<Digest>()
  const lender: Lender = {
    change: (digest, act) => turns.take(digest, act),
    listOf: async () => list,
    isHeld: () => true,
  }
  const back = new WriteBack(catalog as unknown as Catalog, lender)
  const arrivals = new Arrivals(lender, back)
  await arrivals.put(content, { index: 0, bytes: chunk(0) })
  const first = back.flush()
  expect(await arrivals.put(content, { index: 1, bytes: chunk(1) })).toBe('stored')
  gate.resolve()
  await first
  expect(written).toMatchObject([{ record: { have: 'AQ' }, places: [{ index: 0 }] }])
  await back.flush()
  expect(written).toMatchObject([{}, { record: { have: 'Aw' }, places: [{ index: 1 }] }])
})

it('a chunk that comes from two neighbours at once is written once', async () => {
  const { content, back } = await stored(0)
  const turns = new Turns<Digest>()
  const lender: Lender = {
    change: (digest, act) => turns.take(digest, act),
    listOf: async () => ChunkList.single(content.ref),
    isHeld: () => true,
  }
  content.mark(0, false)
  const { bytes } = await madeContent(madeBytes('written back', 1_000))
  const arrivals = new Arrivals(lender, back)
  const puts = [0, 0, 0].map((index) => arrivals.put(content, { index, bytes }))
  expect((await Promise.all(puts)).toSorted()).toEqual(['already', 'already', 'stored'])
})

function attempt(back: WriteBack): string {
  try {
    back.throwFailure()
    return 'nothing'
  } catch (error) {
    return error instanceof Unavailable ? error.code : 'another'
  }
}

import { cp, mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile, chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { concatBytes, utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { Catalog } from '#disk/catalog.ts'
import { FileStore } from '#disk/file-store.ts'
import { chunkStoreContract, fetchInto, madeBytes, madeContent, type StoreHome } from '../contracts/chunk-store.ts'
import { atEnd, scratch } from './scratch.ts'

interface FileHome extends StoreHome {
  readonly dir: string
  store: FileStore
  index: Catalog
  restart(): Promise<FileStore>
}

async function fileHome(dir?: string): Promise<FileHome> {
  const folder = dir ?? (await scratch())
  const open = async (): Promise<{ index: Catalog; store: FileStore }> => {
    const index = await Catalog.open(join(folder, 'index'))
    return { index, store: await FileStore.open(join(folder, 'contents'), index) }
  }
  const home: FileHome = {
    dir: folder,
    ...(await open()),
    async restart() {
      await home.index.close()
      Object.assign(home, await open())
      return home.store
    },
    async spoil(content, index) {
      await home.store.flush()
      const path = pathIn(folder, content)
      await chmod(path, 0o644)
      const bytes = await readFile(path)
      const at = (home.store.holding(content)?.chunks ?? 1) > 1 ? index * 33_000 + 8_000 : 0
      bytes.fill(bytes.readUInt8(at) ^ 1, at, at + 40_000)
      await writeFile(path, bytes)
    },
    remove: () => home.index.close(),
  }
  atEnd(async () => home.index.close().catch(() => undefined))
  return home
}

const pathIn = (dir: string, content: Digest): string => join(dir, 'contents', content.slice(0, 2), content.slice(2))

const haveOf = (store: FileStore, content: Digest): number[] => {
  const holding = store.holding(content)
  return Array.from({ length: holding?.chunks ?? 0 }, (_, at) => at).filter(
    (at) => ((holding?.have[at >> 3] ?? 0) & (1 << (at & 7))) !== 0,
  )
}

/** The folder as a killed process leaves it: copied while the store is open. */
async function killed(home: FileHome): Promise<FileHome> {
  const image = await scratch()
  await cp(home.dir, image, { recursive: true })
  await rm(join(image, 'index', 'LOCK'), { force: true })
  return fileHome(image)
}

chunkStoreContract('on files', () => fileHome())

describe('a store on files', () => {
  it('a complete content is one read-only file under its name, and a partial one is not', async () => {
    const home = await fileHome()
    const { ref, origin } = await madeContent(madeBytes('file', 200_000))
    await fetchInto(home.store, ref, origin, [0])
    await home.store.flush()
    expect(await readdir(join(home.dir, 'contents', ref.digest.slice(0, 2)))).toEqual([`${ref.digest.slice(2)}.part`])
    await fetchInto(home.store, ref, origin)
    await home.store.flush()
    expect(await readdir(join(home.dir, 'contents', ref.digest.slice(0, 2)))).toEqual([ref.digest.slice(2)])
    expect(sha256(await readFile(pathIn(home.dir, ref.digest)))).toBe(ref.digest)
    expect((await stat(pathIn(home.dir, ref.digest))).mode & 0o777).toBe(0o444)
  })

  it('knows where the bytes that a new version changed lay in the old one, also after a restart', async () => {
    const home = await fileHome()
    const before = madeBytes('kin', 1_500_000)
    const old = await madeContent(before)
    const after = concatBytes(
      before.subarray(0, 500_000),
      madeBytes('inserted', 200),
      before.subarray(500_000, 1_000_000),
      madeBytes('changed', 90_000),
      before.subarray(1_090_000),
    )
    const next = await madeContent(after)
    await fetchInto(home.store, old.ref, old.origin)
    await home.store.flush()
    await fetchInto(home.store, next.ref, next.origin, [])
    const missingAt = (place: number): number => next.list.indexAt(place)
    const have = haveOf(home.store, next.ref.digest)
    const [first, last] = [missingAt(500_000), missingAt(1_050_200)]
    expect([have.includes(first), have.includes(last)]).toEqual([false, false])
    const holds = async (index: number, place: number): Promise<boolean> => {
      const older = await home.store.older(next.ref.digest, { first: index, count: 1 })
      const like = Buffer.from(before.subarray(place, place + 1_000))
      return older !== undefined && older.byteLength < 400_000 && Buffer.from(older).includes(like)
    }
    expect([await holds(first, 499_000), await holds(first, 501_000)]).toEqual([true, true])
    expect([await holds(last, 1_040_000), await holds(last, 499_000)]).toEqual([true, false])
    await home.restart()
    expect(await holds(first, 501_000)).toBe(true)
    await fetchInto(home.store, next.ref, next.origin)
    await home.store.remove(old.ref.digest)
    expect(await home.store.older(next.ref.digest, { first, count: 1 })).toBeUndefined()
    expect(await home.store.readWhole(next.ref.digest, 2_000_000)).toEqual(after)
  })

  it('knows of no older bytes where a content shares no chunk with another, or where that one is gone', async () => {
    const home = await fileHome()
    const old = await madeContent(madeBytes('kin', 400_000))
    const strange = await madeContent(madeBytes('strange', 400_000))
    const next = await madeContent(concatBytes(old.bytes, madeBytes('appended', 200_000)))
    await fetchInto(home.store, old.ref, old.origin)
    await home.store.flush()
    await fetchInto(home.store, strange.ref, strange.origin, [])
    await fetchInto(home.store, next.ref, next.origin, [])
    const older = (of: typeof old, index: number): Promise<Uint8Array | undefined> =>
      home.store.older(of.ref.digest, { first: index, count: 1 })
    expect(await older(strange, 0)).toBeUndefined()
    expect(await older(next, old.list.size - 1)).toBeDefined()
    expect(await home.store.older(sha256(utf8('unknown')), { first: 0, count: 1 })).toBeUndefined()
    await home.store.remove(old.ref.digest)
    expect(await older(next, old.list.size - 1)).toBeUndefined()
  })

  it('adds a stream that has to be awaited, and leaves nothing behind when it breaks off', async () => {
    const home = await fileHome()
    const bytes = madeBytes('stream', 300_000)
    const good = await home.store.add(
      (async function* () {
        yield bytes.subarray(0, 10)
        yield bytes.subarray(10)
      })(),
    )
    expect(good.digest).toBe(sha256(bytes))
    const broken = (async function* () {
      yield bytes
      throw new RangeError('the source broke off')
    })()
    await expect(home.store.add(broken)).rejects.toThrow('the source broke off')
    expect(await readdir(join(home.dir, 'contents', 'incoming'))).toEqual([])
    expect(home.store.holdings()).toHaveLength(2)
  })

  it('a killed process loses no chunk that was stored, though the index did not say so yet', async () => {
    const home = await fileHome()
    const { ref, origin } = await madeContent(madeBytes('killed', 400_000))
    await fetchInto(home.store, ref, origin, [1, 4])
    const after = await killed(home)
    if (ref.list) await after.store.open(ref.list)
    await after.store.open(ref)
    expect(haveOf(after.store, ref.digest)).toEqual([1, 4])
  })

  it('a killed process loses no content that was complete', async () => {
    const home = await fileHome()
    const { ref, origin, bytes } = await madeContent(madeBytes('killed whole', 400_000))
    await fetchInto(home.store, ref, origin)
    const after = await killed(home)
    if (ref.list) await after.store.open(ref.list)
    expect((await after.store.open(ref)).complete).toBe(true)
    expect(await after.store.readWhole(ref.digest, 400_000)).toEqual(bytes)
  })

  it('a process that is killed between the last name and its writing down loses nothing', async () => {
    const home = await fileHome()
    const { ref, origin } = await madeContent(madeBytes('killed between', 200_000))
    await fetchInto(home.store, ref, origin)
    const image = await scratch()
    await cp(home.dir, image, { recursive: true })
    await rename(`${pathIn(image, ref.digest)}.part`, pathIn(image, ref.digest))
    const { store } = await fileHome(image)
    if (ref.list) await store.open(ref.list)
    expect((await store.open(ref)).complete).toBe(true)
    await store.flush()
    expect((await store.read(ref.digest, 0))?.byteLength).toBeGreaterThan(0)
    expect(store.holding(ref.digest)?.complete).toBe(true)
  })

  it('a chunk that is claimed and not there is missing, not served', async () => {
    const home = await fileHome()
    const { ref, origin } = await madeContent(madeBytes('torn', 400_000))
    await fetchInto(home.store, ref, origin, [0, 5])
    await home.store.flush()
    await truncate(`${pathIn(home.dir, ref.digest)}.part`, 50_000)
    expect(await home.store.read(ref.digest, 5)).toBeUndefined()
    expect(haveOf(home.store, ref.digest)).toEqual([0])
    expect(await home.store.put(ref.digest, 5, (await origin.read(ref.digest, 5)) ?? new Uint8Array())).toBe('stored')
  })

  it('a partial file that somebody removed is begun anew', async () => {
    const home = await fileHome()
    const { ref, origin, bytes } = await madeContent(madeBytes('gone', 200_000))
    await fetchInto(home.store, ref, origin, [0])
    await rm(`${pathIn(home.dir, ref.digest)}.part`)
    await home.store.flush()
    expect(haveOf(home.store, ref.digest)).toEqual([])
    await fetchInto(home.store, ref, origin)
    expect(await home.store.readWhole(ref.digest, 200_000)).toEqual(bytes)
  })

  it('a complete file that somebody removed is noticed at the next start', async () => {
    const home = await fileHome()
    const ref = await home.store.add([madeBytes('removed', 200_000)])
    await rm(pathIn(home.dir, ref.digest))
    const store = await home.restart()
    expect(store.holding(ref.digest)?.complete).toBe(false)
  })

  it('contents are found by their names after the index was lost', async () => {
    const home = await fileHome()
    const large = await madeContent(madeBytes('found', 300_000))
    await fetchInto(home.store, large.ref, large.origin)
    const partial = await madeContent(madeBytes('found in part', 300_000))
    await fetchInto(home.store, partial.ref, partial.origin, [2])
    const small = await home.store.add([madeBytes('found small', 100)])
    await home.index.close()
    await rm(join(home.dir, 'index'), { recursive: true })
    const { store } = await fileHome(home.dir)
    expect(store.holding(small.digest)?.complete).toBe(true)
    expect((await store.open(large.ref)).complete).toBe(true)
    await store.open(partial.ref)
    expect(haveOf(store, partial.ref.digest)).toEqual([2])
  })

  it('the same bytes under another list are looked through again, not fetched again', async () => {
    const home = await fileHome()
    const { ref, bytes } = await madeContent(madeBytes('relisted', 131_072))
    await home.store.add([bytes])
    const { encodeChunkList } = await import('#content/chunk-list.ts')
    const halves = [bytes.subarray(0, 65_536), bytes.subarray(65_536)]
    const list = await home.store.add([
      encodeChunkList(halves.map((half) => ({ digest: sha256(half), length: half.byteLength }))),
    ])
    const holding = await home.store.open({ ...ref, list })
    expect(holding).toMatchObject({ chunks: 2, complete: true })
    expect(await home.store.read(ref.digest, 1)).toEqual(new Uint8Array(halves[1] ?? []))
  })

  it('reads any range of a content', async () => {
    const home = await fileHome()
    const bytes = madeBytes('range', 300_000)
    const ref = await home.store.add([bytes])
    for (const [offset, length] of [
      [0, 300_000],
      [12_345, 100_000],
      [299_999, 1],
      [70_000, 0],
    ] as const) {
      const pieces: Uint8Array[] = []
      for await (const piece of home.store.range(ref.digest, offset, length)) pieces.push(piece)
      expect(Buffer.concat(pieces).equals(bytes.subarray(offset, offset + length))).toBe(true)
    }
  })

  it('an adopted content lies in the adopting files alone, and is still served', async () => {
    const home = await fileHome()
    const bytes = madeBytes('adopted', 200_000)
    const ref = await home.store.add([bytes])
    const segments = [
      { path: join(home.dir, 'one'), length: 50_000 },
      { path: join(home.dir, 'two'), length: 150_000 },
    ]
    await writeFile(join(home.dir, 'one'), bytes.subarray(0, 50_000))
    await writeFile(join(home.dir, 'two'), new Uint8Array(150_000))
    expect(await home.store.adopt(ref.digest, segments)).toBe(false)
    await writeFile(join(home.dir, 'two'), bytes.subarray(50_000))
    expect(await home.store.adopt(ref.digest, segments)).toBe(true)
    await expect(stat(pathIn(home.dir, ref.digest))).rejects.toMatchObject({ code: 'ENOENT' })
    const store = await home.restart()
    expect(await store.readWhole(ref.digest, 200_000)).toEqual(bytes)
  })

  it('an adopting file that was edited is not served, and the chunk comes back into the store', async () => {
    const home = await fileHome()
    const { ref, bytes, chunk, origin } = await madeContent(madeBytes('edited', 200_000))
    await fetchInto(home.store, ref, origin)
    const path = join(home.dir, 'edited')
    await writeFile(path, bytes)
    expect(await home.store.adopt(ref.digest, [{ path, length: 200_000 }])).toBe(true)
    const edited = bytes.slice()
    edited.fill(0, 0, 10)
    await writeFile(path, edited)
    expect(await home.store.read(ref.digest, 0)).toBeUndefined()
    expect(await home.store.read(ref.digest, 1)).toEqual(chunk(1))
    expect(await home.store.put(ref.digest, 0, chunk(0))).toBe('stored')
    expect(await home.store.readWhole(ref.digest, 200_000)).toEqual(bytes)
    expect(new Uint8Array(await readFile(path))).toEqual(edited)
  })

  it('a content comes back into a file of its own before the files that adopted it go', async () => {
    const home = await fileHome()
    const bytes = madeBytes('left', 200_000)
    const ref = await home.store.add([bytes])
    await mkdir(join(home.dir, 'folder'))
    const path = join(home.dir, 'folder', 'file')
    await writeFile(path, bytes)
    await home.store.adopt(ref.digest, [{ path, length: 200_000 }])
    await home.store.leave(join(home.dir, 'folder'))
    await rm(path)
    expect(sha256(await readFile(pathIn(home.dir, ref.digest)))).toBe(ref.digest)
    expect(await (await home.restart()).readWhole(ref.digest, 200_000)).toEqual(bytes)
  })
})

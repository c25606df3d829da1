/**
 * What every ChunkStore promises (src/content/chunk-store.ts), as tests that each home of the contract runs. `restart` gives the store
 * as the next start of the program finds it; `spoil` damages a chunk at rest, where such a home can be damaged.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sha256, type Digest } from '#base/digest.ts'
import { Random } from '#base/random.ts'
import { ChunkList } from '#content/chunk-list.ts'
import type { AddTally, ChunkStore } from '#content/chunk-store.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { MemoryStore } from '#content/memory-store.ts'

export interface StoreHome {
  readonly store: ChunkStore
  restart(): Promise<ChunkStore>
  spoil?(content: Digest, index: number): Promise<void>
  remove(): Promise<void>
}

/** Bytes that do not repeat, the same for the same label. */
export function madeBytes(label: string, length: number): Uint8Array {
  const random = new Random(label)
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at + 4 <= length; at += 4) view.setUint32(at, random.uint32())
  return bytes
}

/** A content as its origin has it, with all its chunks at hand. */
export async function madeContent(bytes: Uint8Array): Promise<{
  ref: ContentRef
  bytes: Uint8Array
  list: ChunkList
  chunk: (index: number) => Uint8Array
  origin: ChunkStore
}> {
  const origin = new MemoryStore()
  const ref = await origin.add([bytes])
  const listBytes = ref.list && (await origin.readWhole(ref.list.digest, ref.list.length))
  const list = listBytes ? ChunkList.decode(listBytes, ref) : ChunkList.single(ref)
  const chunk = (index: number): Uint8Array => bytes.slice(list.offsetAt(index), list.offsetAt(index + 1))
  return { ref, bytes, list, chunk, origin }
}

/** Fetches a content, its list first, as a member does; chunks in this order, or all. */
export async function fetchInto(
  store: ChunkStore,
  ref: ContentRef,
  origin: ChunkStore,
  order?: readonly number[],
): Promise<void> {
  if (ref.list) await fetchInto(store, ref.list, origin)
  const { chunks } = await store.open(ref)
  for (const index of order ?? Array.from({ length: chunks }, (_, at) => at)) {
    const bytes = await origin.read(ref.digest, index)
    if (bytes) await store.put(ref.digest, index, bytes)
  }
}

const haveOf = (store: ChunkStore, content: Digest): number[] => {
  const holding = store.holding(content)
  return Array.from({ length: holding?.chunks ?? 0 }, (_, index) => index).filter(
    (index) => ((holding?.have[index >> 3] ?? 0) & (1 << (index & 7))) !== 0,
  )
}

export function chunkStoreContract(name: string, makeHome: () => Promise<StoreHome>): void {
  describe(`the chunk store contract, ${name}`, () => {
    let home: StoreHome
    let store: ChunkStore
    beforeEach(async () => {
      home = await makeHome()
      store = home.store
    })
    afterEach(() => home.remove())

    it('what was added is read back, chunk by chunk and as a whole', async () => {
      const bytes = madeBytes('added', 300_000)
      const ref = await store.add([bytes.subarray(0, 100_000), bytes.subarray(100_000)])
      const { list, chunk } = await madeContent(bytes)
      expect(ref.digest).toBe(sha256(bytes))
      expect(store.holding(ref.digest)).toMatchObject({ chunks: list.size, complete: true })
      for (let index = 0; index < list.size; index++) expect(await store.read(ref.digest, index)).toEqual(chunk(index))
      expect(await store.readWhole(ref.digest, 300_000)).toEqual(bytes)
    })

    it('two stores name the same bytes alike, whatever the pieces they came in', async () => {
      const bytes = madeBytes('alike', 200_001)
      const other = new MemoryStore()
      const pieces = Array.from({ length: 201 }, (_, at) => bytes.subarray(at * 1_000, (at + 1) * 1_000))
      expect(await store.add(pieces)).toEqual(await other.add([bytes]))
    })

    it('a content of at most 64 KiB is one chunk without a list, and an empty one has none', async () => {
      const small = await store.add([madeBytes('small', 65_536)])
      expect(small.list).toBeUndefined()
      expect(store.holding(small.digest)).toMatchObject({ chunks: 1, complete: true })
      const empty = await store.add([])
      expect(empty).toEqual({ digest: sha256(new Uint8Array()), length: 0 })
      expect(store.holding(empty.digest)).toMatchObject({ chunks: 0, complete: true })
      expect(await store.readWhole(empty.digest, 0)).toEqual(new Uint8Array())
    })

    it('chunks are stored in any order, each once, and at the end the content is complete', async () => {
      const { ref, list, origin, bytes, chunk } = await madeContent(madeBytes('order', 400_000))
      const backwards = Array.from({ length: list.size }, (_, at) => list.size - 1 - at)
      await fetchInto(store, ref, origin, backwards.slice(0, -1))
      expect(store.holding(ref.digest)?.complete).toBe(false)
      expect(await store.readWhole(ref.digest, 400_000)).toBeUndefined()
      expect(await store.read(ref.digest, 0)).toBeUndefined()
      expect(await store.put(ref.digest, 0, chunk(0))).toBe('stored')
      expect(await store.put(ref.digest, 0, chunk(0))).toBe('already')
      expect(store.holding(ref.digest)?.complete).toBe(true)
      expect(await store.readWhole(ref.digest, 400_000)).toEqual(bytes)
    })

    it('chunks that follow each other are read together, up to the first that is missing and no more than asked for', async () => {
      const { ref, list, origin, chunk } = await madeContent(madeBytes('together', 900_000))
      const hole = list.size - 2
      const rest = Array.from({ length: list.size }, (_, at) => at).filter((at) => at !== hole)
      await fetchInto(store, ref, origin, rest)
      const read: Uint8Array[] = []
      let reads = 0
      for (; read.length < hole; reads++) {
        const some = await store.readRun(ref.digest, read.length, list.size)
        expect(some.length).toBeGreaterThan(0)
        read.push(...some)
      }
      expect(read).toEqual(rest.slice(0, hole).map(chunk))
      expect(reads).toBeLessThan(hole)
      expect(await store.readRun(ref.digest, hole, 2)).toEqual([])
      expect(await store.readRun(ref.digest, hole + 1, 8)).toEqual([chunk(hole + 1)])
      expect(await store.readRun(ref.digest, 0, 2)).toEqual([chunk(0), chunk(1)])
      expect(await store.readRun(sha256(new Uint8Array()), 0, 1)).toEqual([])
    })

    it('wrong bytes are refused and nothing of them is kept', async () => {
      const { ref, list, origin, chunk } = await madeContent(madeBytes('wrong', 200_000))
      await fetchInto(store, ref, origin, [])
      const twisted = chunk(1)
      twisted[7] = (twisted[7] ?? 0) ^ 1
      const cases: [number, Uint8Array][] = [
        [1, twisted],
        [1, chunk(1).subarray(1)],
        [1, new Uint8Array()],
        [1, chunk(2)],
        [list.size, chunk(1)],
        [-1, chunk(1)],
      ]
      for (const [index, bytes] of cases)
        await expect(store.put(ref.digest, index, bytes)).rejects.toMatchObject({ code: 'CHUNK_WRONG', exitCode: 4 })
      expect(haveOf(store, ref.digest)).toEqual([])
      expect(await store.read(ref.digest, 1)).toBeUndefined()
    })

    it('a content is opened only with its list, and stored into only once it is open', async () => {
      const { ref, chunk } = await madeContent(madeBytes('missing', 200_000))
      const missing = { code: 'CONTENT_MISSING', exitCode: 3 }
      await expect(store.open(ref)).rejects.toMatchObject(missing)
      await expect(store.put(ref.digest, 0, chunk(0))).rejects.toMatchObject(missing)
      expect(store.holding(ref.digest)).toBeUndefined()
      expect(await store.read(ref.digest, 0)).toBeUndefined()
      expect(await store.readWhole(ref.digest, 200_000)).toBeUndefined()
    })

    it('a list that does not describe its content is refused', async () => {
      const { ref, origin } = await madeContent(madeBytes('list', 200_000))
      if (ref.list) await fetchInto(store, ref.list, origin)
      await expect(store.open({ ...ref, length: ref.length + 1 })).rejects.toMatchObject({ code: 'CHUNK_LIST_INVALID' })
      expect(store.holding(ref.digest)).toBeUndefined()
    })

    it('a list that describes other bytes than the digest beside it is found out before the whole is used', async () => {
      const real = await madeContent(madeBytes('real', 200_000))
      const digest = sha256(madeBytes('something else', 8))
      await fetchInto(store, real.ref, real.origin)
      await store.open({ ...real.ref, digest })
      await expect(store.readWhole(digest, 200_000)).rejects.toMatchObject({ code: 'CONTENT_WRONG', exitCode: 4 })
    })

    it('more than was asked for is not read as a whole', async () => {
      const ref = await store.add([madeBytes('large', 1_000)])
      await expect(store.readWhole(ref.digest, 999)).rejects.toMatchObject({ code: 'CONTENT_TOO_LARGE', exitCode: 4 })
    })

    it('a new version takes the chunks it shares with the old one from it', async () => {
      const before = madeBytes('version', 1_000_000)
      const old = await madeContent(before)
      const after = before.slice()
      after.set(madeBytes('change', 100), 500_000)
      const { ref, list, origin, bytes } = await madeContent(after)
      await fetchInto(store, old.ref, old.origin)
      await restartUnlessMemory()
      if (ref.list) await fetchInto(store, ref.list, origin)
      const holding = await store.open(ref)
      const missing = holding.chunks - haveOf(store, ref.digest).length
      expect(missing).toBeGreaterThan(0)
      expect(missing).toBeLessThanOrEqual(3)
      await fetchInto(store, ref, origin)
      expect(await store.readWhole(ref.digest, bytes.byteLength)).toEqual(after)
      await store.remove(old.ref.digest)
      expect(haveOf(store, ref.digest)).toHaveLength(list.size)
      expect(await store.readWhole(ref.digest, bytes.byteLength)).toEqual(after)
    })

    it('adding counts the bytes that were not here before, and not the list that names them', async () => {
      const bytes = madeBytes('counted', 300_000)
      const first: AddTally = { newBytes: 0 }
      await store.add([bytes], first)
      expect(first.newBytes).toBe(300_000)
      const again: AddTally = { newBytes: 0 }
      await store.add([bytes], again)
      expect(again.newBytes).toBe(0)
      bytes[150_000] = (bytes[150_000] ?? 0) ^ 1
      const changed: AddTally = { newBytes: 0 }
      await store.add([bytes], changed)
      expect(changed.newBytes).toBeGreaterThan(0)
      expect(changed.newBytes).toBeLessThan(3 * 65_536)
    })

    it('many chunks may come at once, the same ones twice', async () => {
      const { ref, list, origin, bytes } = await madeContent(madeBytes('at once', 700_000))
      await fetchInto(store, ref, origin, [])
      const indexes = Array.from({ length: list.size }, (_, index) => index)
      const results = await Promise.all(
        [...indexes, ...indexes].map(async (index) =>
          store.put(ref.digest, index, bytes.slice(list.offsetAt(index), list.offsetAt(index + 1))),
        ),
      )
      expect(results.filter((result) => result === 'stored')).toHaveLength(list.size)
      expect(await store.readWhole(ref.digest, 700_000)).toEqual(bytes)
    })

    it('opening twice at once, or again, keeps what is here', async () => {
      const { ref, origin } = await madeContent(madeBytes('twice', 200_000))
      await fetchInto(store, ref, origin, [0, 2])
      await Promise.all([store.open(ref), store.open(ref)])
      expect(haveOf(store, ref.digest)).toEqual([0, 2])
    })

    it('what a holding says belongs to whoever asked', async () => {
      const ref = await store.add([madeBytes('owned', 100)])
      store.holding(ref.digest)?.have.fill(0)
      expect(haveOf(store, ref.digest)).toEqual([0])
    })

    it('a removed content is gone, and can be fetched again', async () => {
      const { ref, origin } = await madeContent(madeBytes('removed', 200_000))
      await fetchInto(store, ref, origin)
      expect(store.holdings().map((holding) => holding.ref.digest)).toContain(ref.digest)
      await store.remove(ref.digest)
      expect(store.holding(ref.digest)).toBeUndefined()
      expect(store.holdings().map((holding) => holding.ref.digest)).not.toContain(ref.digest)
      await store.open(ref)
      expect(haveOf(store, ref.digest)).toEqual([])
      await fetchInto(store, ref, origin)
      expect(store.holding(ref.digest)?.complete).toBe(true)
    })

    it('the next start goes on where the last one ended', async () => {
      const { ref, origin, bytes } = await madeContent(madeBytes('resumed', 400_000))
      await fetchInto(store, ref, origin, [0, 3, 5])
      store = await home.restart()
      expect(haveOf(store, ref.digest)).toEqual([0, 3, 5])
      await store.open(ref)
      expect(haveOf(store, ref.digest)).toEqual([0, 3, 5])
      await fetchInto(store, ref, origin)
      store = await home.restart()
      expect(await store.readWhole(ref.digest, 400_000)).toEqual(bytes)
    })

    it('a long list has a list of its own', { timeout: 60_000 }, async () => {
      const piece = madeBytes('long', 1_000_000)
      const parts = Array.from({ length: 72 }, (_, at) => {
        const part = piece.slice()
        new DataView(part.buffer).setUint32(0, at)
        for (let place = 4_000; place < part.length; place += 4_000) part[place] = at
        return part
      })
      const ref = await store.add(parts)
      expect(ref.list?.list).toBeDefined()
      expect(ref.list?.list?.list).toBeUndefined()
      store = await home.restart()
      const holding = await store.open(ref)
      expect(holding.complete).toBe(true)
      expect((await store.read(ref.digest, holding.chunks - 1))?.byteLength).toBeGreaterThan(0)
    })

    it('a chunk that rotted is never served, and is fetched again', async () => {
      if (!home.spoil) return
      const { ref, origin, bytes, chunk } = await madeContent(madeBytes('rotten', 400_000))
      await fetchInto(store, ref, origin)
      await home.spoil(ref.digest, 2)
      expect(await store.readRun(ref.digest, 1, 3)).toEqual([chunk(1)])
      expect(await store.readRun(ref.digest, 2, 2)).toEqual([])
      expect(await store.read(ref.digest, 2)).toBeUndefined()
      expect(store.holding(ref.digest)?.complete).toBe(false)
      expect(await store.read(ref.digest, 3)).toEqual(chunk(3))
      expect(await store.put(ref.digest, 2, chunk(2))).toBe('stored')
      expect(await store.readWhole(ref.digest, 400_000)).toEqual(bytes)
    })

    async function restartUnlessMemory(): Promise<void> {
      store = await home.restart()
    }
  })
}

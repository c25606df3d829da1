/**
 * The ChunkStore on files: every content once on disk, verified when it comes, verified again whenever it is read. What the index says
 * is here was synced before the index said so; chunks of the last moments before a crash are found again by reading the files.
 *
 * A complete content may be taken over by the files of a prepared bundle (`adopt`): then its bytes lie there, and only there.
 */
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { assert } from '#base/assert.ts'
import { concatBytes } from '#base/bytes.ts'
import { isDigest, sha256, type Digest } from '#base/digest.ts'
import { codeOf } from '#base/errors.ts'
import { ChunkList, encodeChunkList, type ChunkEntry } from '#content/chunk-list.ts'
import type { AddTally, ChunkStore, Holding, PutResult } from '#content/chunk-store.ts'
import { chunkBytesMax, isSameRef, type ContentRef } from '#content/content-ref.ts'
import type { Cut } from '#content/cutting.ts'
import type { StoredBytes } from '#content/retention.ts'
import { chunkWrong, contentMissing, contentTooLarge, contentWrong } from '#content/store-fault.ts'
import { Arrivals } from './arrivals.ts'
import { syncFolder } from './atomic.ts'
import type { Catalog, Segment } from './catalog.ts'
import { receive } from './incoming.ts'
import { ListCache } from './list-cache.ts'
import { sizeOf, StoredContent, type StoreFolders } from './stored-content.ts'
import { systemError } from './system-error.ts'
import { Turns } from './turns.ts'
import { WriteBack, type Lender } from './write-back.ts'

/** Digests looked up in the index at once. */
const lookupsMax = 1_024

export class FileStore implements ChunkStore {
  readonly #folders: StoreFolders
  readonly #index: Catalog
  readonly #contents = new Map<Digest, StoredContent>()
  readonly #lists = new ListCache()
  readonly #turns = new Turns<Digest>()
  readonly #writeBack: WriteBack
  readonly #arrivals: Arrivals
  #added = 0
  #uses = 0

  private constructor(folders: StoreFolders, index: Catalog) {
    this.#folders = folders
    this.#index = index
    const lender: Lender = {
      change: (content, act) => this.#change(content, act),
      listOf: (ref) => this.#listOf(ref),
      isHeld: (content) => this.#contents.get(content.ref.digest) === content,
    }
    this.#writeBack = new WriteBack(index, lender)
    this.#arrivals = new Arrivals(lender, this.#writeBack)
  }

  /** The store in the folder `contents/` of a home. Where the index was lost, small complete contents are found by their names, larger ones once they are opened. */
  static async open(contents: string, index: Catalog): Promise<FileStore> {
    const store = new FileStore({ contents, root: dirname(contents) }, index)
    index.onClose(() => store.#close())
    await store.#onDisk(async () => {
      await rm(store.#incoming, { recursive: true, force: true })
      await mkdir(store.#incoming, { recursive: true, mode: 0o700 })
      for (const record of await index.records()) {
        const content = StoredContent.restore(store.#folders, record)
        await content.checkPresence()
        store.#contents.set(record.ref.digest, content)
      }
      if (store.#contents.size === 0) await store.#findSmall()
    })
    return store
  }

  async open(ref: ContentRef): Promise<Holding> {
    const list = await this.#listOf(ref)
    // Chunks are found by what is written down of them.
    if (ref.list) await this.flush()
    return this.#change(ref.digest, async () => {
      const known = this.#contents.get(ref.digest)
      const content = known && isSameRef(known.ref, ref) ? known : await this.#discover(ref, known)
      if (content.isUnsure) await content.scan(list)
      // What is missing is written into a part, never into a file that others may be linked to.
      if (content.where !== 'part' && !content.isComplete) await content.salvage(list)
      this.#contents.set(ref.digest, content)
      await this.#reuse(content, list)
      // It says so until a clean end: whatever comes from now on may be on disk before it is in the index.
      content.isDirty = !content.isComplete
      this.#writeBack.touch(content)
      await this.#index.write([{ content: ref.digest, record: content.record() }], 'soon')
      return content.holding()
    })
  }

  async put(content: Digest, index: number, bytes: Uint8Array): Promise<PutResult> {
    this.#writeBack.throwFailure()
    const stored = this.#contents.get(content)
    if (!stored) throw contentMissing(content)
    const list = await this.#listOf(stored.ref)
    const isRight = index >= 0 && index < list.size && bytes.byteLength === list.lengthAt(index)
    if (!isRight || sha256(bytes) !== list.digestAt(index)) throw chunkWrong(content, index)
    if (stored.has(index)) return 'already'
    return this.#arrivals.put(stored, { index, bytes })
  }

  async read(content: Digest, index: number): Promise<Uint8Array | undefined> {
    const stored = this.#contents.get(content)
    if (!stored?.has(index)) return undefined
    stored.used = ++this.#uses
    const list = await this.#listOf(stored.ref).catch((error: unknown) => {
      // A list that rotted: without it nothing can be verified, so nothing is here.
      if (codeOf(error) === 'CONTENT_MISSING') return undefined
      throw error
    })
    const bytes = list && (await this.#onDisk(() => stored.read(list, index)))
    if (bytes || !list) return bytes
    // Perhaps it moved while we read. Else it rotted, and what is left of it is kept where it can be repaired.
    return this.#change(content, async () => {
      const again = stored.has(index) ? await stored.read(list, index) : undefined
      if (again || this.#contents.get(content) !== stored) return again
      if (stored.where === 'part') stored.mark(index, false)
      else await stored.salvage(list)
      stored.isDirty = true
      this.#writeBack.touch(stored)
      return undefined
    })
  }

  async readRun(content: Digest, first: number, count: number): Promise<readonly Uint8Array[]> {
    const stored = this.#contents.get(content)
    if (!stored?.has(first)) return []
    const list = await this.#listOf(stored.ref).catch(() => undefined)
    const chunks = list && (await this.#onDisk(() => stored.readRun(list, first, count)))
    if (chunks) return chunks
    const bytes = await this.read(content, first)
    return bytes ? [bytes] : []
  }

  async readWhole(content: Digest, max: number): Promise<Uint8Array | undefined> {
    const stored = this.#contents.get(content)
    if (!stored?.isComplete) return undefined
    if (stored.ref.length > max) throw contentTooLarge(content, stored.ref.length, max)
    const chunks: Uint8Array[] = []
    for (let index = 0; index < stored.size; index++) {
      const bytes = await this.read(content, index)
      if (!bytes) return undefined
      chunks.push(bytes)
    }
    const whole = concatBytes(...chunks)
    if (sha256(whole) === content) return whole
    throw contentWrong(content)
  }

  /**
   * Bytes of another content that probably resemble these chunks, which are missing: what lies there between chunks that both contents
   * have. Undefined where they share none.
   */
  async older(content: Digest, run: { first: number; count: number }): Promise<Uint8Array | undefined> {
    const stored = this.#contents.get(content)
    const source = stored && this.#contents.get(stored.kin.contentFor(run.first) ?? content)
    if (!stored || !source || source === stored) return undefined
    source.used = ++this.#uses
    const from = await this.#listOf(source.ref)
    const place = stored.kin.around(run, await this.#listOf(stored.ref), from)
    if (!place) return undefined
    const chunks: Uint8Array[] = []
    for (let index = from.indexAt(place.start); index < from.size && from.offsetAt(index) < place.end; index++) {
      const bytes = source.has(index) ? await this.#onDisk(() => source.read(from, index)) : undefined
      if (bytes) chunks.push(bytes)
    }
    return chunks.length > 0 ? concatBytes(...chunks) : undefined
  }

  /** `length` bytes of a content from `offset`, verified, in pieces. Unavailable `CONTENT_MISSING` where one is not here. */
  async *range(content: Digest, offset: number, length: number): AsyncGenerator<Uint8Array> {
    const stored = this.#contents.get(content)
    if (!stored) throw contentMissing(content)
    const list = await this.#listOf(stored.ref)
    assert(offset >= 0 && offset + length <= stored.ref.length, 'a range lies within its content')
    for (let at = offset; at < offset + length;) {
      const index = list.indexAt(at)
      const bytes = await this.read(content, index)
      if (!bytes) throw contentMissing(content)
      const start = list.offsetAt(index)
      const piece = bytes.subarray(at - start, offset + length - start)
      yield piece
      at += piece.byteLength
    }
  }

  async add(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, tally?: AddTally): Promise<ContentRef> {
    const incoming = join(this.#incoming, String(this.#added++))
    try {
      const cut = await receive(incoming, bytes)
      return await this.#keep(incoming, cut, tally)
    } finally {
      await rm(incoming, { force: true })
    }
  }

  /** Bytes of all contents, whole: those of incomplete ones are on their way. */
  get bytes(): number {
    let bytes = 0
    for (const { ref } of this.#contents.values()) bytes += ref.length
    return bytes
  }

  /** Every content, with the order in which they were last used. */
  stored(): StoredBytes[] {
    return [...this.#contents.values()].map(({ ref, used }) => ({ ref, used }))
  }

  holding(content: Digest): Holding | undefined {
    return this.#contents.get(content)?.holding()
  }

  holdings(): readonly Holding[] {
    return [...this.#contents.values()].map((content) => content.holding())
  }

  async remove(content: Digest): Promise<void> {
    await this.#change(content, async () => {
      const stored = this.#contents.get(content)
      if (!stored) return
      const list = await this.#listOf(stored.ref).catch(() => undefined)
      this.#contents.delete(content)
      this.#lists.delete(content)
      await this.#index.write([{ content, record: undefined }])
      const digests = Array.from({ length: list?.size ?? 0 }, (_, index) => list?.digestAt(index) ?? content)
      for (let at = 0; at < digests.length; at += lookupsMax)
        await this.#index.forget(content, digests.slice(at, at + lookupsMax))
      await stored.dropOwn()
    })
  }

  /**
   * The complete content from now on lies in these files of the home, and its own file is removed. False, and nothing changed, where
   * they do not hold it byte for byte.
   */
  async adopt(content: Digest, segments: readonly Segment[]): Promise<boolean> {
    return this.#change(content, async () => {
      const stored = this.#contents.get(content)
      if (!stored?.isComplete) return false
      const inside = segments.map(({ path, length }) => ({ path: relative(this.#folders.root, path), length }))
      assert(!inside.some(({ path }) => path.startsWith('..')), 'a content is adopted by files of the home')
      if (!(await stored.isIn(await this.#listOf(stored.ref), inside))) return false
      stored.adopt(inside)
      await this.#index.write([{ content, record: stored.record() }])
      await stored.dropOwn()
      return true
    })
  }

  /** Before files below `folder` go away: contents that lie nowhere else come back into a file of their own. */
  async leave(folder: string): Promise<void> {
    const prefix = `${relative(this.#folders.root, folder)}/`
    for (const [digest, stored] of this.#contents)
      await this.#change(digest, async () => {
        const layouts = stored.layouts.filter((layout) => !layout.some(({ path }) => path.startsWith(prefix)))
        if (layouts.length === stored.layouts.length || this.#contents.get(digest) !== stored) return
        if (stored.where === 'layouts' && layouts.length === 0) await stored.salvage(await this.#listOf(stored.ref))
        stored.layouts = layouts
        this.#writeBack.touch(stored)
      })
    await this.flush()
  }

  /** The file of a complete content, for a hard link; undefined where it lies in files of a bundle. */
  async fileOf(content: Digest): Promise<string | undefined> {
    await this.flush()
    const stored = this.#contents.get(content)
    return stored?.isComplete && stored.where === 'file' ? stored.path : undefined
  }

  /** Everything stored so far is durable and written down once this returns. Unavailable `DISK_FULL`: then what came last may be lost. */
  async flush(): Promise<void> {
    return this.#writeBack.flush()
  }

  get #incoming(): string {
    return join(this.#folders.contents, 'incoming')
  }

  /** Runs `act` when nobody else changes where this content lies. */
  async #change<T>(content: Digest, act: () => Promise<T>): Promise<T> {
    return this.#turns.take(content, () => this.#onDisk(act))
  }

  async #onDisk<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      throw systemError(error, this.#folders.contents)
    }
  }

  /** Gives received bytes their name, unless they are here already. */
  async #keep(incoming: string, { digest, length, chunks }: Cut, tally: AddTally | undefined): Promise<ContentRef> {
    const bytes = encodeChunkList(chunks)
    const ref = chunks.length > 1 ? { digest, length, list: await this.add([bytes]) } : { digest, length }
    const list = ChunkList.decode(bytes, ref)
    if (tally) tally.newBytes += await this.#newBytesOf(chunks)
    return this.#change(digest, async () => {
      const known = this.#contents.get(digest)
      if (known?.isComplete) return known.ref
      const content = new StoredContent(this.#folders, ref)
      if (length > 0) {
        await mkdir(dirname(content.path), { recursive: true, mode: 0o700 })
        await rename(incoming, content.path)
        await syncFolder(dirname(content.path))
        await rm(content.partPath, { force: true })
      }
      content.markWhole()
      this.#contents.set(digest, content)
      if (ref.list) this.#lists.put(ref, list)
      const places = ref.list ? chunks.map((chunk, index) => ({ chunk: chunk.digest, index })) : []
      await this.#index.write([{ content: digest, record: content.record(), places }])
      return ref
    })
  }

  async #newBytesOf(chunks: readonly ChunkEntry[]): Promise<number> {
    const distinct = [...new Map(chunks.map((chunk) => [chunk.digest, chunk])).values()]
    let bytes = 0
    for (let at = 0; at < distinct.length; at += lookupsMax) {
      const asked = distinct.slice(at, at + lookupsMax)
      const places = await this.#index.find(asked.map((chunk) => chunk.digest))
      for (const [turn, chunk] of asked.entries())
        if (!places[turn] && !this.#contents.get(chunk.digest)?.isComplete) bytes += chunk.length
    }
    return bytes
  }

  async #listOf(ref: ContentRef): Promise<ChunkList> {
    if (!ref.list) return ChunkList.single(ref)
    const cached = this.#lists.get(ref)
    if (cached) return cached
    const bytes = await this.readWhole(ref.list.digest, ref.list.length)
    if (!bytes) throw contentMissing(ref.list.digest)
    return this.#lists.put(ref, ChunkList.decode(bytes, ref))
  }

  /** A content that the catalog does not know, or knows by another list: its files are looked through. */
  async #discover(ref: ContentRef, known: StoredContent | undefined): Promise<StoredContent> {
    const content = new StoredContent(this.#folders, ref)
    content.where = known?.where ?? 'part'
    content.layouts = known?.layouts ?? []
    await content.checkPresence()
    content.isUnsure = true
    return content
  }

  /** Copies the chunks that other contents hold under the same digest. */
  async #reuse(content: StoredContent, list: ChunkList): Promise<void> {
    const wanted = Array.from({ length: content.size }, (_, index) => index).filter((index) => !content.has(index))
    for (let at = 0; at < wanted.length; at += lookupsMax) {
      const indexes = wanted.slice(at, at + lookupsMax)
      const places = await this.#index.find(indexes.map((index) => list.digestAt(index)))
      for (const [turn, index] of indexes.entries()) {
        const digest = list.digestAt(index)
        const place = places[turn] ?? { content: digest, index: 0 }
        const source = this.#contents.get(place.content)
        if (!source || source === content || !source.has(place.index)) continue
        const from = await this.#listOf(source.ref).catch(() => undefined)
        const bytes = from && (await source.read(from, place.index))
        if (!bytes || sha256(bytes) !== digest) continue
        await content.write(list, [{ index, bytes }])
        content.kin.found(index, { content: source.ref.digest, index: place.index })
      }
    }
  }

  /** Complete contents of one chunk, by their names: what is needed to open all others, once the index was lost. */
  async #findSmall(): Promise<void> {
    const { contents } = this.#folders
    for (const folder of await readdir(contents)) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue
      for (const name of await readdir(join(contents, folder))) {
        const digest = folder + name
        const length = isDigest(digest) ? ((await sizeOf(join(contents, folder, name))) ?? 0) : 0
        if (!isDigest(digest) || length === 0 || length > chunkBytesMax) continue
        const content = new StoredContent(this.#folders, { digest, length })
        await content.scan(ChunkList.single(content.ref))
        if (!content.isComplete) continue
        content.markWhole()
        this.#contents.set(digest, content)
        this.#writeBack.touch(content)
      }
    }
  }

  /** Writes down what is here, and that nothing else is. Where that fails, the next start reads the files instead. */
  async #close(): Promise<void> {
    try {
      await this.flush()
      const unclean = [...this.#contents.values()].filter((content) => content.isDirty)
      for (const content of unclean) content.isDirty = false
      await this.#index.write(unclean.map((content) => ({ content: content.ref.digest, record: content.record() })))
    } catch {
      // Their records still say that more may be there.
    }
  }
}

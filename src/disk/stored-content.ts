/**
 * One content at rest: which of its chunks are here, in which files they lie, and reading and writing them there. Whoever calls keeps
 * the order of calls that change where it lies; reading and writing chunks may happen at any time. Never returns bytes that it did not
 * verify.
 *
 *   part ──complete, finish──▶ file ──adopted by prepared files──▶ layouts
 *    ▲                          │                                   │
 *    └──────── salvage: a chunk rotted, or the files go away ───────┘
 *
 * A content lies in `contents/<2 hex>/<62 hex>`, read-only; until it is complete beside it, with `.part`, holes where chunks are missing.
 */
import type { PathLike } from 'node:fs'
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { fromBase64url, toBase64url } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import type { ChunkList } from '#content/chunk-list.ts'
import type { Holding } from '#content/chunk-store.ts'
import { listEntryBytes, type ContentRef } from '#content/content-ref.ts'
import { Kinship } from '#content/kinship.ts'
import { clearBit, countBits, fullBits, hasBit, setBit } from './bits.ts'
import type { ContentRecord, Segment } from './catalog.ts'
import { readAt, writeAt, type Stretch } from './part-bytes.ts'
import { isAbsent } from './system-error.ts'

/** Bundles share few packs: an older prepared version, the newer one, and some more. */
const layoutsMax = 4

/** 256 KiB by one read, and held while they are sent: eight chunks, which is where longer reads stop to pay. */
const runBytesMax = 262_144

export interface Chunk {
  readonly index: number
  readonly bytes: Uint8Array
}

export interface StoreFolders {
  /** The folder `contents/`. */
  readonly contents: string
  /** The folder that paths of segments are relative to. */
  readonly root: string
}

export class StoredContent {
  readonly ref: ContentRef
  /** Number of chunks. */
  readonly size: number
  where: ContentRecord['where'] = 'part'
  layouts: ContentRecord['layouts'] = []
  /** More may be stored than is written down. */
  isDirty = false
  /** An earlier process ended that way: `scan` tells. */
  isUnsure = false
  /** Chunks stored since they were last written to the index. */
  fresh: number[] = []
  /** When it was last read or written, by the store's own count; 0 for not since the start. */
  used = 0
  /** Where chunks of other contents were taken over from, while some are missing. */
  kin = new Kinship()
  readonly path: string
  readonly #folders: StoreFolders
  #have: Uint8Array
  #count = 0

  constructor(folders: StoreFolders, ref: ContentRef) {
    this.ref = ref
    this.size = ref.list ? ref.list.length / listEntryBytes : Math.min(1, ref.length)
    this.path = pathOf(folders, ref.digest)
    this.#folders = folders
    this.#have = new Uint8Array(Math.ceil(this.size / 8))
  }

  /** A content as the index remembers it. */
  static restore(folders: StoreFolders, record: ContentRecord): StoredContent {
    const content = new StoredContent(folders, record.ref)
    const have = fromBase64url(record.have)
    if (have?.byteLength === content.#have.byteLength) content.#have = have
    content.#count = countBits(content.#have, content.size)
    content.where = record.where
    content.layouts = record.layouts
    content.kin = new Kinship(record.kin)
    content.isDirty = record.dirty
    content.isUnsure = record.dirty
    return content
  }

  get isComplete(): boolean {
    return this.#count === this.size
  }

  get partPath(): string {
    return `${this.path}.part`
  }

  has(index: number): boolean {
    return hasBit(this.#have, index)
  }

  holding(): Holding {
    return { ref: this.ref, chunks: this.size, have: this.#have.slice(), complete: this.isComplete }
  }

  /** For the index: of the chunks that are here, those that `synced` names. */
  record(synced: Uint8Array = this.#have): ContentRecord {
    const { ref, where, layouts } = this
    const have = this.#have.map((byte, index) => byte & (synced[index] ?? 0))
    const kin = this.isComplete || this.kin.runs.length === 0 ? {} : { kin: this.kin.runs }
    return { ref, have: toBase64url(have), where, layouts, dirty: this.isDirty, ...kin }
  }

  /** Says that a chunk is here, or no longer. */
  mark(index: number, isHere: boolean): void {
    if (this.has(index) === isHere) return
    if (isHere) {
      setBit(this.#have, index)
      this.fresh.push(index)
    } else clearBit(this.#have, index)
    this.#count += isHere ? 1 : -1
  }

  /** All chunks are here, under the final name. */
  markWhole(): void {
    this.#have = fullBits(this.size)
    this.#count = this.size
    this.where = 'file'
  }

  /** Writes verified chunks into the part file and says that they are here. */
  async write(list: ChunkList, chunks: readonly Chunk[]): Promise<void> {
    if (chunks.length === 0) return
    await writeAt(this.partPath, stretchesOf(list, chunks))
    for (const { index } of chunks) this.mark(index, true)
  }

  /** A chunk from wherever it lies whole; undefined where it does so nowhere. */
  async read(list: ChunkList, index: number): Promise<Uint8Array | undefined> {
    const [offset, length, digest] = [list.offsetAt(index), list.lengthAt(index), list.digestAt(index)]
    for (const segments of this.#places()) {
      const bytes = await readSegments(segments, offset, length)
      if (bytes && sha256(bytes) === digest) return bytes
    }
    return undefined
  }

  /** Chunks that follow each other, some 256 KiB of them, by one read; undefined where not all of them are whole in one place. */
  async readRun(list: ChunkList, first: number, count: number): Promise<Uint8Array[] | undefined> {
    const start = list.offsetAt(first)
    let end = first + 1
    while (end < first + count && this.has(end) && list.offsetAt(end + 1) - start <= runBytesMax) end++
    const [segments] = this.#places()
    const bytes = segments && (await readSegments(segments, start, list.offsetAt(end) - start))
    if (!bytes) return undefined
    const chunks: Uint8Array[] = []
    for (let index = first; index < end; index++) {
      const chunk = bytes.subarray(list.offsetAt(index) - start, list.offsetAt(index + 1) - start)
      if (sha256(chunk) !== list.digestAt(index)) return undefined
      chunks.push(chunk)
    }
    return chunks
  }

  /**
   * Compares what the catalog remembers with what is on disk, by sizes alone: whether a crash came between the last chunk and its writing
   * down, or somebody removed the files. What else may be wrong is found by reading.
   */
  async checkPresence(): Promise<void> {
    if (this.size === 0) return
    if (this.where === 'part') {
      const isFinished = (await sizeOf(this.partPath)) === undefined && (await sizeOf(this.path)) === this.ref.length
      if (isFinished) this.where = 'file'
      this.isUnsure ||= isFinished
      return
    }
    for (const segments of this.#places()) {
      const ends = [segments[0], segments.at(-1)].filter((segment) => segment !== undefined)
      const sizes = await Promise.all(ends.map(({ path }) => sizeOf(path)))
      if (ends.length > 0 && ends.every(({ length }, index) => length === sizes[index])) return
    }
    for (let index = 0; index < this.size; index++) this.mark(index, false)
    this.where = 'part'
    this.layouts = []
    this.isUnsure = true
  }

  /** Looks for chunks that are in the files though nobody wrote them down, by reading all that could be there. */
  async scan(list: ChunkList): Promise<void> {
    this.isUnsure = false
    const found = (await sizeOf(this.path)) ?? (await sizeOf(this.partPath)) ?? this.layouts[0]
    if (found === undefined) return
    for (let index = 0; index < this.size; index++)
      if (!this.has(index) && (await this.read(list, index))) this.mark(index, true)
  }

  /** Makes the chunks in the part file durable, and returns which those are. Where somebody removed the file, none are. */
  async sync(): Promise<Uint8Array> {
    const have = this.#have.slice()
    try {
      await withFile(this.partPath, 'r+', (file) => file.datasync())
      return have
    } catch (error) {
      if (!isAbsent(error)) throw error
      for (let index = 0; index < this.size; index++) this.mark(index, false)
      return new Uint8Array(have.byteLength)
    }
  }

  /** Gives a complete and synced part its final name. */
  async finish(): Promise<void> {
    await withFile(this.partPath, 'r', (file) => file.chmod(0o444))
    await rename(this.partPath, this.path)
    this.where = 'file'
  }

  /** Copies every chunk that is still whole into a new part file, and goes on from there. The old files of our own are removed. */
  async salvage(list: ChunkList): Promise<void> {
    const kept: number[] = []
    for (let index = 0; index < this.size; index++) {
      const bytes = this.has(index) ? await this.read(list, index) : undefined
      if (!bytes) continue
      await writeAt(this.partPath, [{ position: list.offsetAt(index), pieces: [bytes] }])
      kept.push(index)
    }
    // Also where nothing is left: what is not complete has a part.
    await writeAt(this.partPath, [])
    await withFile(this.partPath, 'r+', (file) => file.datasync())
    for (let index = 0; index < this.size; index++) this.mark(index, false)
    for (const index of kept) this.mark(index, true)
    this.where = 'part'
    this.layouts = []
    await rm(this.path, { force: true })
  }

  /** Whether `segments` hold this content byte for byte. */
  async isIn(list: ChunkList, segments: readonly Segment[]): Promise<boolean> {
    if (segments.reduce((sum, { length }) => sum + length, 0) !== this.ref.length) return false
    const files = this.#absolute(segments)
    for (let index = 0; index < this.size; index++) {
      const bytes = await readSegments(files, list.offsetAt(index), list.lengthAt(index))
      if (!bytes || sha256(bytes) !== list.digestAt(index)) return false
    }
    return true
  }

  /** From now on the bytes are read from these files. Our own copy is removed by `dropOwn` once that is written down. */
  adopt(segments: readonly Segment[]): void {
    const same = JSON.stringify(segments)
    const others = this.layouts.filter((layout) => JSON.stringify(layout) !== same)
    this.layouts = [segments, ...others].slice(0, layoutsMax)
    this.where = 'layouts'
  }

  /** Removes the files of our own. */
  async dropOwn(): Promise<void> {
    await rm(this.path, { force: true })
    await rm(this.partPath, { force: true })
  }

  /** Where the bytes may lie, the likeliest first. A crash between a rename and the index makes the others necessary. */
  #places(): (readonly Segment[])[] {
    const { length } = this.ref
    const own = [[{ path: this.path, length }], [{ path: this.partPath, length }]]
    if (this.where === 'part') own.reverse()
    const layouts = this.layouts.map((segments) => this.#absolute(segments))
    return this.where === 'layouts' ? [...layouts, ...own] : [...own, ...layouts]
  }

  #absolute(segments: readonly Segment[]): readonly Segment[] {
    return segments.map(({ path, length }) => ({ path: join(this.#folders.root, path), length }))
  }
}

const pathOf = ({ contents }: StoreFolders, digest: string): string =>
  join(contents, digest.slice(0, 2), digest.slice(2))

/** Bytes of a file under its final name; undefined where there is none. */
export async function sizeOf(path: PathLike): Promise<number | undefined> {
  try {
    const found = await stat(path)
    return found.isFile() ? found.size : undefined
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

/** Writes all of it: one call may write less, near the end of a disk. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done, position + done)
    done += bytesWritten
  }
}

/** In the order of their places, those together that follow each other. */
function stretchesOf(list: ChunkList, chunks: readonly Chunk[]): Stretch[] {
  const stretches: { position: number; pieces: Uint8Array[] }[] = []
  let next: number | undefined
  for (const { index, bytes } of chunks.toSorted((a, b) => a.index - b.index)) {
    const last = stretches.at(-1)
    if (last && index === next) last.pieces.push(bytes)
    else stretches.push({ position: list.offsetAt(index), pieces: [bytes] })
    next = index + 1
  }
  return stretches
}

async function withFile(path: string, flags: string, act: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, flags)
  try {
    await act(file)
  } finally {
    await file.close()
  }
}

/** `length` bytes from `offset` of the segments laid end to end; undefined where a file is not there or too short. */
async function readSegments(
  segments: readonly Segment[],
  offset: number,
  length: number,
): Promise<Uint8Array | undefined> {
  // Not zeroed first: all of it is read, or it is dropped.
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
  let start = 0
  for (const segment of segments) {
    const [from, to] = [Math.max(offset, start), Math.min(offset + length, start + segment.length)]
    if (from < to && !(await readAt(segment.path, bytes.subarray(from - offset, to - offset), from - start)))
      return undefined
    start += segment.length
    if (start >= offset + length) break
  }
  return bytes
}

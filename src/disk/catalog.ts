/**
 * The catalog of a home, kept in its folder `index/`: which chunks of which content are here, where chunks of equal digest lie, and small notes of other rooms. It says
 * nothing that could not be found again from the files in `contents/`, except the notes; a lost one costs time, not bytes on the line.
 *
 * In level, by sublevel: `contents` digest → ContentRecord (JSON), `chunks` 32 bytes of chunk digest → 32 bytes of content digest and
 * u32be index, `notes` key → JSON. Level's own lock is the lock of the home.
 */
import { mkdir, realpath } from 'node:fs/promises'
import { Level } from 'level'
import { concatBytes, fromHex, toHex } from '#base/bytes.ts'
import type { Digest } from '#base/digest.ts'
import { codeOf, messageOf, Misconfigured } from '#base/errors.ts'
import type { ContentRef } from '#content/content-ref.ts'
import type { KinRun } from '#content/kinship.ts'
import { diskFailed, diskFull, homeNotWritable, systemError } from './system-error.ts'

/** A run of bytes in a file, whose path is relative to the home. */
export interface Segment {
  readonly path: string
  readonly length: number
}

export interface ContentRecord {
  readonly ref: ContentRef
  /** base64 of the bitmap of chunks that are here. */
  readonly have: string
  /** `part` beside the final file, `file` under its final name, `layouts` in files of prepared bundles. */
  readonly where: 'part' | 'file' | 'layouts'
  /** Alternatives, the newest first: each is the whole content as segments in order. */
  readonly layouts: readonly (readonly Segment[])[]
  /** Written while the process ran: chunks may be here that `have` does not claim yet. */
  readonly dirty: boolean
  /** While chunks are missing: where the others were found. */
  readonly kin?: readonly KinRun[]
}

/** Where a chunk of some digest lies. A hint: it may be gone, so whoever reads there verifies. */
export interface ChunkPlace {
  readonly content: Digest
  readonly index: number
}

export interface CatalogChange {
  readonly content: Digest
  /** Undefined removes it. */
  readonly record: ContentRecord | undefined
  readonly places?: readonly { readonly chunk: Digest; readonly index: number }[]
}

/**
 * Indexes that this process has open. LevelDB must not be asked a second time: it opens its lock file, finds itself in its own table, and
 * closes the file again, by which the system drops the lock of the whole process.
 */
const openHere = new Set<string>()

export class Catalog {
  readonly #level: Level
  readonly #contents
  readonly #chunks
  readonly #notes
  readonly #path: string
  readonly #beforeClose: (() => Promise<void>)[] = []
  #writes: Promise<unknown> = Promise.resolve()

  private constructor(level: Level, path: string) {
    this.#level = level
    this.#path = path
    this.#contents = level.sublevel<string, ContentRecord>('contents', { valueEncoding: 'json' })
    this.#chunks = level.sublevel<Uint8Array, Uint8Array>('chunks', { keyEncoding: 'view', valueEncoding: 'view' })
    this.#notes = level.sublevel<string, unknown>('notes', { valueEncoding: 'json' })
  }

  /** Opens or makes the index, and holds its lock until `close`. Misconfigured `HOME_LOCKED`, `HOME_DAMAGED`, `HOME_NOT_WRITABLE`; Unavailable `DISK_FULL`. */
  static async open(folder: string): Promise<Catalog> {
    const path = await makeFolder(folder)
    if (openHere.has(path)) throw locked(path)
    openHere.add(path)
    const level = new Level(path)
    try {
      await level.open()
    } catch (error) {
      openHere.delete(path)
      throw openError(error, path)
    }
    return new Catalog(level, path)
  }

  /** All records, as they were written. */
  async records(): Promise<ContentRecord[]> {
    return this.#reading(() => this.#contents.values().all())
  }

  /** Writes all changes or none, in the order of calls. `soon` survives the death of the process, not a power failure. */
  async write(changes: readonly CatalogChange[], durable: 'now' | 'soon' = 'now'): Promise<void> {
    const contents = this.#contents
    const chunks = this.#chunks
    const done = this.#writes.then(() =>
      this.#writing(async () => {
        const batch = this.#level.batch()
        for (const { content, record, places } of changes) {
          if (record) batch.put(content, record, { sublevel: contents })
          else batch.del(content, { sublevel: contents })
          for (const { chunk, index } of places ?? [])
            batch.put(bytesOf(chunk), placeBytes(content, index), { sublevel: chunks })
        }
        await batch.write({ sync: durable === 'now' })
      }),
    )
    this.#writes = done.catch(() => undefined)
    return done
  }

  /** Forgets where these chunks lie, as far as that is in `content`. */
  async forget(content: Digest, digests: readonly Digest[]): Promise<void> {
    const places = await this.find(digests)
    const gone = digests.filter((_, index) => places[index]?.content === content)
    await this.#writing(() => this.#chunks.batch(gone.map((digest) => ({ type: 'del', key: bytesOf(digest) }))))
  }

  /** Where each chunk lies, undefined for one that is nowhere. */
  async find(digests: readonly Digest[]): Promise<(ChunkPlace | undefined)[]> {
    const found = await this.#reading(() => this.#chunks.getMany(digests.map(bytesOf)))
    return found.map((bytes) => bytes && placeOf(bytes))
  }

  /** A note of another room, as it was put; undefined where there is none. */
  async getNote(key: string): Promise<unknown> {
    return this.#reading(() => this.#notes.get(key))
  }

  async putNote(key: string, note: unknown): Promise<void> {
    await this.#writing(() => this.#notes.put(key, note))
  }

  async removeNote(key: string): Promise<void> {
    await this.#writing(() => this.#notes.del(key))
  }

  /** All notes whose key begins with `prefix`, in the order of their keys. */
  async *notes(prefix: string): AsyncGenerator {
    yield* await this.#reading(() => this.#notes.values({ gte: prefix, lt: `${prefix}\u{10ffff}` }).all())
  }

  /** Runs before the index is closed, as the last chance to write. */
  onClose(act: () => Promise<void>): void {
    this.#beforeClose.push(act)
  }

  /** Gives up the lock, also where the last writes fail; then their error is thrown. */
  async close(): Promise<void> {
    try {
      for (const act of this.#beforeClose.splice(0)) await act()
    } finally {
      await this.#level.close()
      openHere.delete(this.#path)
    }
  }

  async #reading<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      throw codeOf(error) === 'LEVEL_CORRUPTION' || codeOf(error) === 'LEVEL_DECODING_ERROR'
        ? damaged(error, this.#path)
        : levelError(error, this.#path)
    }
  }

  async #writing(act: () => Promise<unknown>): Promise<void> {
    try {
      await act()
    } catch (error) {
      throw levelError(error, this.#path)
    }
  }
}

const bytesOf = (digest: Digest): Uint8Array => fromHex(digest) ?? new Uint8Array()

function placeBytes(content: Digest, index: number): Uint8Array {
  const number = new Uint8Array(4)
  new DataView(number.buffer).setUint32(0, index)
  return concatBytes(bytesOf(content), number)
}

const placeOf = (bytes: Uint8Array): ChunkPlace => ({
  content: toHex(bytes.subarray(0, 32)) as Digest,
  index: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(32),
})

/** The folder, made where it was not, by the one name that all its names lead to. */
async function makeFolder(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    return await realpath(path)
  } catch (error) {
    throw systemError(error, path)
  }
}

function locked(path: string): Misconfigured {
  return new Misconfigured('HOME_LOCKED', {
    message: 'Another grapevine works on this home.',
    where: path,
    next: 'Use the one that runs, or stop it first; a daemon of your own needs a home of its own (--home).',
  })
}

function openError(error: unknown, path: string): Error {
  const cause = error instanceof Error ? error.cause : undefined
  if (codeOf(cause) === 'LEVEL_LOCKED') return locked(path)
  const known = levelError(cause ?? error, path)
  return codeOf(known) === 'DISK_FAILED' && !isSystemCall(cause) ? damaged(cause ?? error, path) : known
}

/** LevelDB passes on what the system said as text only. */
function levelError(error: unknown, path: string): Error {
  if (isSystemCall(error)) return systemError(error, path)
  const text = messageOf(error)
  if (/No space left on device|quota exceeded/i.test(text)) return diskFull(error, path)
  if (/Permission denied|Read-only file system|Operation not permitted/i.test(text)) return homeNotWritable(error, path)
  return diskFailed(error, path)
}

const isSystemCall = (error: unknown): boolean => error instanceof Error && 'syscall' in error

function damaged(cause: unknown, path: string): Misconfigured {
  return new Misconfigured('HOME_DAMAGED', {
    message: `The index of this home is damaged: ${messageOf(cause)}. Nothing was changed.`,
    where: path,
    next: 'Move this folder away and start again: contents are found again by name; addresses and the list of devices are learned again.',
    cause,
  })
}

/**
 * Writes down what was stored, shortly after: chunks are synced first, then complete contents get their names, then the index says so.
 * One round for all that changed meanwhile, since a sync costs more than a chunk. The index never claims what was not synced before.
 */
import { dirname } from 'node:path'
import type { Digest } from '#base/digest.ts'
import type { ChunkList } from '#content/chunk-list.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { syncFolder } from './atomic.ts'
import type { Catalog, CatalogChange } from './catalog.ts'
import type { StoredContent } from './stored-content.ts'
import { systemError } from './system-error.ts'

/** What was stored is written down this often at most. A power failure costs that much. */
const roundMs = 100

/** What the store lends: its turns, its lists, and what it holds now. */
export interface Lender {
  readonly change: <T>(content: Digest, act: () => Promise<T>) => Promise<T>
  readonly listOf: (ref: ContentRef) => Promise<ChunkList>
  readonly isHeld: (content: StoredContent) => boolean
}

export class WriteBack {
  readonly #index: Catalog
  readonly #store: Lender
  readonly #changed = new Set<StoredContent>()
  #round: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #failure: unknown

  constructor(index: Catalog, store: Lender) {
    this.#index = index
    this.#store = store
  }

  /** Something of this content is not written down yet. */
  touch(content: StoredContent): void {
    this.#changed.add(content)
    this.#timer ??= setTimeout(() => {
      this.flush().catch((error: unknown) => (this.#failure = error))
    }, roundMs).unref()
  }

  /** Everything touched so far is durable and written down once this returns. Unavailable `DISK_FULL`: then it is tried again at the next round. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const done = this.#round.then(() => this.#writeDown())
    this.#round = done.catch(() => undefined)
    return done
  }

  /** Throws, once, what a round met that nobody waited for: whoever stores next must hear of it. */
  throwFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure instanceof Error) throw failure
  }

  async #writeDown(): Promise<void> {
    const changed = [...this.#changed]
    this.#changed.clear()
    try {
      const settled: Settled[] = []
      for (const content of changed) {
        const synced = await this.#sync(content)
        await this.#store.change(content.ref.digest, async () => settled.push(await this.#settle(content, synced)))
      }
      for (const folder of new Set(settled.flatMap(({ renamedIn }) => renamedIn ?? [])))
        await syncFolder(folder).catch((error: unknown) => {
          throw systemError(error, folder)
        })
      // What a content has become meanwhile is what is written: the index takes changes in the order they are handed in.
      const changes = settled
        .filter(({ content }) => this.#store.isHeld(content))
        .map(({ content, have, places }): CatalogChange => {
          return { content: content.ref.digest, record: content.record(have), places }
        })
      if (changes.length > 0) await this.#index.write(changes)
    } catch (error) {
      for (const content of changed) this.#changed.add(content)
      throw error
    }
  }

  /** Syncs a content that is not complete yet; not in its turn, since chunks go on coming meanwhile and a sync takes long. */
  async #sync(content: StoredContent): Promise<Synced | undefined> {
    if (content.where !== 'part' || content.isComplete || content.fresh.length === 0) return undefined
    const { fresh } = content
    content.fresh = []
    try {
      return { fresh, have: await content.sync() }
    } catch (error) {
      content.fresh = [...fresh, ...content.fresh]
      throw error
    }
  }

  /** Brings one content to where it belongs on disk. */
  async #settle(content: StoredContent, synced: Synced | undefined): Promise<Settled> {
    if (!this.#store.isHeld(content)) return { content, places: [] }
    const list = content.size > 1 ? await this.#store.listOf(content.ref) : undefined
    const places = (fresh: readonly number[]): Settled['places'] =>
      list ? fresh.map((index) => ({ chunk: list.digestAt(index), index })) : []
    // What came since is written down in the next round, which its coming has asked for.
    if (synced) return { content, places: places(synced.fresh), have: synced.have }
    const { fresh } = content
    let have: Uint8Array | undefined
    let renamedIn: string | undefined
    if (content.where === 'part' && content.size > 0 && (fresh.length > 0 || content.isComplete)) {
      have = await content.sync()
      if (content.isComplete) {
        await content.finish()
        renamedIn = dirname(content.path)
      }
    }
    content.fresh = []
    if (content.isComplete) content.isDirty = false
    return {
      content,
      places: places(fresh),
      ...(have && { have }),
      ...(renamedIn !== undefined && { renamedIn }),
    }
  }
}

/** Chunks that were fresh, and all that were here, when a sync began. */
interface Synced {
  readonly fresh: readonly number[]
  readonly have: Uint8Array
}

/** What a round made durable of one content. */
interface Settled {
  readonly content: StoredContent
  readonly places: readonly { readonly chunk: Digest; readonly index: number }[]
  /** The chunks that are synced; undefined where all that are here are. */
  readonly have?: Uint8Array
  readonly renamedIn?: string
}

/**
 * Verified chunks on their way into their part files. What comes within one turn of the event loop, or while one write runs, is gathered and
 * written at once: a file is opened once for many chunks, and neighbours in it are one call. Never says that a chunk is here before it is written.
 */
import type { PutResult } from '#content/chunk-store.ts'
import { contentMissing } from '#content/store-fault.ts'
import type { Chunk, StoredContent } from './stored-content.ts'
import type { Lender, WriteBack } from './write-back.ts'

interface Arrival extends Chunk {
  readonly resolve: (result: PutResult) => void
  readonly reject: (error: unknown) => void
}

export class Arrivals {
  readonly #store: Lender
  readonly #writeBack: WriteBack
  /** Not being written yet. */
  readonly #waiting = new Map<StoredContent, Arrival[]>()

  constructor(store: Lender, writeBack: WriteBack) {
    this.#store = store
    this.#writeBack = writeBack
  }

  /** Resolves once the chunk is in its file. Unavailable `DISK_FULL`, and `CONTENT_MISSING` where the content was removed meanwhile. */
  put(content: StoredContent, chunk: Chunk): Promise<PutResult> {
    const { promise, resolve, reject } = Promise.withResolvers<PutResult>()
    const waiting = this.#waiting.get(content)
    const arrival = { ...chunk, resolve, reject }
    if (waiting) waiting.push(arrival)
    else {
      this.#waiting.set(content, [arrival])
      void this.#write(content)
    }
    return promise
  }

  async #write(content: StoredContent): Promise<void> {
    let arrivals: readonly Arrival[] = []
    try {
      await new Promise((resolve) => setImmediate(resolve))
      const stored = await this.#store.change(content.ref.digest, async () => {
        arrivals = this.#waiting.get(content) ?? []
        this.#waiting.delete(content)
        if (!this.#store.isHeld(content)) throw contentMissing(content.ref.digest)
        // One index may come from two neighbours at once.
        const fresh = new Map(arrivals.filter(({ index }) => !content.has(index)).map((each) => [each.index, each]))
        await content.write(await this.#store.listOf(content.ref), [...fresh.values()])
        if (fresh.size > 0) this.#writeBack.touch(content)
        return fresh
      })
      for (const arrival of arrivals) arrival.resolve(stored.get(arrival.index) === arrival ? 'stored' : 'already')
    } catch (error) {
      for (const arrival of arrivals) arrival.reject(error)
    }
  }
}

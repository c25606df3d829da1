/**
 * Chunks as differences (`content/patch.ts`) on both sides of a fetch: what an ask tells of older bytes that are here, what such a chunk
 * is made of, and whose sketches wait for an answer of ours. It gives up on a content where that saves little, or made wrong bytes.
 */
import type { Digest } from '#base/digest.ts'
import { OlderBytes, Sketch } from '#content/patch.ts'
import type { ChunkRun } from '#protocol/link.ts'

/** Older bytes that are held for asks on their way: 8 MiB. An ask beyond that goes without, and its chunks come whole. */
const heldBytesMax = 8_388_608
/** Sketches that neighbours sent and that are not answered yet: 4 MiB. Beyond that chunks are sent whole. */
const heardBytesMax = 4_194_304
/** A content is judged once this much of it was asked for with a sketch. */
const trialBytes = 524_288
/** Contents that are remembered as not worth it; then they are tried again. */
const hopelessMax = 1_024

export class Patches {
  readonly #older: (run: ChunkRun) => Promise<Uint8Array | undefined>
  readonly #tried = new Map<Digest, { whole: number; wire: number }>()
  readonly #hopeless = new Set<Digest>()
  readonly #heard = new Map<number, Uint8Array>()
  #heldBytes = 0
  #heardBytes = 0

  /** `older` finds bytes that probably resemble the chunks of a run. */
  constructor(older: (run: ChunkRun) => Promise<Uint8Array | undefined>) {
    this.#older = older
  }

  /** What may go along with an ask for these chunks; `done` is called for it once the ask has ended. */
  async begin(run: ChunkRun): Promise<OlderBytes | undefined> {
    if (this.#hopeless.has(run.content) || this.#heldBytes >= heldBytesMax) return undefined
    // It saves bytes, nothing else: where the disk fails, the chunk store says so.
    const bytes = await this.#older(run).catch(() => undefined)
    if (!bytes) return undefined
    const older = new OlderBytes(bytes)
    this.#heldBytes += older.length
    return older
  }

  done(older: OlderBytes | undefined): void {
    this.#heldBytes -= older?.length ?? 0
  }

  /** What came for an ask with a sketch: so many bytes on the wire for so many of the chunk. */
  came(content: Digest, whole: number, wire: number): void {
    const sum = this.#tried.get(content) ?? { whole: 0, wire: 0 }
    sum.whole += whole
    sum.wire += wire
    this.#tried.set(content, sum)
    if (sum.whole < trialBytes) return
    this.#tried.delete(content)
    if (sum.wire > (sum.whole * 7) / 8) this.giveUp(content)
  }

  /** From now on its chunks are asked for whole. */
  giveUp(content: Digest): void {
    if (this.#hopeless.size >= hopelessMax) this.#hopeless.clear()
    this.#hopeless.add(content)
  }

  /** A neighbour's ask came with a sketch. */
  heard(ask: number, sketch: Uint8Array | undefined): void {
    if (!sketch || this.#heardBytes + sketch.byteLength > heardBytesMax) return
    this.#heard.set(ask, sketch)
    this.#heardBytes += sketch.byteLength
  }

  /** The sketch of an ask that is answered now; kept where that is only a part of it. */
  take(ask: number, isKept: boolean = false): Sketch | undefined {
    const sketch = this.#heard.get(ask)
    if (isKept) return sketch && new Sketch(sketch)
    this.#heard.delete(ask)
    this.#heardBytes -= sketch?.byteLength ?? 0
    return sketch && new Sketch(sketch)
  }
}

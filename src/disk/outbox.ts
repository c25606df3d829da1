/**
 * Sealed reports that wait for their receipt, our own and those of others that we carry. One file a report, named by its order and the
 * SHA-256 of its bytes: `<12 digits>-<digest>`, one of our own with its number behind it, `<12 digits>-<digest>-<number>`. It never grows
 * beyond its limits: the oldest is dropped first, since a newer report says more of a device than an older one, and those of others before our own.
 */
import { mkdir, readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { isDigest, sha256, type Digest } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import { readIfThere, writeAtomic } from './atomic.ts'
import { systemError } from './system-error.ts'

export interface OutboxLimits {
  readonly reportsMax: number
  readonly bytesMax: number
}

/** Some weeks of reports of a small device, or a day of those of a site of 500. */
const defaultLimits: OutboxLimits = { reportsMax: 10_000, bytesMax: 67_108_864 }

interface Waiting {
  readonly file: string
  readonly bytes: number
  /** Number of our own. */
  readonly seq: number | undefined
}

export class Outbox {
  readonly #folder: string
  readonly #limits: OutboxLimits
  /** Oldest first. */
  readonly #waiting = new Map<Digest, Waiting>()
  #next = 1
  #bytes = 0
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(folder: string, limits: OutboxLimits) {
    this.#folder = folder
    this.#limits = limits
  }

  static async open(folder: string, limits: OutboxLimits = defaultLimits): Promise<Outbox> {
    const outbox = new Outbox(folder, limits)
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      for (const file of (await readdir(folder)).sort()) {
        const [, order, name, seq] = /^(\d{12})-([0-9a-f]{64})(?:-(\d{1,15}))?$/.exec(file) ?? []
        if (!isDigest(name)) continue
        const { size } = await stat(join(folder, file))
        outbox.#waiting.set(name, { file, bytes: size, seq: seq === undefined ? undefined : Number(seq) })
        outbox.#bytes += size
        outbox.#next = Number(order) + 1
      }
    } catch (error) {
      throw systemError(error, folder)
    }
    return outbox
  }

  /** Keeps a report durably, our own with its number; one that waits already is not written again. Refused `REPORT_MISNAMED`, `REPORT_TOO_LARGE`: nothing is kept then. */
  async put(name: Digest, bytes: Uint8Array, seq?: number): Promise<void> {
    if (sha256(bytes) !== name)
      throw new Refused('REPORT_MISNAMED', {
        message: 'A report came under a name that is not its digest.',
        where: name,
      })
    if (bytes.byteLength > this.#limits.bytesMax)
      throw new Refused('REPORT_TOO_LARGE', {
        message: `A report of ${bytes.byteLength} bytes fits no outbox.`,
        where: name,
      })
    return this.#inTurn(async () => {
      if (this.#waiting.has(name)) return
      await this.#makeRoom(bytes.byteLength)
      const file = `${String(this.#next++).padStart(12, '0')}-${name}${seq === undefined ? '' : `-${seq}`}`
      await writeAtomic(join(this.#folder, file), bytes, 0o600)
      this.#waiting.set(name, { file, bytes: bytes.byteLength, seq })
      this.#bytes += bytes.byteLength
    })
  }

  /** What waits, oldest first, with sizes in bytes, and numbers of our own. */
  async list(): Promise<{ name: Digest; bytes: number; seq: number | undefined }[]> {
    await this.#turn
    return [...this.#waiting].map(([name, { bytes, seq }]) => ({ name, bytes, seq }))
  }

  /** The bytes of a report; undefined where it is not here. One that rotted on disk is dropped and undefined is returned. */
  async read(name: Digest): Promise<Uint8Array | undefined> {
    const waiting = this.#waiting.get(name)
    const bytes = waiting && (await readIfThere(join(this.#folder, waiting.file)))
    if (bytes && sha256(bytes) === name) return bytes
    if (waiting && this.#waiting.get(name) === waiting) await this.remove(name)
    return undefined
  }

  async remove(name: Digest): Promise<void> {
    return this.#inTurn(() => this.#drop(name))
  }

  async #makeRoom(bytes: number): Promise<void> {
    const own = [...this.#waiting].filter(([, { seq }]) => seq !== undefined)
    const others = [...this.#waiting].filter(([, { seq }]) => seq === undefined)
    for (const [name] of [...others, ...own]) {
      const isRoom = this.#waiting.size < this.#limits.reportsMax && this.#bytes + bytes <= this.#limits.bytesMax
      if (isRoom) return
      await this.#drop(name)
    }
  }

  async #drop(name: Digest): Promise<void> {
    const waiting = this.#waiting.get(name)
    if (!waiting) return
    try {
      await unlink(join(this.#folder, waiting.file))
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT') throw systemError(error, this.#folder)
    }
    this.#waiting.delete(name)
    this.#bytes -= waiting.bytes
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(act)
    this.#turn = done.catch(() => undefined)
    return done
  }
}

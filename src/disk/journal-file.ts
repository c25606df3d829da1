/**
 * An append-only file from which a restart goes on. One entry a line, so that a power failure costs at most the entry that was being
 * written:
 *
 *   <first 8 hex digits of SHA-256 of the JSON> <JSON>\n
 *
 * A last line that is torn is dropped. A damaged line before others is no torn write, and nobody guesses what it said.
 */
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { assert } from '#base/assert.ts'
import { concatBytes, textOf, utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Misconfigured } from '#base/errors.ts'
import { readIfThere, syncFolder, writeAtomic } from './atomic.ts'
import { systemError } from './system-error.ts'

/** 1 MiB: an entry is some lines about one bundle. */
const entryBytesMax = 1_048_576
/** After this many appended bytes, or twice what was there, the journal is due to be rewritten. */
const rewriteBytesMin = 262_144

export class JournalFile {
  /** What was in the file when it was opened. */
  readonly entries: readonly unknown[]
  readonly #path: string
  #bytes: number
  #bytesKept: number
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(path: string, entries: readonly unknown[], bytes: number) {
    this.#path = path
    this.entries = entries
    this.#bytes = bytes
    this.#bytesKept = bytes
  }

  /** Reads the journal, and changes nothing: a torn last line goes with the next entry. Misconfigured `JOURNAL_DAMAGED` for a damaged line before others. */
  static async open(path: string): Promise<JournalFile> {
    const bytes = (await readIfThere(path)) ?? new Uint8Array()
    const entries: unknown[] = []
    let good = 0
    for (let number = 1; good < bytes.byteLength; number++) {
      const end = bytes.indexOf(0x0a, good)
      const entry = end === -1 ? undefined : decodeLine(bytes.subarray(good, end))
      if (entry) {
        entries.push(entry.value)
        good = end + 1
        continue
      }
      // Only the last line can be torn: a write that never ended has nothing behind it.
      if (end !== -1 && end + 1 < bytes.byteLength) throw damaged(path, number)
      break
    }
    return new JournalFile(path, entries, good)
  }

  /** Whether `rewrite` with fewer entries is worth its cost. */
  get isLong(): boolean {
    return this.#bytes > Math.max(rewriteBytesMin, 2 * this.#bytesKept)
  }

  /** Adds an entry, durably. The errors of `systemError`: then the entries before are intact, and this one is not there. */
  async append(entry: unknown): Promise<void> {
    const line = encodeLine(entry)
    return this.#inTurn(async () => {
      try {
        const file = await open(this.#path, 'a', 0o600)
        try {
          // What lies beyond is torn; what is missing, somebody removed.
          this.#bytes = Math.min(this.#bytes, (await file.stat()).size)
          await file.truncate(this.#bytes)
          await file.writeFile(line)
          await file.datasync()
        } finally {
          await file.close()
        }
        if (this.#bytes === 0) await syncFolder(dirname(this.#path))
        this.#bytes += line.byteLength
      } catch (error) {
        throw systemError(error, this.#path)
      }
    })
  }

  /** Replaces all entries by these, atomically. */
  async rewrite(entries: readonly unknown[]): Promise<void> {
    const bytes = concatBytes(...entries.map(encodeLine))
    return this.#inTurn(async () => {
      await writeAtomic(this.#path, bytes, 0o600)
      this.#bytes = bytes.byteLength
      this.#bytesKept = bytes.byteLength
    })
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(act)
    this.#turn = done.catch(() => undefined)
    return done
  }
}

function encodeLine(entry: unknown): Uint8Array {
  const json = JSON.stringify(entry)
  assert(json !== undefined && json.length < entryBytesMax, 'a journal entry is JSON of bounded length')
  return utf8(`${sumOf(json)} ${json}\n`)
}

function decodeLine(line: Uint8Array): { value: unknown } | undefined {
  const text = textOf(line)
  const json = text?.slice(9)
  if (text === undefined || json === undefined || text.slice(0, 9) !== `${sumOf(json)} `) return undefined
  return { value: JSON.parse(json) }
}

const sumOf = (json: string): string => sha256(utf8(json)).slice(0, 8)

function damaged(path: string, line: number): Misconfigured {
  return new Misconfigured('JOURNAL_DAMAGED', {
    message: `Line ${line} of the journal is damaged, and lines after it are not.`,
    where: `${path}:${line}`,
    next: 'Restore it from a backup, or move it away: bundles are then prepared and applied anew.',
  })
}

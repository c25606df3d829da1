/**
 * The ledger over restarts: a note in the index of the home, read when it is opened and written at most once a minute and at the end. Names
 * of contents are kept with it, so that what a replaced bundle cost can still be told. A lost note costs the account, nothing else.
 */
import type { Digest } from '#base/digest.ts'
import { instant, type Instant } from '#base/time.ts'
import { isFields, own } from '#base/guard.ts'
import { assignmentOf } from '#agent/assignment.ts'
import type { LedgerState } from '#protocol/ledger.ts'
import type { Protocol } from '#protocol/protocol.ts'
import { ContentNames, type ContentName } from './content-names.ts'

const key = 'ledger'

/** What is on disk; another `v` is of another program, and begun anew. */
interface Note {
  readonly v: 1
  readonly since: number
  readonly ledger: LedgerState
  readonly names: readonly (readonly [Digest, ContentName])[]
}

interface Parts {
  readonly index: { getNote(key: string): Promise<unknown>; putNote(key: string, note: unknown): Promise<void> }
  readonly store: { readWhole(content: Digest, bytesMax: number): Promise<Uint8Array | undefined> }
  readonly protocol: Protocol
  readonly now: Instant
}

export class LedgerBook {
  /** When counting began. */
  readonly since: Instant
  readonly #parts: Parts
  readonly #current: ContentNames
  #names: Map<Digest, ContentName>
  #saved: number

  private constructor(parts: Parts, since: Instant, names: Map<Digest, ContentName>) {
    this.#parts = parts
    this.#current = new ContentNames((content, bytesMax) => parts.store.readWhole(content, bytesMax))
    this.#names = names
    this.since = since
    this.#saved = this.#total()
  }

  /** Takes up what an earlier run counted. */
  static async open(parts: Parts): Promise<LedgerBook> {
    const note = await parts.index.getNote(key)
    if (!isNote(note)) return new LedgerBook(parts, parts.now, new Map())
    parts.protocol.ledger.restore(note.ledger)
    return new LedgerBook(parts, instant(note.since), new Map(note.names))
  }

  /** Names of all contents in the ledger and in the newest release, as far as anybody knows them. */
  async names(): Promise<ReadonlyMap<Digest, ContentName>> {
    const { protocol } = this.#parts
    const current = await this.#current.of(protocol.self.set.bundles().flatMap((bundle) => assignmentOf(bundle) ?? []))
    const entries = new Map(protocol.ledger.entries())
    const earlier = [...this.#names].filter(([content]) => entries.has(content))
    const names = new Map([...earlier, ...current])
    this.#names = new Map([...names].filter(([content]) => entries.has(content)))
    return names
  }

  /** Writes it, where anything was entered since it was last written. */
  async save(): Promise<void> {
    const total = this.#total()
    if (total === this.#saved) return
    await this.names()
    const { protocol, index } = this.#parts
    const ledger = { ...protocol.ledger.state(), neededBytes: protocol.neededBytes }
    const note: Note = { v: 1, since: this.since, ledger, names: [...this.#names] }
    await index.putNote(key, note)
    this.#saved = total
  }

  #total(): number {
    const { wan, lan } = this.#parts.protocol.ledger
    return wan.downBytes + wan.upBytes + lan.downBytes + lan.upBytes
  }
}

const isNote = (note: unknown): note is Note =>
  isFields(note) && own(note, 'v') === 1 && isFields(own(note, 'ledger')) && Array.isArray(own(note, 'names'))

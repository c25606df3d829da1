/**
 * The entries from which a restart goes on: what was prepared and applied, and the last report number. The newest entry of a
 * bundle is what counts. `applying` without a later entry means that the power failed during apply: it is done again.
 */
import type { BundleState, ResourceResult } from '#facts/report.ts'
import { isDigest, type Digest } from '#base/digest.ts'
import { isFields, own, type Fields } from '#base/guard.ts'

export interface BundleEntry {
  readonly type: 'bundle'
  readonly name: string
  readonly version: number
  readonly state: BundleState
  readonly at: number
  /** Whether its prepared folder is there. */
  readonly prepared: boolean
  readonly reason?: string
  readonly engine?: string
  readonly appliedAt?: number
  readonly results: readonly ResourceResult[]
}

export interface ReportEntry {
  readonly type: 'report'
  readonly seq: number
  /** Digest of the facts that were sent last. */
  readonly facts?: Digest
}

export type JournalEntry = BundleEntry | ReportEntry

/** What the journal says, newest entries winning. Lines of a newer program that we do not know are passed over. */
export class Journal {
  readonly bundles = new Map<string, BundleEntry>()
  seq = 0
  facts: Digest | undefined

  static replay(entries: readonly unknown[]): Journal {
    const journal = new Journal()
    for (const entry of entries) if (isFields(entry)) journal.#take(entry)
    return journal
  }

  /** The fewest entries that say the same: what a compacted journal holds. */
  entries(): JournalEntry[] {
    const report: ReportEntry = { type: 'report', seq: this.seq, ...(this.facts && { facts: this.facts }) }
    return [...this.bundles.values(), report]
  }

  #take(entry: Fields): void {
    if (own(entry, 'type') === 'report') {
      const facts = own(entry, 'facts')
      this.seq = Math.max(this.seq, Number(own(entry, 'seq')) || 0)
      if (isDigest(facts)) this.facts = facts
    } else if (own(entry, 'type') === 'bundle') {
      // The journal is our own and each line has a checksum: its shape is not judged again.
      const bundle = entry as unknown as BundleEntry
      this.bundles.set(bundle.name, bundle)
    }
  }
}

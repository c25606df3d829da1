/**
 * Bundles that were meant for this device and are not any more: withdrawn at the origin, or no longer selected. They are not enforced
 * from then on, and what they did stays as it is: nothing here undoes it. Each is told for a week, in status and in reports.
 */
import { after, earliest, instant, type Instant } from '#base/time.ts'
import type { BundleReport } from '#facts/report.ts'
import type { BundleStatus } from './held-bundle.ts'
import type { BundleEntry, Journal } from './journal.ts'

/** A week: long enough to be seen by whoever looks, and as long as the contents may still lie here. */
const toldMs = 7 * 86_400_000
/** The newest ones; a report holds 256 bundles. */
const toldMax = 32

export class Withdrawals {
  readonly #journal: Journal

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /**
   * What the journal knows of and is not `meant` for this device: from now on withdrawn, as entries to be written. What left no trace in
   * the journal did nothing here.
   */
  look(meant: ReadonlySet<string>, now: Instant): BundleEntry[] {
    const news: BundleEntry[] = []
    for (const { name, version, state, appliedAt } of this.#journal.bundles.values()) {
      if (meant.has(name) || state === 'withdrawn') continue
      news.push({
        type: 'bundle',
        name,
        version,
        state: 'withdrawn',
        at: now,
        prepared: false,
        ...(appliedAt !== undefined && { appliedAt }),
        results: [],
      })
    }
    for (const entry of news) this.#journal.bundles.set(entry.name, entry)
    return news
  }

  /** Forgets what was told for long enough; true where there was any. */
  forget(now: Instant): boolean {
    const over = this.#all().filter(({ at }) => after(instant(at), toldMs) <= now)
    for (const { name } of over) this.#journal.bundles.delete(name)
    return over.length > 0
  }

  nextWake(): Instant | undefined {
    return earliest(...this.#all().map(({ at }) => after(instant(at), toldMs)))
  }

  /** In order of name. */
  status(): BundleStatus[] {
    return this.#told().map(({ name, version, at }) => ({
      name,
      version,
      state: 'withdrawn',
      prepared: false,
      reason: undefined,
      missed: undefined,
      windowOpens: undefined,
      windowCloses: undefined,
      withdrawnAt: instant(at),
    }))
  }

  reports(): BundleReport[] {
    return this.#told().map(({ name, version, at, appliedAt }) => ({
      name,
      version,
      state: 'withdrawn',
      withdrawnAt: at,
      ...(appliedAt !== undefined && { appliedAt }),
      results: [],
    }))
  }

  #told(): BundleEntry[] {
    const newest = this.#all().toSorted((a, b) => b.at - a.at)
    return newest.slice(0, toldMax).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  #all(): BundleEntry[] {
    return [...this.#journal.bundles.values()].filter(({ state }) => state === 'withdrawn')
  }
}

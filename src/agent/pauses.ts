/**
 * What somebody at this machine wants left alone for a while. Fetching and preparing go on; applying and repairing wait, be a window open
 * or a bundle urgent. Kept in the journal, so that a restart lifts nothing; over by themselves.
 */
import { earliest, instant, type Instant } from '#base/time.ts'
import { pauseMsMax, type Pause } from '#facts/pause.ts'
import type { Journal, PauseEntry, ResumeEntry } from './journal.ts'

export class Pauses {
  readonly #journal: Journal

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /** In place of an earlier one of the same bundle; the entry to be written. */
  begin(pause: Pause): PauseEntry {
    return this.#journal.pause({ type: 'pause', ...pause })
  }

  /** Lifts the pause of one bundle, or all of them where none is named; the entries to be written. */
  lift(bundle: string | undefined): ResumeEntry[] {
    const lifted = bundle === undefined ? [...this.#journal.pauses.keys()] : [bundle]
    return lifted.map((name) => this.#end(name))
  }

  /** What holds a bundle up now: of its own pause and that of the machine the one that lasts longer. */
  of(bundle: string, now: Instant): Pause | undefined {
    const both = this.list().filter((pause) => pause.bundle === undefined || pause.bundle === bundle)
    return both.filter((pause) => isInForce(pause, now)).toSorted((a, b) => b.until - a.until)[0]
  }

  /** That of the machine first, then in order of name. */
  list(): Pause[] {
    return [...this.#journal.pauses.values()]
      .toSorted((a, b) => ((a.bundle ?? '') < (b.bundle ?? '') ? -1 : 1))
      .map(({ bundle, since, until, reason }) => ({ ...(bundle !== undefined && { bundle }), since, until, reason }))
  }

  /** Forgets those that are over; true where there was any. */
  forget(now: Instant): boolean {
    const over = this.list().filter((pause) => !isInForce(pause, now))
    for (const { bundle } of over) this.#end(bundle)
    return over.length > 0
  }

  nextWake(): Instant | undefined {
    return earliest(...this.list().map(({ until }) => instant(until)))
  }

  #end(bundle: string | undefined): ResumeEntry {
    return this.#journal.resume({ type: 'resume', ...(bundle !== undefined && { bundle }) })
  }
}

/** A clock that was set back must not make a pause last for years. */
const isInForce = ({ until }: Pause, now: Instant): boolean => now < until && until - now <= pauseMsMax

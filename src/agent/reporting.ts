/**
 * When a device reports and what it says: states settle first, and what says nothing new is not sent. It numbers reports, and it
 * never reports before the device knows its facts and a release, since the origin's key is in the release.
 */
import { canonicalJson } from '#base/canonical-json.ts'
import { sha256 } from '#base/digest.ts'
import { utf8 } from '#base/bytes.ts'
import { after, earliest, type Instant } from '#base/time.ts'
import type { Facts } from '#facts/inventory.ts'
import type { Report } from '#facts/report.ts'
import type { Journal, JournalEntry } from './journal.ts'

export type ReportingEffect =
  | { readonly type: 'journal'; readonly entry: JournalEntry }
  | { readonly type: 'report'; readonly report: Report }

/** What a report says beside who and when. */
export type Content = Pick<Report, 'bundles' | 'drift' | 'repaired' | 'monitors' | 'pauses' | 'left'>

/** States settle this long before they are reported: a start is one report, not five. */
const settleMs = 300

export class Reporting {
  readonly #journal: Journal
  #facts: Facts | undefined
  #release = 0
  #at: Instant | undefined
  /** What the last report of this run said, but for its times. */
  #said: string | undefined

  constructor(journal: Journal) {
    this.#journal = journal
  }

  get facts(): Facts | undefined {
    return this.#facts
  }

  setFacts(facts: Facts, now: Instant): void {
    const could = this.isPossible
    this.#facts = facts
    this.soon(now)
    this.#becamePossible(could, now)
  }

  setRelease(release: number, now: Instant): void {
    const could = this.isPossible
    this.#release = release
    this.#becamePossible(could, now)
  }

  /** Something changed that is worth telling within `ms`. */
  soon(now: Instant, ms: number = settleMs): void {
    this.#at = earliest(this.#at, after(now, ms))
  }

  /** Now, not when states have settled. */
  atOnce(now: Instant): void {
    this.#at = now
  }

  nextWake(): Instant | undefined {
    return this.isPossible ? this.#at : undefined
  }

  /** Sends the report that is due, if one is. Bundles in order of name. */
  proceed(now: Instant, content: () => Content, out: (effect: ReportingEffect) => void): void {
    if (this.#at !== undefined && this.#at <= now && this.isPossible) this.#report(now, content(), out)
  }

  /** Facts and a release are known. The origin's key is in the metadata, so nothing can be sealed before. */
  get isPossible(): boolean {
    return this.#facts !== undefined && this.#release > 0
  }

  #becamePossible(could: boolean, now: Instant): void {
    if (!could && this.isPossible) this.#at = after(now, settleMs)
  }

  #report(now: Instant, content: Content, out: (effect: ReportingEffect) => void): void {
    this.#at = undefined
    const facts = this.#facts
    const digest = facts && sha256(utf8(canonicalJson(facts, 'lax')))
    const isNews = digest !== this.#journal.facts
    // Tried again with the same end is nothing new, whenever it was: a device without an engine would tell it once a minute for ever.
    const said = canonicalJson(
      {
        release: this.#release,
        ...content,
        bundles: content.bundles.map((bundle) => ({ ...bundle, appliedAt: 0 })),
      },
      'lax',
    )
    if (said === this.#said && !isNews) return
    this.#said = said
    this.#journal.seq++
    this.#journal.facts = digest
    // Written before it is sent: a number is never used twice, or the origin would take the second for a repeat.
    out({ type: 'journal', entry: { type: 'report', seq: this.#journal.seq, ...(digest && { facts: digest }) } })
    out({
      type: 'report',
      report: {
        v: 1,
        seq: this.#journal.seq,
        at: now,
        release: this.#release,
        ...content,
        ...(isNews && facts && { facts }),
      },
    })
  }
}

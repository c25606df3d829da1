/**
 * When a device reports and what it says: states settle first, and what says nothing new is not sent. It numbers reports, and it
 * never reports before the device knows its facts and a release, since the origin's key is in the release.
 */
import { canonicalJson } from '#base/canonical-json.ts'
import { sha256 } from '#base/digest.ts'
import { utf8 } from '#base/bytes.ts'
import { after, earliest, type Instant } from '#base/time.ts'
import type { Finding } from '#facts/finding.ts'
import type { Facts } from '#facts/inventory.ts'
import type { BundleReport, Report } from '#facts/report.ts'
import type { Journal, JournalEntry } from './journal.ts'

export type ReportingEffect =
  | { readonly type: 'journal'; readonly entry: JournalEntry }
  | { readonly type: 'report'; readonly report: Report }

/** States settle this long before they are reported: a start is one report, not five. */
const settleMs = 300

export class Reporting {
  readonly #journal: Journal
  #facts: Facts | undefined
  #findings: readonly Finding[] = []
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

  get findings(): readonly Finding[] {
    return this.#findings
  }

  setFacts(facts: Facts, now: Instant): void {
    const could = this.#isPossible
    this.#facts = facts
    this.soon(now)
    this.#becamePossible(could, now)
  }

  setFindings(findings: readonly Finding[], now: Instant): void {
    this.#findings = findings
    this.soon(now)
  }

  setRelease(release: number, now: Instant): void {
    const could = this.#isPossible
    this.#release = release
    this.#becamePossible(could, now)
  }

  /** Something changed that is worth telling within `ms`. */
  soon(now: Instant, ms: number = settleMs): void {
    this.#at = earliest(this.#at, after(now, ms))
  }

  nextWake(): Instant | undefined {
    return this.#isPossible ? this.#at : undefined
  }

  /** Sends the report that is due, if one is. `bundles` in order of name. */
  proceed(now: Instant, bundles: () => readonly BundleReport[], out: (effect: ReportingEffect) => void): void {
    if (this.#at !== undefined && this.#at <= now && this.#isPossible) this.#report(now, bundles(), out)
  }

  /** The origin's key is in the metadata, so nothing can be sealed before the first release is here. */
  get #isPossible(): boolean {
    return this.#facts !== undefined && this.#release > 0
  }

  #becamePossible(could: boolean, now: Instant): void {
    if (!could && this.#isPossible) this.#at = after(now, settleMs)
  }

  #report(now: Instant, bundles: readonly BundleReport[], out: (effect: ReportingEffect) => void): void {
    this.#at = undefined
    const facts = this.#facts
    const digest = facts && sha256(utf8(canonicalJson(facts, 'lax')))
    const isNews = digest !== this.#journal.facts
    // Tried again with the same end is nothing new, whenever it was: a device without an engine would tell it once a minute for ever.
    const said = canonicalJson(
      {
        release: this.#release,
        bundles: bundles.map((bundle) => ({ ...bundle, appliedAt: 0 })),
        drift: this.#findings,
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
        bundles,
        drift: this.#findings,
        ...(isNews && facts && { facts }),
      },
    })
  }
}

/**
 * When a device reports and what it says: states settle first, and what says nothing new is not sent, but for one short report a day. It numbers
 * reports, and it never reports before the device knows its facts and a release, since the origin's key is in the release.
 */
import { canonicalJson } from '#base/canonical-json.ts'
import { sha256 } from '#base/digest.ts'
import { utf8 } from '#base/bytes.ts'
import { after, day, earliest, hour, instant, type Instant } from '#base/time.ts'
import type { Inventory } from '#facts/inventory-part.ts'
import type { Facts } from '#facts/inventory.ts'
import type { Report } from '#facts/report.ts'
import type { Journal, JournalEntry } from './journal.ts'

export type ReportingEffect =
  | { readonly type: 'journal'; readonly entry: JournalEntry }
  /** `inventory` is packed. All older reports of ours are superseded by it, but for the one numbered `keep` (0: none). */
  | { readonly type: 'report'; readonly report: Report; readonly keep: number; readonly inventory?: Uint8Array }

/** What a report says beside who and when. */
export type Content = Pick<Report, 'bundles' | 'drift' | 'repaired' | 'monitors' | 'pauses' | 'left'>

/** States settle this long before they are reported: a start is one report, not five. */
const settleMs = 300
/** Nothing new is said this long after the last report, so that silence means that a device is off or cut off. */
const quietMs = day
/** All anew at most this often, whatever the origin asks for. */
const anewMs = hour
/** A full disk is emptied by people. */
const againMs = 60_000

export class Reporting {
  readonly #journal: Journal
  #facts: Facts | undefined
  #inventory: Inventory | undefined
  #release = 0
  #at: Instant | undefined
  /** When all was told anew last, or will be. */
  #anewAt: Instant | undefined
  /** Reports from this number on were made after the origin asked for all anew. */
  #anewSeq = 0

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

  get inventory(): Inventory | undefined {
    return this.#inventory
  }

  setInventory(inventory: Inventory, now: Instant): void {
    this.#inventory = inventory
    this.soon(now)
  }

  /** The origin has a report of ours; `anew`: it lacks what that builds on, as after a loss of its disk. */
  received(seq: number, anew: boolean, now: Instant, out: (effect: ReportingEffect) => void): void {
    const { told } = this.#journal
    if (!anew) {
      if (seq > told.receivedSeq || seq === told.tellingSeq) out({ type: 'journal', entry: { type: 'received', seq } })
      if (told.received(seq)) this.soon(now)
      return
    }
    // What was on its way when it asked first needs no second answer.
    if (seq < this.#anewSeq) return
    this.#anewSeq = this.#journal.seq + 1
    told.forget()
    this.#journal.said = undefined
    out({ type: 'journal', entry: { type: 'anew' } })
    const sinceMs = this.#anewAt === undefined ? anewMs : now - this.#anewAt
    const waitMs = Math.min(anewMs, Math.max(settleMs, anewMs - sinceMs))
    this.#anewAt = after(now, waitMs)
    this.soon(now, waitMs)
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

  /** The clock was set: what was due in a second is due in a second still. */
  moved(ms: number): void {
    this.#at &&= after(this.#at, ms)
  }

  /** The last one was lost before it was sent: tells it anew, under another number, in a while. */
  again(now: Instant): void {
    this.#journal.said = undefined
    this.#journal.told.again()
    this.soon(now, againMs)
  }

  nextWake(): Instant | undefined {
    if (!this.isPossible) return undefined
    const { at } = this.#journal
    return this.#at ?? (at === undefined ? undefined : after(instant(at), quietMs))
  }

  /** Sends the report that is due, if one is. Bundles in order of name. */
  proceed(now: Instant, content: () => Content, out: (effect: ReportingEffect) => void): void {
    // A clock that was set back must not keep us silent.
    if ((this.#journal.at ?? 0) > now) this.#journal.at = now
    const due = this.nextWake()
    if (due !== undefined && due <= now) this.#report(now, content(), out)
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
    const journal = this.#journal
    const { told } = journal
    const isQuietOver = after(instant(journal.at ?? 0), quietMs) <= now
    // Tried again with the same end is nothing new, whenever it was: a device without an engine would tell it once a minute for ever.
    const state = {
      release: this.#release,
      ...content,
      bundles: content.bundles.map((bundle) => ({ ...bundle, appliedAt: 0 })),
    }
    const said = sha256(utf8(canonicalJson(state, 'lax')))
    const isNew = said !== journal.said
    const isKnown = told.receivedSeq >= journal.saidSeq && told.tellingSeq === 0
    // A day without a receipt: the report may be lost with the disk of whoever carried it.
    if (isQuietOver && !isKnown) told.again()
    const news = this.#facts && told.next(journal.seq + 1, this.#facts, this.#inventory)
    if (!isNew && !news && !isQuietOver) return
    const isQuiet = !isNew && !news && isKnown
    const report: Report = {
      v: 1,
      seq: ++journal.seq,
      at: now,
      release: this.#release,
      ...(isQuiet ? { bundles: [], drift: [] } : content),
      ...(news?.facts && { facts: news.facts }),
      ...(isQuiet && { same: { state: journal.saidSeq, ...told.seqs } }),
    }
    journal.at = now
    if (!isQuiet) {
      journal.said = said
      journal.saidSeq = report.seq
    }
    // Written before it is sent: a number is never used twice, or the origin would take the second for a repeat.
    out({ type: 'journal', entry: { type: 'report', seq: report.seq, at: now, ...(!isQuiet && { said }) } })
    if (news) out({ type: 'journal', entry: news.entry })
    const keep = news ? 0 : told.tellingSeq
    out({ type: 'report', report, keep, ...(news?.inventory && { inventory: news.inventory }) })
  }
}

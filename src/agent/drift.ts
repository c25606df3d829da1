/**
 * When a device looks whether its applied bundles still are as wanted, and what became of what it found. It never runs an engine itself
 * and never asks for one while a bundle is to be applied: the agent says when the engine is free.
 *
 * One bundle at a time: waiting ─(its time, or somebody asks)─▶ looking ─▶ waiting. Only an applied bundle is looked at; a finding stays
 * until a look no longer finds it or an apply mended it, over restarts too, and keeps the time it was first seen.
 */
import { Random } from '#base/random.ts'
import { earliest, type Instant } from '#base/time.ts'
import type { Finding, Repair } from '#facts/finding.ts'
import type { ResourceResult } from '#facts/report.ts'
import type { DriftEntry, Journal, JournalEntry } from './journal.ts'
import {
  bounded,
  findingKey,
  LookedBundle,
  type AppliedBundle,
  type LookStatus,
  type ObserveOutcome,
} from './looked-bundle.ts'

export type DriftEffect =
  | { readonly type: 'journal'; readonly entry: JournalEntry }
  /** → `observed` */
  | { readonly type: 'observe'; readonly name: string; readonly version: number }

const keptMs = 86_400_000
/** What was mended is told for a week. */
const repairedMs = 604_800_000
const repairedMax = 50

export class Drift {
  readonly #journal: Journal
  readonly #seed: string
  readonly #looked = new Map<string, LookedBundle>()
  #isNews = false

  constructor(journal: Journal, seed: string) {
    this.#journal = journal
    this.#seed = seed
  }

  /** All bundles that are applied now, or are being applied again. */
  assign(applied: readonly AppliedBundle[], now: Instant): void {
    const names = new Set(applied.map(({ name }) => name))
    for (const name of this.#looked.keys()) if (!names.has(name)) this.#looked.delete(name)
    for (const bundle of applied) {
      if (this.#looked.get(bundle.name)?.version === bundle.version) continue
      const { name, version } = bundle
      const entry = this.#journal.drifts.get(name)
      const watch = this.#journal.watches.get(name)
      const policy = watch?.version === version ? watch.drift : undefined
      const random = new Random(`${this.#seed}/drift/${name}/${version}`)
      const looked = new LookedBundle(bundle, policy, random, entry?.version === version ? entry : undefined)
      looked.schedule(now)
      this.#looked.set(name, looked)
    }
  }

  /** Somebody asks to look now, at these or at all; what is not applied is not looked at. */
  look(names: readonly string[] | undefined): void {
    for (const [name, looked] of this.#looked) if (!names || names.includes(name)) looked.isAsked = true
  }

  /** Begins the look that is due, where the engine is free, or of those that were asked for; the bundle's name. */
  begin(now: Instant, onlyAsked: boolean, out: (effect: DriftEffect) => void): string | undefined {
    let first: LookedBundle | undefined
    for (const looked of this.#looked.values()) {
      looked.heedClock(now)
      if (looked.isDue(now) && (looked.isAsked || !onlyAsked) && (!first || looked.isBefore(first))) first = looked
    }
    if (!first) return undefined
    first.begin(now)
    out({ type: 'observe', name: first.name, version: first.version })
    return first.name
  }

  observed(
    name: string,
    version: number,
    outcome: ObserveOutcome,
    now: Instant,
    out: (effect: DriftEffect) => void,
  ): void {
    const looked = this.#looked.get(name)
    if (looked?.version !== version) return
    const isNews = looked.observed(outcome, now)
    this.#isNews ||= isNews
    // A look that finds the same is not worth a line in the journal, but now and then one, that says how old it is.
    const kept = this.#journal.drifts.get(name)
    const isOld = kept?.version !== version || now - kept.lookedAt >= keptMs
    if (isNews || (isOld && outcome.type === 'findings')) this.#keep(looked.entry(), out)
  }

  /** An apply of the bundle ended: what it mended is told as mended, what it found right is none any more. */
  applied(
    { name, version, appliedAt }: Omit<AppliedBundle, 'state'>,
    results: readonly ResourceResult[],
    now: Instant,
    out: (effect: DriftEffect) => void,
  ): void {
    const entry = this.#journal.drifts.get(name)
    const looked = this.#looked.get(name)
    if (entry?.version !== version || entry.findings.length === 0) return looked?.restart(appliedAt, now)
    const settled = settledBy(entry, results, now)
    this.#isNews = true
    this.#keep(settled, out)
    looked?.settled(settled, now)
  }

  /** Whether the bundle is to be applied to mend what differs: in its window, or at any time. */
  repairOf(name: string): 'in-window' | 'any-time' | undefined {
    const looked = this.#looked.get(name)
    if (looked?.policy?.mode !== 'repair' || !looked.isToRepair) return undefined
    return looked.policy.outside ? 'any-time' : 'in-window'
  }

  /** Whether its policy lets it be applied outside its windows, for what differs. */
  mayApplyOutside(name: string): boolean {
    return this.#looked.get(name)?.policy?.outside ?? false
  }

  /** When the next look is due, where the engine is free. */
  nextWake(): Instant | undefined {
    let next: Instant | undefined
    for (const looked of this.#looked.values()) next = earliest(next, looked.lookAt)
    return next
  }

  /** Whether anything changed since this was asked last that the origin is to hear. */
  takeNews(): boolean {
    const isNews = this.#isNews
    this.#isNews = false
    return isNews
  }

  status(): LookStatus[] {
    return [...this.#looked.values()].map((looked) => looked.status()).sort((a, b) => (a.bundle < b.bundle ? -1 : 1))
  }

  /** What differs in these bundles, as far as is known; `names` in order. */
  findings(names: readonly string[]): Finding[] {
    return names.flatMap((name) => this.#entryOf(name)?.findings ?? [])
  }

  repaired(names: readonly string[], now: Instant): Repair[] {
    const isLate = ({ repairedAt }: Repair): boolean => repairedAt > now - repairedMs
    return names.flatMap((name) => (this.#entryOf(name)?.repaired ?? []).filter(isLate))
  }

  /** Of the version that is held: what is known of an older one says nothing of it. */
  #entryOf(name: string): DriftEntry | undefined {
    const entry = this.#journal.drifts.get(name)
    const bundle = this.#journal.bundles.get(name)
    return entry && entry.version === bundle?.version ? entry : undefined
  }

  #keep(entry: DriftEntry, out: (effect: DriftEffect) => void): void {
    this.#journal.keep(entry)
    out({ type: 'journal', entry })
  }
}

/** What an apply left of what was found before it. */
function settledBy(entry: DriftEntry, results: readonly ResourceResult[], now: Instant): DriftEntry {
  const outcomes = new Map(results.map((result) => [result.id, result.outcome]))
  const outcomeOf = ({ resource }: Finding): string | undefined => outcomes.get(resource)
  const mended = entry.findings.filter((finding) => outcomeOf(finding) === 'repaired')
  const keys = new Set(mended.map(findingKey))
  const before = entry.repaired.filter(
    (repair) => repair.repairedAt > now - repairedMs && !keys.has(findingKey(repair)),
  )
  const repaired = [...mended.map((finding) => ({ ...finding, repairedAt: now })), ...before]
  return {
    ...entry,
    findings: entry.findings.filter((finding) => outcomeOf(finding) === 'failed'),
    repaired: bounded(repaired.slice(0, repairedMax)),
  }
}

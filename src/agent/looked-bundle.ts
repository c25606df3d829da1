/**
 * One applied bundle as it is looked at: when the next look is due, and what the last one found. It knows nothing of other bundles or of
 * the engine.
 */
import type { Random } from '#base/random.ts'
import { after, earliest, instant, type Instant } from '#base/time.ts'
import type { Finding, Repair } from '#facts/finding.ts'
import type { Drift } from '#policy/model.ts'
import type { DriftEntry } from './journal.ts'

export type ObserveOutcome =
  | { readonly type: 'findings'; readonly findings: readonly Finding[] }
  /** The engine could not look: nothing is known anew. */
  | { readonly type: 'failed'; readonly code: string; readonly reason: string; readonly next?: string }

/** What is known of one bundle, for people. */
export interface LookStatus {
  readonly bundle: string
  /** When it was last looked at; undefined before the first look. */
  readonly lookedAt: Instant | undefined
  /** Looks that ended in this run of the program. */
  readonly looks: number
  readonly findings: readonly Finding[]
  /** Why the last look failed. */
  readonly failure: Extract<ObserveOutcome, { type: 'failed' }> | undefined
}

/** A bundle that is applied, or is being applied again. */
export interface AppliedBundle {
  readonly name: string
  readonly version: number
  readonly state: 'applied' | 'applying'
  readonly appliedAt: number | undefined
}

/** After a start, looks that are overdue are spread over this time. */
const overdueMs = 60_000
/** Characters of one list of findings in the journal, whose lines are limited: so many are kept, the first ones. */
const findingsLengthMax = 300_000
/** One applied bundle, as it is looked at. */
export class LookedBundle {
  readonly name: string
  readonly version: number
  readonly policy: Drift | undefined
  readonly #random: Random
  #appliedAt: number | undefined
  #lookedAt: Instant | undefined
  #findings: readonly Finding[]
  #repaired: readonly Repair[]
  #failure: Extract<ObserveOutcome, { type: 'failed' }> | undefined
  #looks = 0
  isAsked = false
  /** The last look found something, and nothing was applied since. */
  isToRepair: boolean
  lookAt: Instant | undefined

  constructor(
    { name, version, appliedAt }: AppliedBundle,
    policy: Drift | undefined,
    random: Random,
    entry: DriftEntry | undefined,
  ) {
    this.name = name
    this.version = version
    this.policy = policy
    this.#random = random
    this.#appliedAt = appliedAt
    this.#lookedAt = entry && instant(entry.lookedAt)
    this.#findings = entry?.findings ?? []
    this.#repaired = entry?.repaired ?? []
    this.isToRepair = this.#findings.length > 0
  }

  /** From what was looked at or applied last on, at a part of `every` that each device draws for itself: a fleet does not look at once. */
  schedule(now: Instant): void {
    if (!this.policy) return
    const { everyMs } = this.policy
    const from = Math.max(this.#appliedAt ?? 0, this.#lookedAt ?? 0)
    const at = from + this.#part(everyMs, 0, 1)
    this.lookAt = at > now ? instant(at) : after(now, this.#part(Math.min(overdueMs, everyMs), 0, 1))
    this.heedClock(now)
  }

  /** A clock that was set back must not put a look off for longer than `every`. */
  heedClock(now: Instant): void {
    if (!this.policy || this.lookAt === undefined) return
    this.lookAt = earliest(this.lookAt, after(now, this.policy.everyMs))
  }

  isDue(now: Instant): boolean {
    return this.isAsked || (this.lookAt !== undefined && this.lookAt <= now)
  }

  /** Who is asked for goes first, then who waits longest. */
  isBefore(other: LookedBundle): boolean {
    if (this.isAsked !== other.isAsked) return this.isAsked
    return (this.lookAt ?? 0) < (other.lookAt ?? 0)
  }

  /** The next look is at most `every` after this one, also where this one lasts. */
  begin(now: Instant): void {
    this.isAsked = false
    this.lookAt = this.policy && after(now, this.#part(this.policy.everyMs, 0.9, 1))
  }

  /** True where what is known changed. */
  observed(outcome: ObserveOutcome, now: Instant): boolean {
    this.#looks++
    this.#failure = outcome.type === 'failed' ? outcome : undefined
    if (outcome.type === 'failed') return false
    const before = new Map(this.#findings.map((finding) => [findingKey(finding), finding]))
    const findings = bounded(
      outcome.findings.map((finding) => {
        const known = before.get(findingKey(finding))
        return known ? { ...finding, since: known.since } : { ...finding, since: now }
      }),
    )
    const isNews = JSON.stringify(findings) !== JSON.stringify(this.#findings)
    this.#lookedAt = now
    this.#findings = findings
    this.isToRepair = findings.length > 0
    return isNews
  }

  settled({ findings, repaired }: DriftEntry, now: Instant): void {
    this.#findings = findings
    this.#repaired = repaired
    this.restart(now, now)
  }

  /** It was applied: what may differ differs from now on. */
  restart(appliedAt: number | undefined, now: Instant): void {
    this.#appliedAt = appliedAt
    this.isToRepair = false
    this.schedule(now)
  }

  entry(): DriftEntry {
    return {
      type: 'drift',
      name: this.name,
      version: this.version,
      lookedAt: this.#lookedAt ?? 0,
      findings: this.#findings,
      repaired: this.#repaired,
    }
  }

  status(): LookStatus {
    const lookedAt = this.#lookedAt === 0 ? undefined : this.#lookedAt
    return { bundle: this.name, lookedAt, looks: this.#looks, findings: this.#findings, failure: this.#failure }
  }

  #part(ms: number, least: number, most: number): number {
    const draw = this.#random.uint32() / 0x1_0000_0000
    return Math.floor(ms * (least + (most - least) * draw))
  }
}

/** One resource may differ in two files. What was seen may change while it differs. */
export const findingKey = ({ resource, path }: Finding): string => `${resource}\n${path ?? ''}`

/** The first ones, as many as a line of the journal holds. */
export function bounded<T extends Finding>(findings: readonly T[]): T[] {
  let length = 0
  return findings.filter((finding) => (length += JSON.stringify(finding).length) <= findingsLengthMax)
}

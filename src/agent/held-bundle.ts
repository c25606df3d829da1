/**
 * One bundle of the active release as this device holds it: how far its contents, its preparation and its apply have come, and
 * when it is due. It knows its own state and nothing of other bundles.
 */
import type { Digest } from '#base/digest.ts'
import { after, earliest, instant, type Instant } from '#base/time.ts'
import { windowClosed } from '#facts/report.ts'
import type { BundleReport, BundleState, MissedWindows, ResourceResult } from '#facts/report.ts'
import type { Pause } from '#facts/pause.ts'
import type { WindowState } from '#policy/model.ts'
import { windowState } from '#policy/window.ts'
import type { Assignment } from './assignment.ts'
import type { ApplyOutcome } from './outcome.ts'
import type { BundleEntry } from './journal.ts'
import { followingState, type LifecycleEvent } from './lifecycle.ts'
import type { Mending } from './watching.ts'
import { closedSince, reasonFor, withMissed } from './missed.ts'

/** A bundle as status shows it. */
export interface BundleStatus {
  readonly name: string
  readonly version: number
  readonly state: BundleState
  /** It was prepared, whatever became of its apply. */
  readonly prepared: boolean
  readonly reason: string | undefined
  readonly missed: MissedWindows | undefined
  readonly windowOpens: Instant | undefined
  readonly windowCloses: Instant | undefined
  readonly urgent?: boolean
  /** Since when it is not meant for this device any more. */
  readonly withdrawnAt?: Instant
}

/** After a failure, doubling to the maximum: a full disk or a missing tool is mended by people. */
const retryMs = 60_000
const retryMsMax = 3_600_000

const waiting = 'it differs, and is applied again when its window opens'
/** After it went back: each try may cost the machine its network for the grace time. */
const wentBackMs = 3_600_000
const wentBackMsMax = 86_400_000

const unread = 'its manifest could not be read'

/** What may have kept it from being applied in a window. */
interface Hindrances {
  readonly absent: string | undefined
  readonly pauseAt: (time: Instant) => Pause | undefined
}

export class HeldBundle {
  readonly assignment: Assignment
  /** `hold`: for the neighbours of a relay only, never applied here. */
  readonly purpose: 'apply' | 'hold'
  content: 'ahead' | 'manifest' | 'contents' | 'complete' = 'ahead'
  missing = new Set<Digest>()
  /** Everything it consists of, to be let go with it. */
  contents: Digest[] = []
  state: BundleState
  prepared: boolean
  reason: string | undefined
  engine: string | undefined
  appliedAt: number | undefined
  results: readonly ResourceResult[]
  rolledBack: boolean
  retryAt: Instant | undefined
  /** While its contents are not here: when its fetch may begin, or its manifest is read again. */
  fetchAt: Instant | undefined
  /** To be applied now, in its window or not. */
  forced = false
  /** Applied, it is to be applied again for what was found since. */
  mending: Mending | undefined
  /** It is urgent, and this device lets urgent ones be applied outside windows. */
  anyTime = false
  window: WindowState = { open: false }
  /** When the window has to be looked at again. */
  windowUntil: Instant | undefined
  /** Windows that passed since this version is known. */
  missed: MissedWindows | undefined
  /** It is being applied inside its window, and no longer than that. */
  isBounded = false
  #tries = 0
  #hasLooked = false
  #closedAt: Instant | undefined

  /** `before` is what the journal says of this very version. */
  constructor(assignment: Assignment, purpose: 'apply' | 'hold', before: BundleEntry | undefined, now: Instant) {
    this.assignment = assignment
    this.purpose = purpose
    this.state = before ? followingState(before.state, 'interrupted') : 'pending'
    this.prepared = before?.prepared ?? false
    this.reason = before?.reason
    this.engine = before?.engine
    this.appliedAt = before?.appliedAt
    this.results = before?.results ?? []
    this.rolledBack = before?.rolledBack ?? false
    this.missed = before?.missed
    // What the windows were when it was last written of: those that closed since were slept through.
    if (before && before.state !== 'withdrawn') this.window = windowState(assignment.windows, instant(before.at))
    this.windowUntil = now
    if (before && this.rolledBack)
      this.retryAt = earliest(after(now, wentBackMs), after(instant(before.at), wentBackMs))
    else if (this.state === 'failed' || this.state === 'blocked') this.retryAt = now
  }

  /** Looks at the window again once what was known of it is over; true where one closed that it was not applied in. */
  look(now: Instant, pauseAt: Hindrances['pauseAt'] = () => undefined): boolean {
    if (this.windowUntil !== undefined && this.windowUntil > now) return false
    const before = this.window
    this.window = windowState(this.assignment.windows, now)
    const { open, opens, closes } = this.window
    this.windowUntil = open ? closes : opens
    const hasLooked = this.#hasLooked
    this.#hasLooked = true
    if (this.purpose === 'hold' || before.closes === undefined || before.closes > now) return false
    this.#closedAt = before.closes
    const sleeping = before.open ? undefined : 'this machine slept, or its clock was set forward'
    return this.#missed(before, now, { absent: hasLooked ? sleeping : 'this machine was off', pauseAt })
  }

  /** Notes the windows that closed since one was as `before`, unless it is applied or is being so. */
  #missed(before: WindowState, now: Instant, { absent, pauseAt }: Hindrances): boolean {
    const own = reasonFor(this.state, this.reason)
    const over = own === undefined ? undefined : closedSince(this.assignment.windows, before, now)
    if (own === undefined || !over) return false
    const pause = this.prepared ? pauseAt(instant(over.closed - 1)) : undefined
    const reason = absent ?? (pause ? `paused: ${pause.reason}` : own)
    this.missed = withMissed(this.missed, over.count, { closed: over.closed, reason })
    return true
  }

  /** What came of its apply is noted; the event that it is. */
  applied(outcome: ApplyOutcome, now: Instant): 'apply-ok' | 'apply-failed' | 'window-closed' {
    this.appliedAt = now
    if (outcome.type === 'failed') {
      this.reason = outcome.reason
      if (outcome.unprepared) this.prepared = false
      this.retryLater(now)
      return 'apply-failed'
    }
    this.results = outcome.results
    const failed = outcome.results.filter((result) => result.outcome === 'failed')
    this.reason = failed.map((result) => result.id).join(', ') || undefined
    if (failed.length > 0) {
      this.retryLater(now)
      return 'apply-failed'
    }
    if (!outcome.results.some(({ reason }) => reason === windowClosed)) {
      this.#succeeded()
      return 'apply-ok'
    }
    this.#cutShort(now)
    return 'window-closed'
  }

  /** Its window closed while it was applied; what was not begun waits for the next one. */
  #cutShort(now: Instant): void {
    const left = this.results.filter(({ reason }) => reason === windowClosed).length
    this.reason = `its window closed before ${left} of ${this.results.length} resources`
    this.missed = withMissed(this.missed, 1, { closed: this.#closedAt ?? now, reason: this.reason })
  }

  /** It is applied from now on: until its window closes, where it waited for that. */
  begin(): void {
    const needsWindow = !this.forced && !this.anyTime && !(this.state === 'applied' && this.mending === 'any-time')
    this.isBounded = needsWindow && this.window.open
    this.forced = false
  }

  /** The engine came to its end, whatever is thought of that: the end of the window has nothing to end any more. */
  ran(): void {
    this.isBounded = false
  }

  /** Whether what is being applied has to end, because its window is over; true once. */
  takeEnd(): boolean {
    if (this.state !== 'applying' || !this.isBounded || this.window.open) return false
    this.isBounded = false
    return true
  }

  /** The clock was set: pauses last as long as they would have, windows go by the new time. */
  moved(ms: number, now: Instant): void {
    this.retryAt &&= after(this.retryAt, ms)
    this.fetchAt &&= after(this.fetchAt, ms)
    this.windowUntil = now
  }

  /** Whether `prepare.ahead` lets it be fetched by now; if not, it is looked at again when it does. */
  isTimeToFetch(now: Instant): boolean {
    const { aheadMs, urgent } = this.assignment
    const { open, opens } = this.window
    if (urgent || aheadMs === undefined || open || opens === undefined) return true
    const from = instant(opens - aheadMs)
    this.fetchAt = from > now ? from : undefined
    return from <= now
  }

  /** Its manifest is here and could not be read, as from a disk that fails: tried again later. */
  readLater(now: Instant): void {
    this.reason = unread
    this.fetchAt = after(now, retryMs)
  }

  /** Its manifest was read: these are its contents, all of them missing until they are told to be here. */
  consistsOf(contents: readonly Digest[]): void {
    if (this.reason === unread) this.reason = undefined
    this.content = 'contents'
    this.missing = new Set(contents)
    this.contents = [this.assignment.manifest.digest, ...this.missing]
  }

  /** Whether its manifest is to be read again; true once. */
  takeReread(now: Instant): boolean {
    if (this.content !== 'manifest' || this.fetchAt === undefined || this.fetchAt > now) return false
    this.fetchAt = undefined
    return true
  }

  /** When something is due here by itself; `isFree`: nothing else keeps the engine. */
  nextWake(isFree: boolean): Instant | undefined {
    const window = this.purpose === 'apply' ? this.windowUntil : undefined
    const fetch = this.content === 'ahead' || this.content === 'manifest' ? this.fetchAt : undefined
    return earliest(window, fetch, isFree && this.#mayRetry ? this.retryAt : undefined)
  }

  /** A failed or blocked one whose pause is over; true once. */
  takeRetry(now: Instant): boolean {
    if (!this.#mayRetry || this.retryAt === undefined || this.retryAt > now) return false
    this.retryAt = undefined
    return true
  }

  /** Nothing of it has to be fetched or done before its window; a bundle that is only held is never prepared. */
  get isReady(): boolean {
    return this.prepared || (this.purpose === 'hold' && this.content === 'complete')
  }

  get #mayRetry(): boolean {
    return this.content === 'complete' && (this.state === 'failed' || this.state === 'blocked')
  }

  /** Somebody at the machine asks to apply it now. What cannot be applied at this moment is not applied later for that. */
  force(): void {
    const canBe = this.state === 'prepared' || this.state === 'applied' || this.state === 'failed'
    this.forced = this.purpose === 'apply' && this.prepared && canBe
  }

  /** What it waits for where what differs is to be repaired, and its window is closed. */
  get #waiting(): string | undefined {
    return this.state === 'applied' && this.mending === 'in-window' && !this.window.open ? waiting : undefined
  }

  /** Whether it may be applied now: prepared, and its window open, or urgent and allowed, or somebody at the machine asked. */
  get mayApply(): boolean {
    if (this.forced && this.prepared) return true
    if (this.state === 'applied' && this.prepared && this.mending !== undefined)
      return this.mending === 'any-time' || this.window.open
    const isReady =
      this.state === 'prepared' || (this.state === 'failed' && this.prepared && this.retryAt === undefined)
    return isReady && (this.window.open || this.anyTime)
  }

  retryLater(now: Instant): void {
    this.retryAt = after(now, Math.min(retryMsMax, retryMs * 2 ** Math.min(this.#tries, 10)))
    this.#tries++
  }

  /** What it changed was put back. */
  wentBack({ reason, results }: Pick<BundleEntry, 'results'> & { readonly reason: string }, now: Instant): void {
    this.appliedAt = now
    this.reason = reason
    this.results = results
    this.rolledBack = true
    this.retryAt = after(now, Math.min(wentBackMsMax, wentBackMs * 2 ** Math.min(this.#tries, 10)))
    this.#tries++
  }

  #succeeded(): void {
    this.rolledBack = false
    this.#tries = 0
    this.retryAt = undefined
    this.missed = undefined
  }

  /** Follows an event; true where the state changed. */
  move(event: LifecycleEvent): boolean {
    const before = this.state
    this.state = followingState(before, event)
    return this.state !== before
  }

  status(): BundleStatus {
    const { name, version, urgent } = this.assignment
    const { state, prepared, missed, window } = this
    const reason = this.reason ?? this.#waiting
    const { opens: windowOpens, closes: windowCloses } = window
    return { name, version, state, prepared, reason, missed, windowOpens, windowCloses, ...(urgent && { urgent }) }
  }

  report(): BundleReport {
    const { name, version, urgent } = this.assignment
    const { state, results, engine, appliedAt, missed } = this
    const reason = this.reason ?? this.#waiting
    return {
      name,
      version,
      state,
      results,
      ...(reason !== undefined && { reason }),
      ...(engine !== undefined && { engine }),
      ...(appliedAt !== undefined && { appliedAt }),
      ...(urgent && { urgent }),
      ...(missed && { missed }),
    }
  }

  entry(now: Instant): BundleEntry {
    const { reason: _, ...report } = this.report()
    const { reason } = this
    const rolledBack = this.rolledBack && this.state === 'failed'
    return {
      type: 'bundle',
      ...report,
      ...(reason !== undefined && { reason }),
      at: now,
      prepared: this.prepared,
      ...(rolledBack && { rolledBack }),
    }
  }
}

/**
 * How many bytes a second may cross the line, each way, and leave for the LAN (protocol.md §6): token buckets whose rate changes by a
 * plan. The plan is a function of time: where the admin's schedule is read, and what summer time does to it, is known in `node/budget.ts`.
 */
import { after, earliest, instant, type Instant } from '#base/time.ts'
import type { WallClock } from '#base/wall-clock.ts'
import { budgetBurstBytes, budgetBurstMs, budgetStepBytes, budgetStepMs, lineOverhead } from './params.ts'

/** Bytes a second; 0 lets nothing pass, undefined is no limit. */
export type Rate = number | undefined

/** The limits of one time, and until when they hold; for ever where that is undefined. */
export interface Budget {
  readonly wanDown: Rate
  readonly wanUp: Rate
  readonly lanUp: Rate
  readonly until: Instant | undefined
}
/** By the time on the wall. */
export type BudgetPlan = (wall: Instant) => Budget

export const noBudget: Budget = { wanDown: undefined, wanUp: undefined, lanUp: undefined, until: undefined }

/** One direction. What passes is paid for at once, and opens again when a step's worth was earned. */
export class Bucket {
  #rate: Rate
  #bytes = Number.POSITIVE_INFINITY
  #at = instant(0)

  get rate(): Rate {
    return this.#rate
  }

  set(now: Instant, rate: Rate): void {
    this.#earn(now)
    if (rate === this.#rate) return
    this.#rate = rate
    this.#bytes = Math.min(this.#bytes, this.#burst())
  }

  /** Bytes that may pass now; not finite without a limit, 0 while there is less than a step: many small asks cost more than they bring. */
  room(now: Instant): number {
    this.#earn(now)
    return this.#rate === undefined || (this.#rate > 0 && this.#bytes >= this.#step()) ? this.#bytes : 0
  }

  /** Something passes, or, less than nothing, did not come. Never owed more than two bursts: control messages are not held. */
  take(now: Instant, payload: number): void {
    this.#earn(now)
    if (this.#rate === undefined) return
    this.#bytes = Math.min(this.#burst(), Math.max(-2 * this.#burst(), this.#bytes - payload * lineOverhead))
  }

  /** When there is room again; undefined where the rate is 0. */
  opensAt(now: Instant): Instant | undefined {
    this.#earn(now)
    if (this.#rate === undefined || (this.#rate > 0 && this.#bytes >= this.#step())) return now
    return this.#rate > 0 ? after(now, Math.ceil(((this.#step() - this.#bytes) * 1_000) / this.#rate) + 1) : undefined
  }

  #earn(now: Instant): void {
    if (this.#rate === undefined) this.#bytes = Number.POSITIVE_INFINITY
    // A clock that was set back earns nothing.
    else if (now > this.#at)
      this.#bytes = Math.min(this.#burst(), this.#bytes + (this.#rate * (now - this.#at)) / 1_000)
    this.#at = now
  }

  #burst(): number {
    return Math.max(budgetBurstBytes, ((this.#rate ?? 0) * budgetBurstMs) / 1_000)
  }

  #step(): number {
    return Math.max(budgetStepBytes, ((this.#rate ?? 0) * budgetStepMs) / 1_000)
  }
}

export class Budgets {
  readonly wanDown = new Bucket()
  readonly wanUp = new Bucket()
  readonly lanUp = new Bucket()
  readonly #plan: BudgetPlan | undefined
  readonly #wall: WallClock
  #budget = noBudget
  /** On the wall, as `until`. */
  #from = instant(Number.MAX_SAFE_INTEGER)

  constructor(plan: BudgetPlan | undefined, wall: WallClock) {
    this.#plan = plan
    this.#wall = wall
  }

  /** The limits of now. `sharers`: members of the site that use the line, us included: each takes its part. */
  look(now: Instant, sharers: () => number): void {
    if (!this.#plan) return
    const time = this.#wall.at(now)
    if (time < this.#from || time >= (this.#budget.until ?? Number.POSITIVE_INFINITY)) {
      this.#budget = this.#plan(time)
      this.#from = time
    }
    const { wanDown, wanUp, lanUp } = this.#budget
    const parts = wanDown === undefined && wanUp === undefined ? 1 : sharers()
    this.wanDown.set(now, wanDown && wanDown / parts)
    this.wanUp.set(now, wanUp && wanUp / parts)
    this.lanUp.set(now, lanUp)
  }

  /** When something that waits for room in a bucket is looked at again: when there is some, or the plan changes. */
  wakeFor(now: Instant, bucket: Bucket): Instant | undefined {
    const { until } = this.#budget
    return earliest(bucket.opensAt(now), until && this.#wall.when(until))
  }
}

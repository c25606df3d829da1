/**
 * The real clocks, and the one wake-up of a member: nothing else in the house tells a machine the time.
 *
 * A machine counts by a time that never goes back, since all its timers are instants (decision 0021): it goes on with the monotonic clock.
 * A jump of the wall clock forwards counts as time that passed, as a machine that slept sees it; a jump backwards only moves the wall.
 */
import { instant, type Instant } from '#base/time.ts'

/** The time on the wall, for what has a date: signatures, expiry, windows. */
export const realTime = (): Instant => instant(Date.now())

/** The two clocks differ by as much without any jump: one counts whole milliseconds, and NTP moves small errors slowly. */
const jumpMsMin = 1_000

/** Two clocks as one: the time of a machine, and how far ahead of it the wall is. */
export class Clock {
  /** The time of the machine when the monotonic clock was 0. */
  #origin: number
  #aheadMs = 0
  #toldMs = 0
  readonly #wall: () => number
  readonly #monotonic: () => number

  constructor(wall: () => number = () => Date.now(), monotonic: () => number = () => performance.now()) {
    this.#wall = wall
    this.#monotonic = monotonic
    this.#origin = wall() - monotonic()
  }

  /** The time of the machine: never earlier than what was told before. */
  now(): Instant {
    const moved = this.#wall() - this.#aheadMs - (this.#origin + this.#monotonic())
    if (moved > jumpMsMin) this.#origin += moved
    else if (moved < -jumpMsMin) this.#aheadMs += moved
    return instant(Math.floor(this.#origin + this.#monotonic()))
  }

  /** How far ahead the wall is, where that changed since it was asked last: the machine has to hear of it. */
  takeMove(): number | undefined {
    const aheadMs = Math.round(this.#aheadMs)
    if (aheadMs === this.#toldMs) return undefined
    this.#toldMs = aheadMs
    return aheadMs
  }

  /** Whether the machine has yet to hear that the wall was set back. */
  get hasMoved(): boolean {
    this.now()
    return Math.round(this.#aheadMs) !== this.#toldMs
  }
}

/** Longer sleeps are cut into pieces: the wall clock may jump meanwhile, and setTimeout counts in 32 bits. A look costs microseconds. */
const sleepMsMax = 15_000

export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  #timer: NodeJS.Timeout | undefined
  #at: Instant | undefined

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** Rings once at this time, or soon after it if it is past, or when the wall was set back meanwhile; replaces what was set before. Undefined: never. */
  set(at: Instant | undefined): void {
    if (at === this.#at && this.#timer) return
    this.stop()
    this.#at = at
    if (at === undefined) return
    const sleepMs = Math.max(1, at - this.#clock.now())
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        if (sleepMs > sleepMsMax && !this.#clock.hasMoved) this.set(at)
        else this.#ring()
      },
      Math.min(sleepMs, sleepMsMax),
    )
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

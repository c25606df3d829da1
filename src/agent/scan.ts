/** When a device takes its inventory: when it knows its facts, after each apply, and every few hours; one at a time. */
import { after, earliest, hour, type Instant } from '#base/time.ts'

/** Somebody may install packages by hand. To look costs 20 ms on Debian, and a second or two of a core where rpm is asked for 2,000 packages. */
export const scanEveryMs = 6 * hour

export class Scan {
  #at: Instant | undefined
  #isRunning = false
  #isAsked = false

  /** Something may have changed. */
  ask(now: Instant): void {
    if (this.#isRunning) this.#isAsked = true
    else this.#at = earliest(this.#at, now)
  }

  /** Whether to begin now. */
  takeDue(now: Instant): boolean {
    // The clock may have been set back.
    if (this.#at !== undefined && this.#at > after(now, scanEveryMs)) this.#at = after(now, scanEveryMs)
    if (this.#isRunning || this.#at === undefined || this.#at > now) return false
    this.#at = undefined
    this.#isRunning = true
    return true
  }

  done(now: Instant): void {
    this.#isRunning = false
    this.#at = this.#isAsked ? now : after(now, scanEveryMs)
    this.#isAsked = false
  }

  nextWake(): Instant | undefined {
    return this.#at
  }
}

/** The real clock, and the one wake-up of a member: nothing else in the house tells a machine the time. */
import { instant, type Instant } from '#base/time.ts'

export const realTime = (): Instant => instant(Date.now())

/** Longer sleeps are cut into pieces: the system clock may jump, and setTimeout counts in 32 bits. */
const sleepMsMax = 60_000

export class Alarm {
  readonly #ring: () => void
  #timer: NodeJS.Timeout | undefined
  #at: Instant | undefined

  constructor(ring: () => void) {
    this.#ring = ring
  }

  /** Rings once at this time, or soon after it if it is past; replaces what was set before. Undefined: never. */
  set(at: Instant | undefined): void {
    if (at === this.#at && this.#timer) return
    this.stop()
    this.#at = at
    if (at === undefined) return
    const sleepMs = Math.max(1, at - realTime())
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        if (sleepMs > sleepMsMax) this.set(at)
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

/**
 * The time of day beside the time that machines count by. A machine's time never goes back: its timers are instants of it. What has a
 * date of its own (windows, expiry, schedules) goes by the clock on the wall, which people and NTP may set back.
 */
import { instant, type Instant } from './time.ts'

export class WallClock {
  /** Milliseconds; below 0 after the clock was set back. */
  #aheadMs = 0

  /** The time on the wall at a time of the machine. */
  at(now: Instant): Instant {
    return instant(now + this.#aheadMs)
  }

  /** The time of the machine at which the wall says this, unless it is set again until then. */
  when(wall: Instant): Instant {
    return instant(wall - this.#aheadMs)
  }

  /** The wall is so far ahead of the machine from now on; returns by how many milliseconds it was moved. */
  set(aheadMs: number): number {
    const moved = aheadMs - this.#aheadMs
    this.#aheadMs = aheadMs
    return moved
  }
}

/**
 * What the line of the site brings, beside the most it ever brought. While a site trades it asks the origin for more than its share only
 * where the line has room (protocol.md §5.6): slow traders must not slow a site down, and fast ones spare the origin.
 */
import { since, type Instant } from '#base/time.ts'
import { drawWindowMs } from './params.ts'

/** A line that brings four fifths of its best is full: chunks come in lumps. */
const fullShare = 0.8
/** So much of the best is remembered a window later: lines get slower, too. */
const kept = 0.98

export class Draw {
  #windowAt: Instant | undefined
  #bytes = 0
  #rate = 0
  #best = 0

  arrived(now: Instant, bytes: number): void {
    this.#look(now)
    this.#windowAt ??= now
    this.#bytes += bytes
  }

  /** Whether the line brought about as much in the last second as it can. */
  isFull(now: Instant): boolean {
    this.#look(now)
    return this.#rate > 0 && this.#rate >= this.#best * fullShare
  }

  #look(now: Instant): void {
    if (this.#windowAt === undefined || since(this.#windowAt, now) < drawWindowMs) return
    this.#rate = (this.#bytes * 1000) / since(this.#windowAt, now)
    if (this.#bytes > 0) this.#best = Math.max(this.#best * kept, this.#rate)
    this.#windowAt = this.#bytes > 0 ? now : undefined
    this.#bytes = 0
  }
}

/**
 * What the line of the site brings, beside the most it ever brought. While a site trades it asks the origin for more than its share only as
 * far as the line has room (protocol.md §5.6): slow traders must not slow a site down, and fast ones spare the origin. What came beyond
 * our share is not counted as filling the line, or it would take the place of what traders bring.
 */
import { since, type Instant } from '#base/time.ts'
import { drawWindowMs } from './params.ts'

/** A line that brings so much of its best is full: chunks come in lumps, and what traders lack now they may bring in a moment. */
const fullShare = 0.7
/** So much of the best is remembered a window later: lines get slower, too, but hardly while we hold back ourselves. */
const kept = 0.998

export class Draw {
  #windowAt: Instant | undefined
  #bytes = 0
  #beyondBytes = 0
  /** Asked for beyond our share in this window. */
  #askedBytes = 0
  /** Bytes a second that came from traders, or are our share. */
  #rate = 0
  #best = 0

  /** A chunk came over the line; `isBeyond` where it was asked for beyond our share. */
  arrived(now: Instant, bytes: number, isBeyond: boolean): void {
    this.#look(now)
    this.#bytes += bytes
    if (isBeyond) this.#beyondBytes += bytes
  }

  /** Bytes that may be asked for beyond our share now; not finite as long as nothing is known of the line. */
  room(now: Instant): number {
    this.#look(now)
    if (this.#best === 0) return Number.POSITIVE_INFINITY
    if (this.#rate >= this.#best * fullShare) return 0
    return Math.max(0, ((this.#best - this.#rate) * drawWindowMs) / 1000 - this.#askedBytes)
  }

  asked(now: Instant, bytes: number): void {
    this.#look(now)
    this.#askedBytes += bytes
  }

  #look(now: Instant): void {
    this.#windowAt ??= now
    const ms = since(this.#windowAt, now)
    if (ms < drawWindowMs) return
    this.#rate = ((this.#bytes - this.#beyondBytes) * 1000) / ms
    if (this.#bytes > 0) this.#best = Math.max(this.#best * kept, (this.#bytes * 1000) / ms)
    this.#windowAt = now
    this.#bytes = this.#beyondBytes = this.#askedBytes = 0
  }
}

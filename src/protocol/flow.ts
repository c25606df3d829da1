/**
 * How fast what is missing gets less (protocol.md §5.8), in bytes a second over the last `rateWindowMs`. New demand is no step back, and
 * time before the first byte does not count: a transfer that begins late is not slow.
 */
import { since, type Instant } from '#base/time.ts'
import { rateRampMs, rateWindowMs } from './params.ts'

interface Sample {
  readonly at: Instant
  /** Bytes that have come since the first look. */
  readonly came: number
}

export class Flow {
  /** In order of time; the first lies before the window, or where the transfer began. */
  #samples: Sample[] = []
  /** The first sample is where the transfer began. */
  #isYoung = true
  #missing = 0
  #came = 0

  /** So many bytes are missing now. */
  look(now: Instant, missing: number): void {
    this.#came += Math.max(0, this.#missing - missing)
    // Nothing was missing: what was measured before says nothing of what is to come now.
    if (this.#missing === 0) this.#samples = []
    this.#missing = missing
    this.#samples.push({ at: now, came: this.#came })
    // The one before the window stays, so that a window is never shorter than it says.
    while (since(this.#samples[1]?.at ?? now, now) >= rateWindowMs) {
      this.#samples.shift()
      this.#isYoung = false
    }
    if (this.#samples[0]?.came !== this.#came) return
    this.#samples = this.#samples.slice(-1)
    this.#isYoung = true
  }

  /** Bytes a second until the last look; 0 where nothing is missing, or nothing came. */
  get rate(): number {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (!first || !last || this.#missing === 0) return 0
    // The first moments are questions and lists, and say little of the line.
    const rampMs = this.#isYoung ? Math.min(rateRampMs, since(first.at, last.at) / 4) : 0
    const from = this.#samples.find(({ at }) => since(first.at, at) >= rampMs) ?? first
    const ms = since(from.at, last.at)
    return ms === 0 ? 0 : Math.round(((last.came - from.came) * 1000) / ms)
  }
}

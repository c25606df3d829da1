/**
 * Whether the disk answers at once, as it does for what lies in the memory of the system. Then a read or write is done on the spot: a trip through Node's
 * thread pool wakes a thread and costs three times the copy (decisions/0019). Once a call was slow, the next ones take that trip, so that a slow disk
 * never holds the event loop for longer than one call in a while.
 */

/** A copy of 256 KiB takes 0.1 ms; a disk that turns takes 5-15 ms to get there. */
const slowMs = 5
/** So long the disk counts as slow after a slow call. */
const restMs = 250

export class Pace {
  readonly #now: () => number
  #restsUntil = Number.NEGATIVE_INFINITY

  /** `now`: milliseconds of any clock that does not jump. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** `quick` where calls are quick now, else `patient`. */
  async take<T>(quick: () => T, patient: () => Promise<T>): Promise<T> {
    const startedAt = this.#now()
    if (startedAt < this.#restsUntil) return patient()
    try {
      return quick()
    } finally {
      const endedAt = this.#now()
      if (endedAt - startedAt > slowMs) this.#restsUntil = endedAt + restMs
    }
  }
}

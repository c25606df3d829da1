/**
 * Notices that no news came for long: the origin signs a timestamp every quarter of an hour, so a site that hears none may have a member
 * that says it goes outside and does not (protocol.md §5.5). From time to time, each at its own time, a member then looks outside itself.
 */
import { after, earliest, type Instant } from '#base/time.ts'
import type { Random } from '#base/random.ts'
import { newslessMs, reachMs } from './params.ts'

export class Newsless {
  readonly #random: Random
  #newsAt: Instant | undefined
  #lookAt: Instant | undefined
  #until: Instant | undefined

  constructor(random: Random) {
    this.#random = random
  }

  /** Whether to look outside now, whoever says that it does; `issuedAt` is the time of the newest timestamp. */
  looks(now: Instant, issuedAt: Instant | undefined): boolean {
    this.#newsAt ??= now
    if (issuedAt !== undefined && issuedAt > this.#newsAt) this.#newsAt = earliest(issuedAt, now) ?? now
    if (after(this.#newsAt, newslessMs) > now) {
      this.#lookAt = this.#until = undefined
      return false
    }
    this.#lookAt ??= after(now, this.#random.below(newslessMs))
    if (this.#lookAt <= now) {
      this.#until = after(now, reachMs)
      this.#lookAt = after(now, newslessMs / 2 + this.#random.below(newslessMs))
    }
    if (this.#until !== undefined && this.#until <= now) this.#until = undefined
    return this.#until !== undefined
  }

  nextWake(): Instant | undefined {
    if (this.#lookAt === undefined) return this.#newsAt && after(this.#newsAt, newslessMs)
    return earliest(this.#lookAt, this.#until)
  }
}

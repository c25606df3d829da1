/**
 * Links that are left alone for a moment, because the other side denied, failed or spoiled an ask: without a pause two members that
 * do not understand each other would ask and deny as fast as the line carries. What was said of the content is asked anew after it.
 */
import type { Digest } from '#base/digest.ts'
import { after, earliest, type Instant } from '#base/time.ts'
import type { LinkId } from './link.ts'
import { pauseMs, stallPauseMsMax } from './params.ts'

interface Pause {
  readonly until: Instant
  readonly contents: Set<Digest>
  /** Whether nothing at all is asked of the link meanwhile. */
  readonly isLeftAlone: boolean
}

export class Pauses {
  readonly #pauses = new Map<LinkId, Pause>()
  /** How often in a row a link was asked and brought nothing. */
  readonly #stalls = new Map<LinkId, number>()

  /** A neighbour denied, failed or broke off: it is left alone. */
  begin(now: Instant, link: LinkId, content: Digest): void {
    this.#begin(now, link, content, true, pauseMs)
  }

  /** A neighbour was asked and brought nothing: each time in a row it is left alone for twice as long. */
  stalled(now: Instant, link: LinkId, content: Digest): void {
    const count = (this.#stalls.get(link) ?? 0) + (this.has(link) ? 0 : 1)
    this.#stalls.set(link, count)
    this.#begin(now, link, content, true, Math.min(stallPauseMsMax, pauseMs * 2 ** (count - 1)))
  }

  /** It brought something. */
  brought(link: LinkId): void {
    this.#stalls.delete(link)
  }

  /** Whether a link stalled and brought nothing since: what it says it has helps nobody. */
  isDoubted(link: LinkId): boolean {
    return this.#stalls.has(link)
  }

  /** One chunk of a content was wrong: what it has of it is asked anew later, and the rest meanwhile. */
  doubt(now: Instant, link: LinkId, content: Digest): void {
    this.#begin(now, link, content, this.has(link), pauseMs)
  }

  has(link: LinkId): boolean {
    return this.#pauses.get(link)?.isLeftAlone ?? false
  }

  #begin(now: Instant, link: LinkId, content: Digest, isLeftAlone: boolean, ms: number): void {
    const contents = this.#pauses.get(link)?.contents ?? new Set()
    this.#pauses.set(link, { until: after(now, ms), contents: contents.add(content), isLeftAlone })
  }

  /** Ends those that are over, and tells what each was for. */
  *end(now: Instant): Iterable<[LinkId, ReadonlySet<Digest>]> {
    for (const [link, { until, contents }] of this.#pauses)
      if (until <= now) {
        this.#pauses.delete(link)
        yield [link, contents]
      }
  }

  down(link: LinkId): void {
    this.#pauses.delete(link)
    this.#stalls.delete(link)
  }

  nextWake(): Instant | undefined {
    let next: Instant | undefined
    for (const { until } of this.#pauses.values()) next = earliest(next, until)
    return next
  }
}

/**
 * Links that are left alone for a moment, because the other side denied, failed or spoiled an ask: without a pause two members that
 * do not understand each other would ask and deny as fast as the line carries. What was said of the content is asked anew after it.
 */
import type { Digest } from '#base/digest.ts'
import { after, earliest, type Instant } from '#base/time.ts'
import type { LinkId } from './link.ts'
import { pauseMs } from './params.ts'

interface Pause {
  readonly until: Instant
  readonly contents: Set<Digest>
  /** Whether nothing at all is asked of the link meanwhile. */
  readonly isLeftAlone: boolean
}

export class Pauses {
  readonly #pauses = new Map<LinkId, Pause>()

  /** A neighbour denied, failed or broke off: it is left alone. */
  begin(now: Instant, link: LinkId, content: Digest): void {
    this.#begin(now, link, content, true)
  }

  /** One chunk of a content was wrong: what it has of it is asked anew later, and the rest meanwhile. */
  doubt(now: Instant, link: LinkId, content: Digest): void {
    this.#begin(now, link, content, this.has(link))
  }

  has(link: LinkId): boolean {
    return this.#pauses.get(link)?.isLeftAlone ?? false
  }

  #begin(now: Instant, link: LinkId, content: Digest, isLeftAlone: boolean): void {
    const contents = this.#pauses.get(link)?.contents ?? new Set()
    this.#pauses.set(link, { until: after(now, pauseMs), contents: contents.add(content), isLeftAlone })
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
  }

  nextWake(): Instant | undefined {
    let next: Instant | undefined
    for (const { until } of this.#pauses.values()) next = earliest(next, until)
    return next
  }
}

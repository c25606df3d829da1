/**
 * How many bytes may be asked of a neighbour and not be here yet (protocol.md §4, §6): what its measured rate carries in the time that an
 * ask takes to come back, and a little more. So a line is kept busy while control messages never wait long behind bulk.
 *
 * Rate: the best of the last windows in which something was on its way. Delay: from an ask to its first chunk, the least of late; what it is
 * longer now is queued on the path, by us or by others. In the polite mode the credit shrinks when that exceeds `politeMs` (the target of
 * LEDBAT, RFC 6817).
 */
import { after, since, type Instant } from '#base/time.ts'
import type { LinkId } from './link.ts'
import {
  creditWindowMs,
  lanCreditBytesMax,
  lanCreditBytesMin,
  lanCreditMs,
  politeMs,
  wanCreditBytesMax,
  wanCreditBytesMin,
  wanCreditBytesStart,
  wanCreditMs,
} from './params.ts'

const windowsKept = 4
/** So many windows without growth, and a link is taken to be full (as the start-up of BBR does, draft-ietf-ccwg-bbr). */
const steadyWindows = 3
/** The least delay is believed this long: routes change. */
const baseMsKept = 30_000

interface Measure {
  windowAt: Instant
  windowBytes: number
  /** Bytes a second, of the last windows. */
  rates: number[]
  baseMs: number | undefined
  baseAt: Instant
  /** Windows in a row that were no faster than those before; at first twice the credit is given, to find out what the link carries. */
  steady: number
  /** In the polite mode: how much of the credit is used, 0 to 1. */
  share: number
}

interface Place {
  readonly link: LinkId
  readonly inside: boolean
}

/** A chunk that came. */
interface Arrival {
  readonly link: LinkId
  readonly bytes: number
  readonly askedAt: Instant
  readonly isFirst: boolean
}

export class Credit {
  readonly #measures = new Map<LinkId, Measure>()
  readonly #isPolite: boolean

  constructor(isPolite: boolean = false) {
    this.#isPolite = isPolite
  }

  bytesOf({ link, inside }: Place): number {
    const measure = this.#measures.get(link)
    const rate = measure ? Math.max(0, ...measure.rates) : 0
    const baseMs = measure?.baseMs ?? 0
    const gain = measure && measure.steady < steadyWindows ? 2 : 1
    if (inside) {
      const bytes = (rate * (baseMs + lanCreditMs) * gain) / 1000
      return Math.min(lanCreditBytesMax, Math.max(lanCreditBytesMin, bytes))
    }
    if (rate === 0) return wanCreditBytesStart
    const spareMs = this.#isPolite ? politeMs / 2 : wanCreditMs
    const share = this.#isPolite ? (measure?.share ?? 1) : 1
    const bytes = ((rate * (baseMs + spareMs)) / 1000) * share * gain
    return Math.min(wanCreditBytesMax, Math.max(wanCreditBytesMin, bytes))
  }

  /** Bytes a second that a link was seen to carry of late, 0 where nothing is known. */
  rateOf(link: LinkId): number {
    return Math.max(0, ...(this.#measures.get(link)?.rates ?? []))
  }

  /** Something is asked of a link from which nothing was on its way: idle time says nothing of its rate. */
  begins(now: Instant, link: LinkId): void {
    const measure = this.#measures.get(link)
    if (measure) {
      measure.windowAt = now
      measure.windowBytes = 0
    } else
      this.#measures.set(link, {
        windowAt: now,
        windowBytes: 0,
        rates: [],
        baseMs: undefined,
        baseAt: now,
        steady: 0,
        share: 1,
      })
  }

  arrived(now: Instant, { link, bytes, askedAt, isFirst }: Arrival): void {
    const measure = this.#measures.get(link)
    if (!measure) return
    measure.windowBytes += bytes
    const windowMs = since(measure.windowAt, now)
    if (windowMs >= creditWindowMs) {
      const rate = (measure.windowBytes * 1000) / windowMs
      measure.steady = rate > Math.max(0, ...measure.rates) * 1.25 ? 0 : measure.steady + 1
      measure.rates.push(rate)
      if (measure.rates.length > windowsKept) measure.rates.shift()
      measure.windowAt = now
      measure.windowBytes = 0
    }
    if (isFirst) this.#delayed(now, measure, since(askedAt, now))
  }

  down(link: LinkId): void {
    this.#measures.delete(link)
  }

  #delayed(now: Instant, measure: Measure, ms: number): void {
    if (measure.baseMs === undefined || ms <= measure.baseMs || after(measure.baseAt, baseMsKept) <= now) {
      measure.baseMs = ms
      measure.baseAt = now
    }
    const queuedMs = ms - measure.baseMs
    // A quarter less when it is too long, a little more when it is short: others on the line come first.
    measure.share = queuedMs > politeMs ? Math.max(0.1, measure.share * 0.75) : Math.min(1, measure.share + 0.05)
  }
}

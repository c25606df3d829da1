/**
 * How many bytes may be asked of a neighbour and not be here yet (protocol.md §4, §6): what its measured rate carries in the time that an
 * ask takes to come back, and a little more. So a line is kept busy while control messages never wait long behind bulk.
 *
 * Rate: the best of the last windows in which something was on its way. Delay: from an ask to its first chunk, without the time that the
 * chunk itself takes; what it is longer than on the empty line is queued, by us or by others. The empty line is seen whenever something is
 * asked while nothing else is under way; under load that is brought about every `probeMs`, or our own queue would be taken for the line.
 *
 * In the polite mode (LEDBAT, RFC 6817; with LEDBAT++, draft-irtf-iccrg-ledbat-plus-plus: less at once, in proportion) a window keeps the
 * credit down while others queue on the line.
 */
import { after, since, type Instant } from '#base/time.ts'
import type { LinkId } from './link.ts'
import {
  creditWindowMs,
  lanCreditBytesMax,
  lanCreditBytesMin,
  lanCreditMs,
  politeMs,
  probeMs,
  probesKept,
  wanCreditBytesMax,
  wanCreditBytesMin,
  wanCreditBytesStart,
  wanCreditMs,
} from './params.ts'

/** As BBR does, and so that one look at the empty line, with the drain before it, does not make a long line look slow. */
const windowsKept = 10
/** So many windows without growth, and a link is taken to be full (as the start-up of BBR does, draft-ietf-ccwg-bbr). */
const steadyWindows = 3
/** The least delay inside a site is believed this long. */
const lanBaseMsKept = 30_000
/** What the line was seen to carry is forgotten by half in three minutes under load: others may have it now, but it is no slower for that. */
const fastestKept = 0.999
/** Less than this is no queue but chance. */
const idleMs = politeMs / 4
/** A tenth a round trip: others that come and go are noticed in between. */
const growth = 0.1
const growthBytesMin = 4_096

/** From an ask to its first chunk. */
interface Delay {
  readonly ms: number
  readonly bytes: number
}

interface Measure {
  windowAt: Instant
  windowBytes: number
  /** Bytes a second, of the last windows, and the best of them: it is asked for at every chunk. */
  rates: number[]
  rate: number
  fastest: number
  /** Windows in a row that were no faster than those before; at first twice the credit is given, to find out what the link carries. */
  steady: number
  /** Bytes of a first chunk of late. */
  chunkBytes: number
  /** Delays of the empty line, newest last, and when that was. */
  empty: Delay[]
  emptyAt: Instant
  /** The least delay since then; it may undercut what TCP took to begin. */
  least: Delay | undefined
  leastAt: Instant
  /** The first chunk of an ask of this time tells of the empty line; whether it came. */
  begunAt: Instant
  isBegun: boolean
  isProbing: boolean
  /** The delay before. */
  beforeMs: number
  /** Nothing queued of late: the line would carry more than we ask for. */
  isIdle: boolean
  /** Polite: bytes, and when it was changed last. */
  window: number
  changedAt: Instant
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
  readonly inside?: boolean
}

export class Credit {
  readonly #measures = new Map<LinkId, Measure>()
  readonly #isPolite: boolean

  constructor(isPolite: boolean = false) {
    this.#isPolite = isPolite
  }

  bytesOf({ link, inside }: Place): number {
    const measure = this.#measures.get(link)
    const rate = rateOf(measure)
    const gain = !measure || measure.steady < steadyWindows ? 2 : 1
    if (inside) {
      const bytes = measure ? carried(measure, rate, lanCreditMs) * gain : 0
      return Math.min(lanCreditBytesMax, Math.max(lanCreditBytesMin, bytes))
    }
    if (!measure || rate === 0) return wanCreditBytesStart
    // One chunk, once nothing else is under way.
    if (measure.isProbing) return 1
    if (this.#isPolite) {
      // In whole chunks: on a thin line each is a queue of its own.
      const { chunkBytes, window, isIdle } = measure
      const spareMs = isIdle ? politeMs : politeMs / 2
      // A manifest and a list, asked for alone, say nothing of the rate.
      const least = gain > 1 ? wanCreditBytesStart : 0
      const chunks = Math.min(
        Math.round(Math.max(least, carried(measure, rate, spareMs) * gain) / chunkBytes),
        Math.floor(window / chunkBytes),
      )
      return Math.min(wanCreditBytesMax, Math.max(1, chunks * chunkBytes))
    }
    return Math.min(wanCreditBytesMax, Math.max(wanCreditBytesMin, carried(measure, rate, wanCreditMs) * gain))
  }

  /** Bytes a second that a link was seen to carry of late, 0 where nothing is known. */
  rateOf(link: LinkId): number {
    return rateOf(this.#measures.get(link))
  }

  /** Something is asked of a link from which nothing was on its way: idle time says nothing of its rate. */
  begins(now: Instant, link: LinkId): void {
    const begun = { windowAt: now, windowBytes: 0, begunAt: now, isBegun: true }
    const measure = this.#measures.get(link)
    if (measure) Object.assign(measure, begun)
    else
      this.#measures.set(link, {
        ...begun,
        rates: [],
        rate: 0,
        fastest: 0,
        steady: 0,
        chunkBytes: 0,
        empty: [],
        emptyAt: now,
        least: undefined,
        leastAt: now,
        isProbing: false,
        window: Number.POSITIVE_INFINITY,
        changedAt: now,
        beforeMs: 0,
        isIdle: false,
      })
  }

  arrived(now: Instant, { link, bytes, askedAt, isFirst, inside = false }: Arrival): void {
    const measure = this.#measures.get(link)
    if (!measure) return
    measure.windowBytes += bytes
    const windowMs = since(measure.windowAt, now)
    // What more credit brings is seen a round trip later, not before.
    if (windowMs >= Math.max(creditWindowMs, measure.beforeMs)) {
      const rate = (measure.windowBytes * 1000) / windowMs
      measure.steady = rate > rateOf(measure) * 1.25 ? 0 : measure.steady + 1
      measure.rates.push(rate)
      if (measure.rates.length > windowsKept) measure.rates.shift()
      measure.rate = Math.max(...measure.rates)
      measure.fastest = Math.max(rate, measure.fastest * fastestKept)
      measure.windowAt = now
      measure.windowBytes = 0
    }
    if (isFirst) this.#delayed(now, measure, { ms: since(askedAt, now), bytes }, { link, inside, askedAt })
  }

  down(link: LinkId): void {
    this.#measures.delete(link)
  }

  #delayed(
    now: Instant,
    measure: Measure,
    delay: Delay,
    { link, inside, askedAt }: Place & { readonly askedAt: Instant },
  ): void {
    measure.chunkBytes = measure.chunkBytes === 0 ? delay.bytes : measure.chunkBytes * 0.75 + delay.bytes * 0.25
    if (measure.isBegun && askedAt === measure.begunAt) {
      measure.isBegun = measure.isProbing = false
      measure.emptyAt = now
      measure.least = undefined
      measure.empty.push(delay)
      if (measure.empty.length > (this.#isPolite && !inside ? probesKept : 1)) measure.empty.shift()
    }
    if (measure.fastest === 0) {
      if (!inside) measure.beforeMs = delay.ms
      return
    }
    const ms = travelMs(measure, delay)
    const isOld = inside && after(measure.leastAt, lanBaseMsKept) <= now
    if (!measure.least || ms <= travelMs(measure, measure.least) || isOld) {
      measure.least = delay
      measure.leastAt = now
    }
    if (inside) return
    const queuedMs = Math.min(ms, measure.beforeMs) - baseMsOf(measure)
    measure.beforeMs = ms
    measure.isIdle = queuedMs < idleMs
    if (this.#isPolite && askedAt >= measure.changedAt)
      this.#yield(now, measure, queuedMs, this.bytesOf({ link, inside }))
    if (after(measure.emptyAt, probeMs) <= now) measure.isProbing = true
  }

  /** Less where others queue, in proportion, once a round trip; a little more where nobody does. The lesser of two delays counts: one may be chance. */
  #yield(now: Instant, measure: Measure, queuedMs: number, credit: number): void {
    measure.changedAt = now
    const off = 1 - queuedMs / politeMs
    if (off < 0) measure.window = credit * Math.max(0.5, 1 + off / 4)
    else measure.window += Math.max(growthBytesMin, measure.window * growth) * off
  }
}

const rateOf = (measure: Measure | undefined): number => measure?.rate ?? 0

/** What is under way while a line is busy, and `spareMs` more; a chunk counts once it is whole. */
const carried = (measure: Measure, rate: number, spareMs: number): number =>
  (rate * (baseMsOf(measure) + spareMs)) / 1000 + measure.chunkBytes

/** The delay of the empty line, ms. */
function baseMsOf(measure: Measure): number {
  let base = measure.least ? travelMs(measure, measure.least) : Number.POSITIVE_INFINITY
  for (const delay of measure.empty) base = Math.min(base, travelMs(measure, delay))
  return base === Number.POSITIVE_INFINITY ? 0 : base
}

/** A delay without the time that the chunk itself takes on the line. */
const travelMs = ({ fastest }: Measure, { ms, bytes }: Delay): number =>
  fastest === 0 ? ms : Math.max(0, ms - (bytes * 1000) / fastest)

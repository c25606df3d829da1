/**
 * Which chunk from whom (protocol.md §4, §5.7). Pull with credit: no more is outstanding on a link than it carries in a
 * fraction of a second. The source of a chunk is chosen when there is room to ask, not when its content is queued. From
 * outside the site a chunk is asked for only by the member whose duty it is; everybody else waits for a neighbour's word.
 */
import { after, earliest, since, type Duration, type Instant } from '#base/time.ts'
import type { Digest } from '#base/digest.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { Bitmap } from './bitmap.ts'
import { chooseRun } from './chunk-choice.ts'
import type { FetchEnd, LinkId } from './link.ts'
import type { Ledger } from './ledger.ts'
import { send, type Neighbour, type Neighbours, type Self, type Turn } from './neighbour.ts'
import {
  chunksMax,
  contentsPerLinkMax,
  haveMs,
  lanCreditBytes,
  openAgainMs,
  runChunksMax,
  wanCreditBytesMax,
  wanCreditBytesMin,
  wanCreditMs,
} from './params.ts'
import type { Uplink } from './uplink.ts'
import { WantedContent } from './wanted-content.ts'
import type { Have, More } from './wire.ts'

interface Fetch {
  readonly link: LinkId
  readonly outside: boolean
  readonly content: WantedContent
  readonly first: number
  readonly count: number
  readonly startedAt: Instant
  arrived: number
  arrivedBytes: number
}

/** Denied twice for one content in this time, a neighbour is not asked for it before the time is over. */
const deniedPauseMs = 2_000

export class Exchange {
  readonly #self: Self
  readonly #neighbours: Neighbours
  readonly #uplink: Uplink
  readonly #ledger: Ledger
  readonly #contents = new Map<Digest, WantedContent>()
  readonly #fetches = new Map<number, Fetch>()
  /** What each neighbour asked to hear of, also before we know such a content ourselves. */
  readonly #interests = new Map<LinkId, Set<Digest>>()
  /** Bytes a second that a link from outside was seen to carry. */
  readonly #rates = new Map<LinkId, number>()
  readonly #pausedUntil = new Map<LinkId, Instant>()
  /** Contents that could not be opened, and when they are tried again. */
  readonly #openAgain = new Map<Digest, Instant>()
  #nextFetch = 1
  #newsAt: Instant | undefined

  constructor(self: Self, neighbours: Neighbours, uplink: Uplink, ledger: Ledger) {
    this.#self = self
    this.#neighbours = neighbours
    this.#uplink = uplink
    this.#ledger = ledger
  }

  /** Wants a content, its list first; `complete` is told at once where all of it is here. Wanting again may only raise its priority. */
  want(turn: Turn, ref: ContentRef, priority: number): void {
    const known = this.#contents.get(ref.digest)
    if (known) {
      known.priority = Math.min(known.priority, priority)
      if (known.phase === 'complete') turn.notify({ type: 'complete', content: ref.digest })
      return
    }
    const content = this.#begin(ref, priority)
    if (ref.list && this.#contents.get(ref.list.digest)?.phase !== 'complete') this.want(turn, ref.list, priority - 0.5)
    else this.#open(turn, content)
  }

  /** A content that is no longer needed here: nothing of it is fetched any more. What is here is still served. */
  unwant(turn: Turn, digest: Digest): void {
    const content = this.#contents.get(digest)
    if (!content || content.phase === 'complete') return
    for (const [id, fetch] of this.#fetches) if (fetch.content === content) turn.out({ type: 'cancel', fetch: id })
    for (const { link } of this.#neighbours.list()) send(turn, link, { t: 'unwant', contents: [digest] })
    this.#contents.delete(digest)
  }

  /** A content made here, complete from the start. */
  added(turn: Turn, ref: ContentRef): void {
    if (this.#contents.has(ref.digest)) return
    const content = this.#begin(ref, 0)
    if (ref.list) this.added(turn, ref.list)
    this.#open(turn, content)
  }

  opened(turn: Turn, digest: Digest, chunks: number, have: Uint8Array): void {
    const content = this.#contents.get(digest)
    if (!content || content.phase !== 'opening' || chunks > chunksMax) return
    content.opened(chunks, have)
    if (content.have.isFull) return this.#completed(turn, content)
    for (const subscriber of content.subscribers) this.#offer(turn, content, subscriber)
    for (const { link } of this.#sources()) send(turn, link, { t: 'want', contents: [digest] })
  }

  /** A content that could not be opened is tried again later: a full disk is mended by people. */
  openFailed(turn: Turn, digest: Digest, code: string): void {
    const content = this.#contents.get(digest)
    if (content?.phase === 'opening') this.#openAgain.set(digest, after(turn.now, openAgainMs))
    turn.out({ type: 'log', level: 'warn', event: 'content.not-opened', fields: { content: digest, code } })
  }

  /** A neighbour asks to hear of contents: it is told what is here, and what comes. */
  wanted(turn: Turn, neighbour: Neighbour, digests: readonly Digest[]): boolean {
    const interest = this.#interests.get(neighbour.link) ?? new Set()
    this.#interests.set(neighbour.link, interest)
    for (const digest of digests) {
      if (interest.size >= contentsPerLinkMax) return false
      interest.add(digest)
      const content = this.#contents.get(digest)
      content?.subscribers.add(neighbour.link)
      if (content) this.#offer(turn, content, neighbour.link)
    }
    return true
  }

  unwanted(neighbour: Neighbour, digests: readonly Digest[]): void {
    for (const digest of digests) {
      this.#interests.get(neighbour.link)?.delete(digest)
      this.#contents.get(digest)?.subscribers.delete(neighbour.link)
    }
  }

  /** What a neighbour has. False where it does not fit the content: only a liar or a broken member says so. */
  have(neighbour: Neighbour, message: Have): boolean {
    const content = this.#contents.get(message.content)
    if (!content || content.have.size === 0) return true
    if (message.chunks !== content.have.size) return false
    content.offers.set(
      neighbour.link,
      message.bits ? new Bitmap(message.chunks, message.bits) : Bitmap.full(message.chunks),
    )
    return true
  }

  more(neighbour: Neighbour, message: More): void {
    const content = this.#contents.get(message.content)
    if (!content || content.have.size === 0) return
    const offer = content.offers.get(neighbour.link) ?? new Bitmap(content.have.size)
    for (const [first, count] of message.runs)
      for (let index = first; index < Math.min(first + count, offer.size); index++) offer.add(index)
    content.offers.set(neighbour.link, offer)
  }

  /** A neighbour is there: it is asked about everything that is missing. */
  established(turn: Turn, neighbour: Neighbour): void {
    const missing = [...this.#contents.values()]
      .filter((content) => content.phase === 'fetching')
      .map((content) => content.ref.digest)
    if (missing.length > 0 && this.#sources().includes(neighbour))
      send(turn, neighbour.link, { t: 'want', contents: missing.slice(0, contentsPerLinkMax) })
  }

  /** Outside links are asked only while we act; asked again when that changes. */
  standingChanged(turn: Turn): void {
    for (const neighbour of this.#neighbours.list('outside')) this.established(turn, neighbour)
  }

  down(link: LinkId): void {
    for (const content of this.#contents.values()) {
      content.offers.delete(link)
      content.subscribers.delete(link)
    }
    this.#interests.delete(link)
    this.#rates.delete(link)
    this.#pausedUntil.delete(link)
  }

  /** Whether all chunks of a run are here, so that it may be served. */
  canServe(digest: Digest, first: number, count: number): boolean {
    const content = this.#contents.get(digest)
    if (!content || count < 1 || count > runChunksMax) return false
    for (let index = first; index < first + count; index++) if (!content.have.has(index)) return false
    return true
  }

  chunk(
    turn: Turn,
    id: number,
    index: number,
    bytes: number,
    verdict: 'stored' | 'already' | 'wrong' | 'unstored',
  ): Neighbour | undefined {
    const fetch = this.#fetches.get(id)
    if (!fetch) return undefined
    const { content } = fetch
    fetch.arrived++
    fetch.arrivedBytes += bytes
    this.#ledger.chunk(fetch.outside, 'down', content.ref.digest, bytes, verdict === 'already' || verdict === 'wrong')
    content.flying.delete(index)
    if (verdict === 'wrong') {
      content.offers.delete(fetch.link)
      turn.out({ type: 'cancel', fetch: id })
      return this.#neighbours.get(fetch.link)
    }
    if (verdict === 'stored' || verdict === 'already') this.#stored(turn, content, index)
    return undefined
  }

  fetchEnded(turn: Turn, id: number, end: FetchEnd): void {
    const fetch = this.#fetches.get(id)
    if (!fetch) return
    this.#fetches.delete(id)
    for (let index = fetch.first; index < fetch.first + fetch.count; index++) fetch.content.flying.delete(index)
    if (fetch.outside && fetch.arrivedBytes > 0) this.#measure(turn, fetch)
    if (end === 'done' || end === 'cancelled') return
    // What it said it has is doubtful now; it is asked anew, but not at once, or two members would spin.
    fetch.content.offers.delete(fetch.link)
    this.#pausedUntil.set(fetch.link, after(turn.now, deniedPauseMs))
  }

  /** Tells the news that are due, and fills every link up to its credit. */
  pump(turn: Turn): void {
    if (this.#newsAt !== undefined && this.#newsAt <= turn.now) this.#tellNews(turn)
    for (const [digest, at] of this.#openAgain) if (at <= turn.now) this.#reopen(turn, digest)
    const queue = [...this.#contents.values()].filter((content) => content.phase === 'fetching')
    if (queue.length === 0) return
    queue.sort((a, b) => a.priority - b.priority)
    for (const neighbour of this.#sources()) {
      const pausedUntil = this.#pausedUntil.get(neighbour.link)
      if (pausedUntil !== undefined) {
        if (pausedUntil > turn.now) continue
        this.#pausedUntil.delete(neighbour.link)
        this.established(turn, neighbour)
      }
      this.#fill(turn, neighbour, queue)
    }
  }

  nextWake(): Instant | undefined {
    return earliest(this.#newsAt, ...this.#pausedUntil.values(), ...this.#openAgain.values())
  }

  content(digest: Digest): WantedContent | undefined {
    return this.#contents.get(digest)
  }

  contents(): Iterable<WantedContent> {
    return this.#contents.values()
  }

  /** Neighbours that may be asked for chunks: our site's, and others only while going outside is our part. */
  #sources(): Neighbour[] {
    const { acting } = this.#uplink.standing
    return this.#neighbours.list().filter((neighbour) => neighbour.inside || acting)
  }

  #begin(ref: ContentRef, priority: number): WantedContent {
    const content = new WantedContent(ref, priority)
    this.#contents.set(ref.digest, content)
    for (const [link, interest] of this.#interests) if (interest.has(ref.digest)) content.subscribers.add(link)
    return content
  }

  #reopen(turn: Turn, digest: Digest): void {
    this.#openAgain.delete(digest)
    const content = this.#contents.get(digest)
    if (content?.phase === 'opening') this.#open(turn, content)
  }

  #open(turn: Turn, content: WantedContent): void {
    content.phase = 'opening'
    turn.out({ type: 'open', ref: content.ref })
  }

  #stored(turn: Turn, content: WantedContent, index: number): void {
    if (!content.have.add(index)) return
    if (content.subscribers.size > 0) {
      content.news.push(index)
      this.#newsAt ??= after(turn.now, haveMs)
    }
    if (content.have.isFull) this.#completed(turn, content)
  }

  #completed(turn: Turn, content: WantedContent): void {
    const wasFetching = content.phase === 'fetching'
    content.phase = 'complete'
    content.offers.clear()
    if (wasFetching)
      for (const { link } of this.#sources()) send(turn, link, { t: 'unwant', contents: [content.ref.digest] })
    for (const subscriber of content.subscribers) this.#offer(turn, content, subscriber)
    content.news = []
    turn.notify({ type: 'complete', content: content.ref.digest })
    for (const other of this.#contents.values())
      if (other.phase === 'listing' && other.ref.list?.digest === content.ref.digest) this.#open(turn, other)
  }

  #offer(turn: Turn, content: WantedContent, link: LinkId): void {
    if (content.have.count === 0) return
    const offer = { t: 'have', content: content.ref.digest, chunks: content.have.size } as const
    send(turn, link, content.have.isFull ? offer : { ...offer, bits: content.have.bytes })
  }

  #tellNews(turn: Turn): void {
    this.#newsAt = undefined
    for (const content of this.#contents.values()) {
      if (content.news.length === 0) continue
      for (const link of content.subscribers) {
        const offer = content.offers.get(link)
        const runs = runsOf(content.news.filter((index) => !offer?.has(index)))
        if (runs.length > 0) send(turn, link, { t: 'more', content: content.ref.digest, runs })
      }
      content.news = []
    }
  }

  /** Asks one neighbour for as much as its credit allows, in order of priority. */
  #fill(turn: Turn, neighbour: Neighbour, queue: readonly WantedContent[]): void {
    let credit = this.#creditBytes(neighbour) - this.#outstandingBytes(neighbour.link)
    for (const content of queue) {
      const offer = content.offers.get(neighbour.link)
      if (!offer) continue
      while (credit > 0) {
        const run = chooseRun({
          content,
          offer,
          inside: neighbour.inside,
          creditBytes: credit,
          isOurs: (index) => this.#uplink.isOurs(content.ref.digest, index),
          random: this.#self.random,
        })
        if (!run) break
        for (let index = run.first; index < run.first + run.count; index++) content.flying.add(index)
        const id = this.#nextFetch++
        this.#fetches.set(id, {
          link: neighbour.link,
          outside: !neighbour.inside,
          content,
          ...run,
          startedAt: turn.now,
          arrived: 0,
          arrivedBytes: 0,
        })
        turn.out({ type: 'fetch', fetch: id, link: neighbour.link, run: { content: content.ref.digest, ...run } })
        credit -= run.count * content.chunkBytes
      }
      if (credit <= 0) return
    }
  }

  #outstandingBytes(link: LinkId): number {
    let bytes = 0
    for (const fetch of this.#fetches.values())
      if (fetch.link === link) bytes += Math.max(0, fetch.count - fetch.arrived) * fetch.content.chunkBytes
    return bytes
  }

  #creditBytes(neighbour: Neighbour): number {
    if (neighbour.inside) return lanCreditBytes
    const rate = this.#rates.get(neighbour.link) ?? 0
    return Math.min(wanCreditBytesMax, Math.max(wanCreditBytesMin, (rate * wanCreditMs) / 1000))
  }

  #measure(turn: Turn, fetch: Fetch): void {
    const elapsed: Duration = since(fetch.startedAt, turn.now)
    const rate = (fetch.arrivedBytes * 1000) / Math.max(1, elapsed)
    // Doubling at most: one burst out of a full buffer says little about the line.
    const before = this.#rates.get(fetch.link) ?? 0
    this.#rates.set(fetch.link, before === 0 ? rate : before * 0.5 + Math.min(rate, before * 4) * 0.5)
  }
}

function runsOf(indexes: readonly number[]): (readonly [number, number])[] {
  const runs: [number, number][] = []
  for (const index of indexes.toSorted((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last && last[0] + last[1] === index) last[1]++
    else runs.push([index, 1])
  }
  return runs
}

/**
 * Which chunk from whom (protocol.md §4, §5.7). Pull with credit: no more is outstanding on a link than it carries in a
 * fraction of a second. The source of a chunk is chosen when there is room to ask, not when its content is queued. From
 * outside the site a chunk is asked for only by the member whose duty it is; everybody else waits for a neighbour's word.
 */
import { after, earliest, type Instant } from '#base/time.ts'
import { assert } from '#base/assert.ts'
import type { Digest } from '#base/digest.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { Bitmap } from './bitmap.ts'
import { chooseRun } from './chunk-choice.ts'
import { Credit } from './credit.ts'
import { Interests } from './interests.ts'
import type { FetchEnd, LinkId } from './link.ts'
import type { Ledger } from './ledger.ts'
import { send, type Neighbour, type Neighbours, type Self, type Turn } from './neighbour.ts'
import { chunksMax, haveMs, openAgainMs, runChunksMax, runsPerMessageMax } from './params.ts'
import { Pauses } from './pauses.ts'
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

export class Exchange {
  readonly #self: Self
  readonly #neighbours: Neighbours
  readonly #uplink: Uplink
  readonly #ledger: Ledger
  readonly #contents = new Map<Digest, WantedContent>()
  readonly #fetches = new Map<number, Fetch>()
  readonly #interests = new Interests()
  readonly #credit = new Credit()
  readonly #pauses = new Pauses()
  /** Contents that could not be opened, and when they are tried again. */
  readonly #openAgain = new Map<Digest, Instant>()
  #nextFetch = 1
  #newsAt: Instant | undefined
  #hasNewDemand = false

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

  /** A content that is no longer needed here: nothing of it is fetched or served any more, unless it is complete. */
  unwant(turn: Turn, digest: Digest): void {
    const content = this.#contents.get(digest)
    if (!content || content.phase === 'complete' || this.#isListing(digest)) return
    // Forgotten before anything is said: whatever comes of that must not take it up again.
    this.#contents.delete(digest)
    this.#openAgain.delete(digest)
    this.#cancel(turn, content)
    this.#interests.done(turn, digest)
    if (content.phase === 'listing' && content.ref.list) this.unwant(turn, content.ref.list.digest)
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
    assert(chunks <= chunksMax, 'a content has at most as many chunks as its reference may name')
    if (content?.phase !== 'opening') return
    content.opened(chunks, have)
    if (content.have.isFull) return this.#completed(turn, content)
    for (const subscriber of content.subscribers) this.#offer(turn, content, subscriber)
    for (const { link } of this.#sources()) this.#interests.ask(turn, link, [digest])
  }

  /** A content that could not be opened is tried again later: a full disk is mended by people. */
  openFailed(turn: Turn, digest: Digest, code: string): void {
    const content = this.#contents.get(digest)
    if (content?.phase === 'opening') this.#openAgain.set(digest, after(turn.now, openAgainMs))
    turn.out({ type: 'log', level: 'warn', event: 'content.not-opened', fields: { content: digest, code } })
  }

  /** A neighbour asks to hear of contents: it is told what is here, and what comes. */
  wanted(turn: Turn, neighbour: Neighbour, digests: readonly Digest[]): boolean {
    for (const digest of digests) {
      if (!this.#interests.heard(neighbour.link, digest)) return false
      const content = this.#contents.get(digest)
      content?.subscribers.add(neighbour.link)
      if (content) this.#offer(turn, content, neighbour.link)
      else this.#hasNewDemand = true
    }
    return true
  }

  /** Whether neighbours of our site ask for contents that we do not know; unless `anew`, only where somebody asked since. */
  isAskedInVain(anew: boolean): boolean {
    if (!anew && !this.#hasNewDemand) return false
    this.#hasNewDemand = false
    return this.#neighbours
      .list('inside')
      .some(({ link }) => [...this.#interests.at(link)].some((digest) => !this.#contents.has(digest)))
  }

  unwanted(neighbour: Neighbour, digests: readonly Digest[]): void {
    for (const digest of digests) {
      this.#interests.unheard(neighbour.link, digest)
      this.#contents.get(digest)?.subscribers.delete(neighbour.link)
    }
  }

  /** What a neighbour has. False where it does not fit the content: only a liar or a broken member says so. */
  have(neighbour: Neighbour, message: Have): boolean {
    const content = this.#contents.get(message.content)
    // Said on our want, which crossed the last chunk; or of nothing that we asked for.
    if (content?.phase !== 'fetching') return true
    if (message.chunks !== content.have.size) return false
    content.offers.set(
      neighbour.link,
      message.bits ? new Bitmap(message.chunks, message.bits) : Bitmap.full(message.chunks),
    )
    return true
  }

  more(neighbour: Neighbour, message: More): void {
    const content = this.#contents.get(message.content)
    if (content?.phase !== 'fetching') return
    const offer = content.offers.get(neighbour.link) ?? new Bitmap(content.have.size)
    for (const [first, count] of message.runs)
      for (let index = first; index < Math.min(first + count, offer.size); index++) offer.add(index)
    content.offers.set(neighbour.link, offer)
  }

  /** A neighbour is there: it is asked about everything that is missing. */
  established(turn: Turn, neighbour: Neighbour): void {
    const missing = this.#queue().map((content) => content.ref.digest)
    if (missing.length > 0 && this.#sources().includes(neighbour)) this.#interests.ask(turn, neighbour.link, missing)
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
    this.#interests.down(link)
    this.#credit.down(link)
    this.#pauses.down(link)
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
    // Let go while it was on its way.
    if (this.#contents.get(content.ref.digest) !== content) return undefined
    if (verdict === 'wrong') {
      this.#pause(turn, fetch)
      turn.out({ type: 'cancel', fetch: id })
      return this.#neighbours.get(fetch.link)
    }
    if (verdict === 'unstored') this.#closeForNow(turn, content)
    if (verdict === 'stored' || verdict === 'already') this.#stored(turn, content, index)
    return undefined
  }

  fetchEnded(turn: Turn, id: number, end: FetchEnd): void {
    const fetch = this.#fetches.get(id)
    if (!fetch) return
    this.#fetches.delete(id)
    for (let index = fetch.first; index < fetch.first + fetch.count; index++) fetch.content.flying.delete(index)
    if (fetch.outside && fetch.arrivedBytes > 0) this.#credit.measure(turn.now, fetch)
    if (end === 'done' || end === 'cancelled') return
    // Our own disk failed: that is not the neighbour's fault.
    if (fetch.content.phase === 'fetching') this.#pause(turn, fetch)
  }

  /** Tells the news that are due, and fills every link up to its credit. */
  pump(turn: Turn): void {
    if (this.#newsAt !== undefined && this.#newsAt <= turn.now) this.#tellNews(turn)
    for (const [digest, at] of this.#openAgain) if (at <= turn.now) this.#reopen(turn, digest)
    const queue = this.#queue()
    const sources = this.#sources()
    this.#endPauses(turn, sources)
    if (this.#interests.takeShortage()) for (const neighbour of sources) this.established(turn, neighbour)
    for (const neighbour of sources) if (!this.#pauses.has(neighbour.link)) this.#fill(turn, neighbour, queue)
  }

  nextWake(): Instant | undefined {
    return earliest(this.#newsAt, this.#pauses.nextWake(), ...this.#openAgain.values())
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

  /** What is being fetched, most urgent first. */
  #queue(): WantedContent[] {
    return [...this.#contents.values()]
      .filter((content) => content.phase === 'fetching')
      .sort((a, b) => a.priority - b.priority)
  }

  /** Whether a content is the list that another waits for. */
  #isListing(digest: Digest): boolean {
    return [...this.#contents.values()].some(({ phase, ref }) => phase === 'listing' && ref.list?.digest === digest)
  }

  #cancel(turn: Turn, content: WantedContent): void {
    for (const [id, fetch] of this.#fetches) if (fetch.content === content) turn.out({ type: 'cancel', fetch: id })
  }

  /** What a neighbour said of a content is doubtful now: it is asked anew, but not at once. */
  #pause(turn: Turn, { link, content }: Fetch): void {
    content.offers.delete(link)
    this.#pauses.begin(turn.now, link, content.ref.digest)
  }

  #endPauses(turn: Turn, sources: readonly Neighbour[]): void {
    for (const [link, contents] of this.#pauses.end(turn.now)) {
      const missing = [...contents].filter((digest) => this.#contents.get(digest)?.phase === 'fetching')
      if (sources.some((neighbour) => neighbour.link === link)) this.#interests.askAgain(turn, link, missing)
    }
  }

  /** The store cannot take it: nothing more is fetched in vain until it has been opened again. */
  #closeForNow(turn: Turn, content: WantedContent): void {
    content.phase = 'opening'
    content.offers.clear()
    this.#cancel(turn, content)
    this.#interests.done(turn, content.ref.digest)
    this.#openAgain.set(content.ref.digest, after(turn.now, openAgainMs))
  }

  #begin(ref: ContentRef, priority: number): WantedContent {
    const content = new WantedContent(ref, priority)
    this.#contents.set(ref.digest, content)
    for (const link of this.#interests.of(ref.digest)) content.subscribers.add(link)
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
    content.phase = 'complete'
    content.offers.clear()
    this.#interests.done(turn, content.ref.digest)
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
        const runs = content.newsFor(link)
        if (runs.length > runsPerMessageMax) this.#offer(turn, content, link)
        else if (runs.length > 0) send(turn, link, { t: 'more', content: content.ref.digest, runs })
      }
      content.news = []
    }
  }

  /** Asks one neighbour for as much as its credit allows, in order of priority. */
  #fill(turn: Turn, neighbour: Neighbour, queue: readonly WantedContent[]): void {
    let credit = this.#credit.bytesOf(neighbour) - this.#outstandingBytes(neighbour.link)
    for (const content of queue) {
      const offer = content.offers.get(neighbour.link)
      if (!offer || content.have.count + content.flying.count >= content.have.size) continue
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
}

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
import { Asking, type AskingPlace } from './asking.ts'
import type { Fetch } from './fetches.ts'
import { Interests } from './interests.ts'
import type { Line } from './line.ts'
import type { FetchEnd, LinkId } from './link.ts'
import type { Ledger } from './ledger.ts'
import { send, type Neighbour, type Neighbours, type Turn } from './neighbour.ts'
import { chunksMax, openAgainMs, runChunksMax, runsPerMessageMax } from './params.ts'
import { runsOf } from './news.ts'
import { Pauses } from './pauses.ts'
import { WantedContent } from './wanted-content.ts'
import type { Have, Lease, More } from './wire.ts'

export class Exchange {
  readonly #neighbours: Neighbours
  readonly #ledger: Ledger
  readonly #contents = new Map<Digest, WantedContent>()
  readonly #asking: Asking
  readonly #interests = new Interests()
  readonly #pauses = new Pauses()
  /** Contents that could not be opened, and when they are tried again. */
  readonly #openAgain = new Map<Digest, Instant>()
  /** Contents with something to tell. */
  readonly #news = new Set<WantedContent>()
  #hasNewDemand = false

  constructor(place: AskingPlace, ledger: Ledger) {
    this.#neighbours = place.neighbours
    this.#ledger = ledger
    this.#asking = new Asking(place, this.#pauses)
  }

  /** Who of the site fetches what from outside. */
  get line(): Line {
    return this.#asking.line
  }

  /** Wants a content, its list first; `complete` is told at once where all of it is here. Wanting again may only raise its priority. */
  want(turn: Turn, ref: ContentRef, priority: number): void {
    const known = this.#contents.get(ref.digest)
    if (known) {
      known.priority = Math.min(known.priority, priority)
      this.#asking.look()
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
    this.#news.delete(content)
    this.#asking.cancel(turn, content)
    this.#interests.done(turn, digest)
    this.line.done(digest)
    if (content.phase === 'listing' && content.ref.list) this.unwant(turn, content.ref.list.digest)
  }

  /** A content made here, complete from the start. */
  added(turn: Turn, ref: ContentRef): void {
    if (this.#contents.has(ref.digest)) return
    const content = this.#begin(ref, 0)
    if (ref.list) this.added(turn, ref.list)
    this.#open(turn, content)
  }

  /** Contents that are no longer here: an ask for one is denied, and it can be wanted anew. One that is being fetched stays. */
  evicted(digests: readonly Digest[]): void {
    for (const digest of digests) if (this.#contents.get(digest)?.phase === 'complete') this.#contents.delete(digest)
  }

  opened(turn: Turn, digest: Digest, chunks: number, have: Uint8Array): void {
    const content = this.#contents.get(digest)
    assert(chunks <= chunksMax, 'a content has at most as many chunks as its reference may name')
    if (content?.phase !== 'opening') return
    content.opened(chunks, have)
    this.#asking.look()
    if (content.have.isFull) return this.#completed(turn, content)
    for (const subscriber of content.subscribers) this.#offer(turn, content, subscriber)
    for (const { link } of this.#asking.sources()) this.#interests.ask(turn, link, [digest])
  }

  /** A content that could not be opened is tried again later: a full disk is mended by people. */
  openFailed(turn: Turn, digest: Digest, code: string): void {
    const content = this.#contents.get(digest)
    if (content?.phase === 'opening') this.#openAgain.set(digest, after(turn.now, openAgainMs))
    // Its list was complete, and is gone from the disk: it is wanted anew with the next try.
    if (code === 'CONTENT_MISSING' && content?.ref.list) this.evicted([content.ref.list.digest])
    // Whoever keeps the quota says so, once.
    const level = code === 'DISK_QUOTA' ? 'debug' : 'warn'
    turn.out({ type: 'log', level, event: 'content.not-opened', fields: { content: digest, code } })
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
    this.#offered(
      neighbour,
      content,
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
    this.#offered(neighbour, content, offer)
  }

  /** What an uplink member of our site has taken on. */
  leased(turn: Turn, neighbour: Neighbour, message: Lease): void {
    this.#asking.look()
    this.line.heard(turn, neighbour, message, this.#contents.get(message.content))
  }

  /** A neighbour is there: it is asked about everything that is missing. */
  established(turn: Turn, neighbour: Neighbour): void {
    this.#asking.look()
    const missing = this.#queue().map((content) => content.ref.digest)
    if (missing.length > 0 && this.#asking.sources().includes(neighbour))
      this.#interests.ask(turn, neighbour.link, missing)
  }

  /** Outside links are asked only while we act; asked again when that changes. */
  standingChanged(turn: Turn): void {
    this.#asking.look()
    for (const neighbour of this.#neighbours.list('outside')) this.established(turn, neighbour)
  }

  down(link: LinkId): void {
    for (const content of this.#contents.values()) {
      content.offers.delete(link)
      content.subscribers.delete(link)
    }
    this.#interests.down(link)
    this.#pauses.down(link)
    this.#asking.down(link)
  }

  /** A time came: leases may have run out, and who acts may have fallen silent. */
  woke(): void {
    this.#asking.look()
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
    const fetch = this.#asking.fetches.get(id)
    if (!fetch) return undefined
    const { content } = fetch
    this.#asking.arrived(turn.now, fetch, index, bytes)
    // What trickles in of an ask that was given up says nothing for a neighbour.
    if (!fetch.slow && verdict !== 'wrong') this.#pauses.brought(fetch.link)
    const peer = this.#neighbours.get(fetch.link)?.peer
    const isDouble = verdict === 'already' && fetch.outside
    const known = verdict === 'stored' ? undefined : verdict
    const reason = isDouble ? this.line.doubleOf(content.ref.digest, index) : known
    this.#ledger.chunk(fetch.outside, 'down', content.ref.digest, bytes, { peer, reason })
    // Let go while it was on its way.
    if (this.#contents.get(content.ref.digest) !== content) return undefined
    if (verdict === 'wrong') {
      // Of this one, this chunk is not asked again: not before it says anew what it has.
      content.offers.get(fetch.link)?.delete(index)
      this.#pauses.doubt(turn.now, fetch.link, content.ref.digest)
      this.#asking.look()
      turn.out({ type: 'cancel', fetch: id })
      return this.#neighbours.get(fetch.link)
    }
    if (verdict === 'unstored') this.#closeForNow(turn, content)
    if (verdict === 'stored' || verdict === 'already') this.#stored(turn, content, index, fetch)
    return undefined
  }

  fetchEnded(turn: Turn, id: number, end: FetchEnd): void {
    const fetch = this.#asking.fetches.get(id)
    if (!fetch) return
    this.#asking.ended(turn.now, fetch)
    // What this one did not bring is asked of others.
    if (end !== 'done') this.#asking.look()
    if (end === 'done' || end === 'cancelled') return
    // Our own disk failed: that is not the neighbour's fault.
    if (fetch.content.phase === 'fetching') this.#pause(turn, fetch)
  }

  /** Tells the news that are due, and fills every link that may have room up to its credit. */
  pump(turn: Turn): void {
    this.#tellNews(turn)
    for (const [digest, at] of this.#openAgain) if (at <= turn.now) this.#reopen(turn, digest)
    this.#endPauses(turn)
    this.#giveUpSlow(turn)
    if (this.#interests.takeShortage())
      for (const neighbour of this.#asking.sources()) this.established(turn, neighbour)
    this.#asking.fill(turn, this.#queue())
  }

  nextWake(): Instant | undefined {
    let next = earliest(this.#pauses.nextWake(), this.#asking.nextWake(), this.line.nextWake())
    for (const content of this.#news) next = earliest(next, content.news.nextWake())
    for (const at of this.#openAgain.values()) next = earliest(next, at)
    return next
  }

  content(digest: Digest): WantedContent | undefined {
    return this.#contents.get(digest)
  }

  contents(): Iterable<WantedContent> {
    return this.#contents.values()
  }

  /** What is being fetched, most urgent first. */
  #queue(): WantedContent[] {
    const queue: WantedContent[] = []
    for (const content of this.#contents.values()) if (content.phase === 'fetching') queue.push(content)
    return queue.sort((a, b) => a.priority - b.priority)
  }

  /** Whether a content is the list that another waits for. */
  #isListing(digest: Digest): boolean {
    return [...this.#contents.values()].some(({ phase, ref }) => phase === 'listing' && ref.list?.digest === digest)
  }

  /** What a neighbour said of a content is doubtful now: it is asked anew, but not at once. */
  #pause(turn: Turn, { link, content, outside, arrived }: Fetch): void {
    content.offers.delete(link)
    // Whoever offers and denies again and again must not keep others from fetching what it offers.
    const offersInVain = !outside && arrived === 0 && this.#neighbours.established(link) !== undefined
    if (offersInVain) this.#pauses.stalled(turn.now, link, content.ref.digest)
    else this.#pauses.begin(turn.now, link, content.ref.digest)
  }

  #endPauses(turn: Turn): void {
    for (const [link, contents] of this.#pauses.end(turn.now)) {
      this.#asking.look()
      const missing = [...contents].filter((digest) => this.#contents.get(digest)?.phase === 'fetching')
      if (this.#asking.sources().some((neighbour) => neighbour.link === link))
        this.#interests.askAgain(turn, link, missing)
    }
  }

  /** The store cannot take it: nothing more is fetched in vain until it has been opened again. */
  #closeForNow(turn: Turn, content: WantedContent): void {
    content.phase = 'opening'
    content.offers.clear()
    this.#asking.cancel(turn, content)
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
    if (content?.phase !== 'opening') return
    const { list } = content.ref
    if (!list || this.#contents.get(list.digest)?.phase === 'complete') return this.#open(turn, content)
    content.phase = 'listing'
    this.want(turn, list, content.priority - 0.5)
  }

  #open(turn: Turn, content: WantedContent): void {
    content.phase = 'opening'
    turn.out({ type: 'open', ref: content.ref })
  }

  #stored(turn: Turn, content: WantedContent, index: number, { outside, link }: Fetch): void {
    if (!content.have.add(index)) return
    this.line.stored(turn.now, link, outside)
    if (content.subscribers.size > 0) {
      const missing = content.have.size - content.have.count
      content.news.add(turn.now, index, outside, { subscribers: content.subscribers.size, missing })
      this.#news.add(content)
    }
    if (content.have.isFull) this.#completed(turn, content)
    else if (!outside && content.flyingOutside.has(index)) this.#asking.spareLine(turn, content)
  }

  #completed(turn: Turn, content: WantedContent): void {
    content.phase = 'complete'
    content.offers.clear()
    content.news.clear()
    this.#news.delete(content)
    this.line.done(content.ref.digest)
    // What was asked for twice, and came from the other.
    this.#asking.cancel(turn, content)
    this.#interests.done(turn, content.ref.digest)
    for (const subscriber of content.subscribers) this.#offer(turn, content, subscriber)
    turn.notify({ type: 'complete', content: content.ref.digest })
    for (const other of this.#contents.values())
      if (other.phase === 'listing' && other.ref.list?.digest === content.ref.digest) this.#open(turn, other)
  }

  /** What a neighbour has, as a whole. */
  #offered({ link }: Neighbour, content: WantedContent, offer: Bitmap): void {
    content.offers.set(link, offer)
    this.#asking.look()
  }

  #offer(turn: Turn, content: WantedContent, link: LinkId): void {
    if (content.have.count === 0) return
    const offer = { t: 'have', content: content.ref.digest, chunks: content.have.size } as const
    send(turn, link, content.have.isFull ? offer : { ...offer, bits: content.have.bytes })
  }

  #tellNews(turn: Turn): void {
    for (const content of this.#news) {
      for (const [link, indexes] of content.news.take(turn.now, content.subscribers)) {
        const runs = runsOf(indexes, content.offers.get(link))
        if (runs.length > runsPerMessageMax) this.#offer(turn, content, link)
        else if (runs.length > 0) send(turn, link, { t: 'more', content: content.ref.digest, runs })
      }
      if (content.news.nextWake() === undefined) this.#news.delete(content)
    }
  }

  /** Neighbours of our site, and traders, that were asked and bring nothing, or next to it, lose their place: others are asked, in the end the outside. */
  #giveUpSlow(turn: Turn): void {
    if (!this.#asking.fetches.markSlow(turn.now)) return
    for (const fetch of this.#asking.fetches.all())
      if (fetch.slow && fetch.content.offers.delete(fetch.link)) {
        this.#pauses.stalled(turn.now, fetch.link, fetch.content.ref.digest)
        // Over the line nothing may come twice.
        if (fetch.outside) turn.out({ type: 'cancel', fetch: fetch.id })
      }
    this.#asking.look()
  }
}

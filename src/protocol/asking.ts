/**
 * Asks neighbours for chunks, each for as much as its credit allows (protocol.md §4, §5.7). The source of a chunk is chosen when there
 * is room to ask, not when its content is queued. Only links where something changed are looked at: a chunk that comes costs little.
 */
import type { Digest } from '#base/digest.ts'
import { after, earliest, type Instant } from '#base/time.ts'
import type { Bitmap } from './bitmap.ts'
import type { Budgets } from './budget.ts'
import { chooseInside, chooseOutside, type OutsideChoice, type Run } from './chunk-choice.ts'
import { Credit } from './credit.ts'
import { Draw } from './draw.ts'
import { siteRanksFirst } from './duty.ts'
import { Fetches, type Fetch } from './fetches.ts'
import { Line } from './line.ts'
import type { LinkId } from './link.ts'
import type { Neighbour, Neighbours, Self, Turn } from './neighbour.ts'
import { drawLookMs, lanRunBytes, lineOverhead, slowLanMs, slowTraderMs, wanRunBytes } from './params.ts'
import type { Pauses } from './pauses.ts'
import type { Traders } from './traders.ts'
import type { Uplink } from './uplink.ts'
import type { WantedContent } from './wanted-content.ts'

/** Among whom it asks. */
export interface AskingPlace {
  readonly self: Self
  readonly neighbours: Neighbours
  readonly uplink: Uplink
  readonly traders: Traders
  readonly budgets: Budgets
  readonly isPolite: boolean
}

/** Sites that trade with ours: all that the origin named, and those that we have a link to. */
interface Trade {
  readonly links: readonly LinkId[]
  readonly sites: ReadonlySet<string>
  readonly linkedSites: ReadonlySet<string>
}

/** A run, and whether it is more than our share among the sites that trade. */
type Share = Run & { readonly isBeyond?: true }

export class Asking {
  readonly fetches = new Fetches()
  /** Who of the site fetches what from outside. */
  readonly line: Line
  readonly #self: Self
  readonly #neighbours: Neighbours
  readonly #uplink: Uplink
  readonly #traders: Traders
  readonly #credit: Credit
  readonly #budgets: Budgets
  /** When the budget lets us ask for what it keeps us from. */
  #heldUntil: Instant | undefined
  readonly #pauses: Pauses
  readonly #draw = new Draw()
  /** While we trade and something is missing: when the line is looked at again. */
  #drawAt: Instant | undefined
  /** Links that may have room for asks, or reason for asks that they had not before. */
  readonly #ready = new Set<LinkId>()
  #areAllReady = true

  constructor({ self, neighbours, uplink, traders, budgets, isPolite }: AskingPlace, pauses: Pauses) {
    this.#pauses = pauses
    this.#self = self
    this.#budgets = budgets
    this.#credit = new Credit(isPolite)
    this.#neighbours = neighbours
    this.#uplink = uplink
    this.#traders = traders
    this.line = new Line(self, neighbours, uplink, { fetches: this.fetches, credit: this.#credit, pauses })
  }

  /** Something changed that may be reason to ask anybody. */
  look(): void {
    this.#areAllReady = true
  }

  /** Neighbours that may be asked for chunks: our site's, and others only while going outside is our part. */
  sources(): Neighbour[] {
    const { acting } = this.#uplink.standing
    return this.#neighbours.list().filter((neighbour) => neighbour.inside || acting)
  }

  arrived(now: Instant, fetch: Fetch, index: number, bytes: number): void {
    const { link, startedAt, outside } = fetch
    this.#credit.arrived(now, { link, bytes, askedAt: startedAt, isFirst: fetch.arrived === 0, inside: !outside })
    this.fetches.arrived(now, fetch, index, bytes)
    if (outside) {
      this.line.moved(now)
      this.#draw.arrived(now, bytes, fetch.isBeyond)
      this.#budgets.wanDown.take(now, bytes - fetch.content.chunkBytes)
    }
    if (this.#hasRoom(link)) this.#ready.add(link)
  }

  ended(now: Instant, fetch: Fetch): void {
    const missing = Math.max(0, fetch.count - fetch.arrived)
    if (fetch.outside) this.#budgets.wanDown.take(now, -missing * fetch.content.chunkBytes)
    this.fetches.ended(fetch)
    this.#ready.add(fetch.link)
  }

  /** Whatever is under way of a content is of no use any more. */
  cancel(turn: Turn, content: WantedContent): void {
    for (const fetch of this.fetches.all()) if (fetch.content === content) turn.out({ type: 'cancel', fetch: fetch.id })
  }

  /** Asks over the line of which a neighbour brought everything meanwhile are of no use any more. */
  spareLine(turn: Turn, content: WantedContent): void {
    for (const { id, outside, content: of, first, count } of this.fetches.all()) {
      if (!outside || of !== content) continue
      let isNeeded = false
      for (let index = first; index < first + count; index++) isNeeded ||= !content.have.has(index)
      if (!isNeeded) turn.out({ type: 'cancel', fetch: id })
    }
  }

  down(link: LinkId): void {
    this.#credit.down(link)
    this.line.down(link)
    this.look()
  }

  /** Asks all that are ready, but those that are left alone, for what is in the queue, most urgent first. */
  fill(turn: Turn, queue: readonly WantedContent[]): void {
    this.#heldUntil = undefined
    // Where the schedule lets nothing pass nobody is late.
    this.line.wake(turn, this.#budgets.wanDown.rate === 0 ? [] : queue)
    const isDue = queue.length > 0 && (this.#areAllReady || this.#ready.size > 0)
    const asked = isDue
      ? this.sources().filter(({ link }) => (this.#areAllReady || this.#ready.has(link)) && !this.#pauses.has(link))
      : []
    this.#areAllReady = false
    this.#ready.clear()
    if (asked.length > 0) this.#fillAll(turn, asked, queue)
    const isTrading = queue.length > 0 && this.#traders.linked().length > 0
    this.#drawAt = isTrading ? after(turn.now, drawLookMs) : undefined
  }

  nextWake(): Instant | undefined {
    return earliest(this.#heldUntil, this.fetches.nextWake(), this.#drawAt)
  }

  /** Whether there is room for more than a chunk or two: asks for one chunk at a time cost more than they bring. */
  #hasRoom(link: LinkId): boolean {
    const neighbour = this.#neighbours.get(link)
    if (!neighbour) return false
    const outstanding = this.fetches.bytesFrom(link)
    const credit = this.#credit.bytesOf(neighbour)
    const enough = Math.min(neighbour.inside ? lanRunBytes : wanRunBytes, neighbour.inside ? credit / 2 : credit / 4)
    return outstanding === 0 || credit - outstanding >= enough
  }

  /**
   * Those who hand out the least first, and who acts at the uplink after all others of the site: it has the line to look after. Outside
   * traders come before the origin.
   */
  #fillAll(turn: Turn, sources: readonly Neighbour[], queue: readonly WantedContent[]): void {
    const rank = ({ inside, acting, trades, link }: Neighbour): number =>
      (inside ? (acting ? 1e12 : 0) : trades ? 2e12 : 3e12) + this.fetches.bytesFrom(link)
    const trade = this.#trade()
    const { reach } = this.#uplink.standing
    const duty = reach ? this.line.duty(turn.now) : () => false
    const took = new Set<WantedContent>()
    for (const neighbour of sources.toSorted((a, b) => rank(a) - rank(b))) {
      if (neighbour.inside) this.#fillInside(turn, neighbour, queue)
      else if (reach) for (const content of this.#fillOutside(turn, neighbour, queue, duty, trade)) took.add(content)
    }
    if (took.size > 0) this.line.took(turn, took)
  }

  /** Asks a neighbour of our site for as much as its credit allows, in order of priority. */
  #fillInside(turn: Turn, neighbour: Neighbour, queue: readonly WantedContent[]): void {
    if (!this.#hasRoom(neighbour.link)) return
    let creditBytes = this.#credit.bytesOf(neighbour) - this.fetches.bytesFrom(neighbour.link)
    for (const content of queue) {
      const offer = content.offers.get(neighbour.link)
      if (!offer) continue
      while (creditBytes > 0) {
        const run = chooseInside({ content, offer, creditBytes }, this.#self.random)
        if (!run) break
        this.#ask(turn, neighbour, content, run)
        creditBytes -= run.count * content.chunkBytes
      }
      if (creditBytes <= 0) return
    }
  }

  /** The same over the line, where it is our duty; the contents that were asked for. */
  #fillOutside(
    turn: Turn,
    neighbour: Neighbour,
    queue: readonly WantedContent[],
    duty: (content: Digest, part: number) => boolean,
    trade: Trade | undefined,
  ): Set<WantedContent> {
    const took = new Set<WantedContent>()
    if (!this.#hasRoom(neighbour.link) || this.line.isStuck(turn.now)) return took
    let creditBytes = this.#credit.bytesOf(neighbour) - this.fetches.bytesFrom(neighbour.link)
    let room = this.#budgets.wanDown.room(turn.now)
    for (const content of queue) {
      const offer = content.offers.get(neighbour.link)
      if (!offer || creditBytes <= 0) continue
      const without = [...this.#offersInside(content), ...this.line.taken(turn.now, content.ref.digest)]
      const isOurs = (part: number): boolean => duty(content.ref.digest, part)
      while (creditBytes > 0) {
        const choice = { content, offer, creditBytes: Math.min(creditBytes, room), without, from: 0, isOurs }
        const from = this.#self.random.below(Math.max(1, content.have.size))
        const run: Share | undefined =
          trade && !neighbour.trades
            ? this.#chooseBesideTraders(turn.now, choice, trade, from)
            : (chooseOutside({ ...choice, from: neighbour.trades ? from : 0 }) ??
              // Who is done with its own helps out, far from where the others are at work: their lines may be slower.
              (this.fetches.bytesFrom(neighbour.link) === 0
                ? chooseOutside({ ...choice, from, isOurs: () => true })
                : undefined))
        if (!run) break
        if (room <= 0) {
          this.#hold(turn.now, neighbour.link)
          return took
        }
        this.#ask(turn, neighbour, content, run)
        took.add(content)
        room -= run.count * content.chunkBytes * lineOverhead
        creditBytes -= run.count * content.chunkBytes
      }
    }
    return took
  }

  /**
   * What to ask of the origin while we trade (protocol.md §5.6): first our part among all sites that trade, so that each fetches others.
   * Only where the line has room the parts of sites that we have no link to, then whatever no trader has, then what traders are too slow with.
   */
  #chooseBesideTraders(now: Instant, choice: OutsideChoice, trade: Trade, from: number): Share | undefined {
    const { content, without, isOurs } = choice
    const untraded = [...without, ...trade.links.flatMap((link) => content.offers.get(link) ?? [])]
    const among =
      (sites: ReadonlySet<string>) =>
      (part: number): boolean =>
        isOurs(part) && siteRanksFirst(this.#self.membership.site, sites, content.ref.digest, part)
    const own = chooseOutside({ ...choice, without: untraded, isOurs: among(trade.sites) })
    const room = this.#draw.room(now)
    if (own || room < content.chunkBytes) return own
    const more = { ...choice, creditBytes: Math.min(choice.creditBytes, room) }
    const run =
      chooseOutside({ ...more, without: untraded, isOurs: among(trade.linkedSites) }) ??
      chooseOutside({ ...more, without: untraded, from }) ??
      chooseOutside({ ...more, from }) ??
      // As without traders: who is done with its own helps others of the site.
      (this.line.isBusy ? undefined : chooseOutside({ ...more, from, isOurs: () => true }))
    return run && { ...run, isBeyond: true }
  }

  #trade(): Trade | undefined {
    const linked = this.#traders.linked()
    if (linked.length === 0) return undefined
    const linkedSites = new Set(linked.flatMap(({ membership }) => membership?.site ?? []))
    return {
      links: linked.map(({ link }) => link),
      sites: new Set([...linkedSites, ...this.#traders.sites()]),
      linkedSites,
    }
  }

  /** The budget keeps us from asking; whoever waits for us is told all the same that we are at work. */
  #hold(now: Instant, link: LinkId): void {
    this.#ready.add(link)
    this.#heldUntil = earliest(this.#heldUntil, this.#budgets.wakeFor(now, this.#budgets.wanDown))
    if (this.#budgets.wanDown.rate !== 0) this.line.moved(now)
  }

  *#offersInside(content: WantedContent): Iterable<Bitmap> {
    for (const [link, offer] of content.offers)
      if (this.#neighbours.established(link)?.inside && !this.#pauses.isDoubted(link)) yield offer
  }

  #ask(turn: Turn, { link, inside, trades }: Neighbour, content: WantedContent, share: Share): void {
    const { isBeyond = false, ...run } = share
    if (isBeyond) this.#draw.asked(turn.now, run.count * content.chunkBytes)
    if (this.fetches.bytesFrom(link) === 0) this.#credit.begins(turn.now, link)
    if (!inside) this.#budgets.wanDown.take(turn.now, run.count * content.chunkBytes)
    const slowMs = inside ? slowLanMs : trades ? slowTraderMs : undefined
    const { id } = this.fetches.begin(turn.now, { link, outside: !inside, content, slowMs, isBeyond, ...run })
    turn.out({ type: 'fetch', fetch: id, link, run: { content: content.ref.digest, ...run } })
  }
}

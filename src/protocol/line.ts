/**
 * Who fetches what over the line of our site (protocol.md §5.2-5.3): duties by rendezvous hashing, leases on what is under way, and the
 * silence that passes a duty on. A member waits for those who act as long as they keep their word, and no longer.
 */
import { after, earliest, since, type Instant } from '#base/time.ts'
import type { Digest } from '#base/digest.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { Bitmap } from './bitmap.ts'
import type { Credit } from './credit.ts'
import { ranksFirst } from './duty.ts'
import type { Fetches } from './fetches.ts'
import { Leases } from './leases.ts'
import type { LinkId } from './link.ts'
import { send, type Neighbour, type Neighbours, type Self, type Turn } from './neighbour.ts'
import {
  dutyMs,
  hungerMs,
  leaseContentsMax,
  leaseMsMax,
  leaseMsMin,
  leaseMsStart,
  leaseWordMs,
  stuckAskedMs,
  stuckMs,
} from './params.ts'
import type { Pauses } from './pauses.ts'
import type { LineView, Uplink } from './uplink.ts'
import type { WantedContent } from './wanted-content.ts'
import type { Lease } from './wire.ts'

export class Line implements LineView {
  readonly #self: Self
  readonly #neighbours: Neighbours
  readonly #uplink: Uplink
  readonly #fetches: Fetches
  readonly #credit: Credit
  readonly #leases = new Leases()
  /** When others last brought something into the site. */
  #fedAt = 0
  #lookAt: Instant | undefined
  /** When our leases are renewed, and whether anything came over the line since they were told. */
  #wordAt: Instant | undefined
  #isMoving = false
  #movedAt: Instant | undefined

  /** When a neighbour of our site first asked since we last handed something on, and when one last did. */
  #askedAt: Instant | undefined
  #askedLastAt: Instant | undefined
  readonly #pauses: Pauses

  constructor(
    self: Self,
    neighbours: Neighbours,
    uplink: Uplink,
    { fetches, credit, pauses }: { fetches: Fetches; credit: Credit; pauses: Pauses },
  ) {
    this.#pauses = pauses
    this.#self = self
    this.#uplink = uplink
    this.#neighbours = neighbours
    this.#fetches = fetches
    this.#credit = credit
  }

  get isBusy(): boolean {
    return this.#fetches.anyOutside
  }

  isSilent(now: Instant, link: LinkId): boolean {
    if (this.#leases.hungrySince === undefined) return false
    // Words count for nothing where what was asked for does not come.
    return this.#pauses.isDoubted(link) || this.#leases.isSilent(now, link)
  }

  /** A neighbour of our site asks for something that we have. */
  asked(now: Instant): void {
    this.#askedAt ??= now
    this.#askedLastAt = now
  }

  /** We handed something on; true where we had been stuck, and may ask again. */
  handedOn(now: Instant): boolean {
    const wasStuck = this.isStuck(now)
    this.#askedAt = undefined
    return wasStuck
  }

  /**
   * Whether we hand nothing on though we are asked: a disk that hangs, or a machine that is overloaded. What such a member fetches does not
   * reach its site, so it fetches no more over the line, and others take over.
   */
  isStuck(now: Instant): boolean {
    if (this.#askedAt === undefined || this.#askedLastAt === undefined) return false
    return since(this.#askedAt, now) >= stuckMs && since(this.#askedLastAt, now) < stuckAskedMs
  }

  isStarving(now: Instant): boolean {
    const since = Math.max(this.#leases.hungrySince ?? Number.POSITIVE_INFINITY, this.#fedAt)
    return since + 2 * dutyMs <= now
  }

  /** A neighbour told whether it acts; one that does is told what we have under way, so that it does not fetch it too. */
  standingHeard(turn: Turn, neighbour: Neighbour): void {
    if (!neighbour.inside || !neighbour.acting || !neighbour.reach) return this.#leases.rests(neighbour.link)
    this.#leases.acts(turn.now, neighbour.link)
    this.#lookAt ??= after(turn.now, hungerMs)
    for (const content of new Set(
      [...this.#fetches.all()].filter(({ outside }) => outside).map((each) => each.content),
    ))
      this.#tell(turn, neighbour.link, content)
  }

  /** A chunk was stored, that came on a link: the site gets on, by whoever acts, or by that neighbour. */
  stored(now: Instant, from: LinkId, outside: boolean): void {
    if (!outside) this.#leases.delivered(now, from)
    // While we act ourselves it may be our own doing, and says nothing of the others.
    if (this.#uplink.standing.acting) return
    this.#leases.allDelivered(now)
    this.#fedAt = now
  }

  /** A neighbour has taken something on; `known` is what we know of the content. */
  heard(turn: Turn, { link, inside }: Neighbour, { content, runs, ms }: Lease, known: WantedContent | undefined): void {
    if (!inside) return
    // Of a content that we do not fetch it says no more than that it is at work.
    const taken = new Bitmap(known?.phase === 'fetching' ? known.have.size : 0)
    for (const [first, count] of runs)
      for (let index = first; index < Math.min(first + count, taken.size); index++) taken.add(index)
    this.#leases.heard(turn.now, link, content, taken, ms)
  }

  /** Chunks of a content that others of our site have taken on. */
  taken(now: Instant, content: Digest): Bitmap[] {
    return this.#leases.taken(now, content)
  }

  /** Whether a part of a content is ours to fetch, among those of our site who act, reach the outside and keep their word. */
  duty(now: Instant): (content: Digest, part: number) => boolean {
    const silent = new Set<PeerId>()
    for (const { peer, link } of this.#neighbours.list('inside')) if (this.isSilent(now, link)) silent.add(peer)
    const rivals = this.#uplink
      .others()
      .filter(({ peer, hops }) => (hops === 1 ? !silent.has(peer) : !this.isStarving(now)))
    const ours = { peer: this.#self.peer, role: this.#self.membership.role }
    return (content, part) => rivals.length === 0 || ranksFirst(ours, rivals, content, part)
  }

  /** We asked for something over the line: who acts beside us is told at once, the others with the next word. */
  took(turn: Turn, contents: Iterable<WantedContent>): void {
    const acting = this.#neighbours.list('inside').filter((neighbour) => neighbour.acting)
    for (const content of contents) for (const { link } of acting) this.#tell(turn, link, content)
    this.moved(turn.now)
  }

  /** Whom we wait for may have changed. */
  look(now: Instant): void {
    this.#lookAt ??= after(now, hungerMs)
  }

  /** Something came over the line, or was asked for. */
  moved(now: Instant): void {
    this.#isMoving = true
    this.#movedAt = now
    this.#wordAt ??= after(now, leaseWordMs)
  }

  down(link: LinkId): void {
    this.#leases.down(link)
  }

  done(content: Digest): void {
    this.#leases.done(content)
  }

  /** Why a chunk that we asked for over the line was here already when it came: somebody of the site brought it too. */
  doubleOf(content: Digest, index: number): 'lease-expired' | 'race' {
    return this.#leases.hasLapsed(content, index) ? 'lease-expired' : 'race'
  }

  /** Renews our leases, and looks over what is missing; `queue` is what we fetch, most urgent first. */
  wake(turn: Turn, queue: readonly WantedContent[]): void {
    this.#leases.expire(turn.now)
    if (this.#wordAt !== undefined && this.#wordAt <= turn.now) this.#renew(turn, queue)
    if (this.#lookAt !== undefined && this.#lookAt > turn.now) return
    const inside = this.#neighbours.list('inside')
    // Only who waits for somebody has to know whether it waits in vain.
    const isWaiting = queue.length > 0 && this.#uplink.others().length > 0
    this.#lookAt = isWaiting ? after(turn.now, hungerMs) : undefined
    const links = inside.map(({ link }) => link).filter((link) => !this.#pauses.isDoubted(link))
    if (isWaiting && queue.some((content) => content.lacksBeyond(links))) this.#leases.hungrySince ??= turn.now
    else this.#leases.hungrySince = undefined
  }

  nextWake(): Instant | undefined {
    return earliest(this.#lookAt, this.#wordAt, this.#leases.nextWake())
  }

  /** Tells whoever waits for contents that we fetch them, or will; says nothing while nothing moves. */
  #renew(turn: Turn, queue: readonly WantedContent[]): void {
    this.#wordAt = this.isBusy && this.#isMoving ? after(turn.now, leaseWordMs) : undefined
    if (!this.#isMoving) return
    this.#isMoving = false
    for (const content of queue.slice(0, leaseContentsMax))
      for (const link of content.subscribers)
        if (this.#neighbours.established(link)?.inside) this.#tell(turn, link, content)
  }

  #tell(turn: Turn, link: LinkId, content: WantedContent): void {
    const runs: [number, number][] = []
    let [bytes, rate] = [0, 0]
    const fetches = [...this.#fetches.all()].filter((fetch) => fetch.outside && fetch.content === content)
    for (const fetch of fetches.sort((a, b) => a.first - b.first)) {
      const last = runs.at(-1)
      if (last && last[0] + last[1] >= fetch.first) last[1] = Math.max(last[1], fetch.first + fetch.count - last[0])
      else runs.push([fetch.first, fetch.count])
      bytes = Math.max(bytes, this.#fetches.bytesFrom(fetch.link))
      rate = Math.max(rate, this.#credit.rateOf(fetch.link))
    }
    const whole = rate === 0 ? leaseMsStart : Math.min(leaseMsMax, Math.max(leaseMsMin, (3_000 * bytes) / rate))
    // What has not moved for a while is promised for the rest of its time only.
    const ms = Math.max(0, Math.ceil(whole - since(this.#movedAt ?? turn.now, turn.now)))
    send(turn, link, { t: 'lease', content: content.ref.digest, runs, ms })
  }
}

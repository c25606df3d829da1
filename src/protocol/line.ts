/**
 * Who fetches what over the line of our site (protocol.md §5.2-5.3): duties by rendezvous hashing, leases on what is under way, and the
 * silence that passes a duty on. A member waits for those who act as long as they keep their word, and no longer.
 */
import { after, earliest, type Instant } from '#base/time.ts'
import type { Digest } from '#base/digest.ts'
import { Bitmap } from './bitmap.ts'
import type { Credit } from './credit.ts'
import { ranksFirst, type UplinkMember } from './duty.ts'
import type { Fetches } from './fetches.ts'
import { Leases } from './leases.ts'
import type { LinkId } from './link.ts'
import { send, type Neighbour, type Neighbours, type Self, type Turn } from './neighbour.ts'
import { hungerMs, leaseContentsMax, leaseMsMax, leaseMsMin, leaseMsStart, leaseWordMs } from './params.ts'
import type { LineView } from './uplink.ts'
import type { WantedContent } from './wanted-content.ts'
import type { Lease } from './wire.ts'

export class Line implements LineView {
  readonly #self: Self
  readonly #neighbours: Neighbours
  readonly #fetches: Fetches
  readonly #credit: Credit
  readonly #leases = new Leases()
  /** Since when something is missing that nobody of our site has. */
  #hungrySince: Instant | undefined
  #lookAt: Instant | undefined
  /** When our leases are renewed, and whether anything came over the line since they were told. */
  #wordAt: Instant | undefined
  #isMoving = false

  constructor(self: Self, neighbours: Neighbours, fetches: Fetches, credit: Credit) {
    this.#self = self
    this.#neighbours = neighbours
    this.#fetches = fetches
    this.#credit = credit
  }

  get isBusy(): boolean {
    return this.#fetches.anyOutside
  }

  isSilent(now: Instant, link: LinkId): boolean {
    return this.#hungrySince !== undefined && this.#leases.isSilent(now, link, this.#hungrySince)
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

  /** A neighbour of our site has something that we lack. */
  delivered(now: Instant, link: LinkId): void {
    if (this.#neighbours.get(link)?.acting) this.#leases.delivered(now, link)
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
    const rivals: UplinkMember[] = []
    for (const { peer, link, membership, acting, reach } of this.#neighbours.list('inside'))
      if (acting && reach && membership && !this.isSilent(now, link)) rivals.push({ peer, role: membership.role })
    const ours = { peer: this.#self.peer, role: this.#self.membership.role }
    return (content, part) => rivals.length === 0 || ranksFirst(ours, rivals, content, part)
  }

  /** We asked for something over the line: who acts beside us is told at once, the others with the next word. */
  took(turn: Turn, contents: Iterable<WantedContent>): void {
    const acting = this.#neighbours.list('inside').filter((neighbour) => neighbour.acting)
    for (const content of contents) for (const { link } of acting) this.#tell(turn, link, content)
    this.moved(turn.now)
  }

  /** Something came over the line, or was asked for. */
  moved(now: Instant): void {
    this.#isMoving = true
    this.#wordAt ??= after(now, leaseWordMs)
  }

  down(link: LinkId): void {
    this.#leases.down(link)
  }

  done(content: Digest): void {
    this.#leases.done(content)
  }

  /** Renews our leases, and looks over what is missing; `queue` is what we fetch, most urgent first. */
  wake(turn: Turn, queue: readonly WantedContent[]): void {
    if (this.#wordAt !== undefined && this.#wordAt <= turn.now) this.#renew(turn, queue)
    if (this.#lookAt !== undefined && this.#lookAt > turn.now) return
    const inside = this.#neighbours.list('inside')
    // Only who waits for somebody has to know whether it waits in vain.
    const isWaiting = queue.length > 0 && inside.some(({ acting, reach }) => acting && reach)
    this.#lookAt = isWaiting ? after(turn.now, hungerMs) : undefined
    const links = inside.map(({ link }) => link)
    if (isWaiting && queue.some((content) => content.lacksBeyond(links))) this.#hungrySince ??= turn.now
    else this.#hungrySince = undefined
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
    const ms = rate === 0 ? leaseMsStart : Math.ceil(Math.min(leaseMsMax, Math.max(leaseMsMin, (3_000 * bytes) / rate)))
    send(turn, link, { t: 'lease', content: content.ref.digest, runs, ms })
  }
}

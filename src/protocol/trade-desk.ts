/**
 * The origin's part in trade (protocol.md §5.6): it tells each relay that trades where those of other sites listen, and tells nobody
 * else, and of nobody else. Who went away is not told: whoever dials in vain learns it.
 */
import { after, type Instant } from '#base/time.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { usable } from './address.ts'
import { mix, seedOf } from './duty.ts'
import type { LinkId } from './link.ts'
import { send, type Neighbour, type Neighbours, type Self, type Turn } from './neighbour.ts'
import { tradeTellMs, tradersMax } from './params.ts'
import type { Hello, TraderEntry } from './wire.ts'

export class TradeDesk {
  readonly #self: Self
  readonly #neighbours: Neighbours
  /** Who trades and is linked; as many as there are links. */
  readonly #traders = new Map<LinkId, TraderEntry>()
  /** What each was told already. */
  readonly #told = new Map<LinkId, Map<PeerId, string>>()
  #tellAt: Instant | undefined

  constructor(self: Self, neighbours: Neighbours) {
    this.#self = self
    this.#neighbours = neighbours
  }

  established(turn: Turn, { link, peer, inside, membership, trades }: Neighbour, hello: Hello | undefined): void {
    if (this.#self.membership.role !== 'origin' || inside || !trades || membership?.role !== 'relay' || !hello) return
    this.#traders.set(link, { peer, site: membership.site, addresses: usable(hello.addresses) })
    this.#told.set(link, new Map())
    // A whole fleet may start at once: each is told of all of them in few messages.
    this.#tellAt ??= after(turn.now, tradeTellMs)
  }

  down(link: LinkId): void {
    this.#traders.delete(link)
    this.#told.delete(link)
  }

  wake(turn: Turn): void {
    if (this.#tellAt === undefined || this.#tellAt > turn.now) return
    this.#tellAt = undefined
    for (const [link, told] of this.#told) if (this.#neighbours.established(link)) this.#tell(turn, link, told)
  }

  nextWake(): Instant | undefined {
    return this.#tellAt
  }

  /** Of more than `tradersMax` each is told others, and mostly two of each other: by a hash over both. */
  #tell(turn: Turn, link: LinkId, told: Map<PeerId, string>): void {
    const own = this.#traders.get(link)
    if (!own) return
    const rank = ({ peer }: TraderEntry): number => mix(seedOf(peer) ^ seedOf(own.peer))
    const others = [...this.#traders.values()].filter(
      ({ site, addresses }) => site !== own.site && addresses.length > 0,
    )
    const traders = others
      .sort((a, b) => rank(b) - rank(a))
      .slice(0, tradersMax)
      .filter(({ peer, addresses }) => told.get(peer) !== addresses.join())
    for (const { peer, addresses } of traders) told.set(peer, addresses.join())
    if (traders.length > 0) send(turn, link, { t: 'traders', traders })
  }
}

/**
 * Who acts at the uplink of our site, also where we have no link to them: in a site of hundreds a member has a dozen neighbours, and two
 * who both act must know of each other, or both fetch everything (protocol.md §5.2). Each tells its neighbours whom it knows, and over how
 * many neighbours; whoever is told of a way back through itself is not (split horizon), and what is told over more than `actingHopsMax` is
 * not believed, so that one who is gone is forgotten after a few messages (a distance vector, as in RIP, RFC 2453).
 */
import type { PeerId } from '#trust/peer-id.ts'
import type { UplinkMember } from './duty.ts'
import type { LinkId } from './link.ts'
import type { Neighbour } from './neighbour.ts'
import { actingHopsMax, actingToldMax } from './params.ts'

export interface ActingMember extends UplinkMember {
  /** 1 for a neighbour. */
  readonly hops: number
}

interface Way extends ActingMember {
  readonly link: LinkId
}

export class Acting {
  readonly #self: PeerId
  readonly #told = new Map<LinkId, readonly ActingMember[]>()
  #ways: Way[] | undefined
  /** Rises with everything that may change what is known. */
  version = 0

  constructor(self: PeerId) {
    this.#self = self
  }

  /** A neighbour of our site tells whom it knows; replaces what it told before. */
  heard(link: LinkId, others: readonly ActingMember[]): void {
    this.#told.set(link, others)
    this.look()
  }

  down(link: LinkId): void {
    this.#told.delete(link)
    this.look()
  }

  /** Something changed among the neighbours. */
  look(): void {
    this.#ways = undefined
    this.version++
  }

  /** All that act and reach the outside, but ourselves, in order of who should: relays first, then by peer id. */
  known(inside: readonly Neighbour[]): readonly ActingMember[] {
    return this.#best(inside)
  }

  /** What to tell a neighbour: whom we know not through itself. */
  toTell({ link, peer }: Neighbour, inside: readonly Neighbour[]): ActingMember[] {
    return this.#best(inside)
      .filter((way) => way.link !== link && way.peer !== peer && way.hops < actingHopsMax)
      .slice(0, actingToldMax)
      .map((way) => ({ peer: way.peer, role: way.role, hops: way.hops }))
  }

  #best(inside: readonly Neighbour[]): readonly Way[] {
    if (this.#ways) return this.#ways
    const best = new Map<PeerId, Way>()
    const offer = (way: Way): void => {
      const known = best.get(way.peer)
      if (way.peer !== this.#self && (!known || way.hops < known.hops)) best.set(way.peer, way)
    }
    for (const { link, peer, membership, acting, reach } of inside)
      if (acting && reach && membership) offer({ peer, role: membership.role, hops: 1, link })
    for (const { link, peer } of inside)
      for (const { peer: other, role, hops } of this.#told.get(link) ?? [])
        // A neighbour speaks for itself: what others still say of it is old.
        if (other !== peer && hops < actingHopsMax && !inside.some((neighbour) => neighbour.peer === other))
          offer({ peer: other, role, hops: hops + 1, link })
    this.#ways = [...best.values()].sort(byRank)
    return this.#ways
  }
}

/** Who should act before another: a relay before a client, then the lower peer id. */
function byRank(a: UplinkMember, b: UplinkMember): number {
  const roles = Number(a.role === 'client') - Number(b.role === 'client')
  return roles || (a.peer < b.peer ? -1 : 1)
}

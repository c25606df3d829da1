/**
 * Admission (protocol.md §1): both sides of a link prove their membership before anything else is served; a stranger is
 * told a code and closed. The dialler greets first, and the other proves nothing before that hello was good. It also ends
 * the surplus one of two links to one member, and keeps misbehaving members out for a while (protocol.md §9).
 */
import { after, earliest, type Instant } from '#base/time.ts'
import { Refused } from '#base/errors.ts'
import { verifyMembership } from '#trust/membership.ts'
import type { PeerId } from '#trust/peer-id.ts'
import type { Address, LinkId } from './link.ts'
import {
  dismiss,
  send,
  wrongBytes,
  type Neighbour,
  type Neighbours,
  type Self,
  type Standing,
  type Turn,
} from './neighbour.ts'
import {
  admissionMs,
  banMs,
  siteLinksMax,
  siteLinksMaxRelay,
  strikesKnownMax,
  strikesMax,
  tradeLinksMax,
  wireVersion,
} from './params.ts'
import { isTrading, maySpanSites } from './traders.ts'
import type { Hello } from './wire.ts'

export class Admission {
  readonly #self: Self
  readonly #neighbours: Neighbours
  readonly #strikes = new Map<PeerId, { count: number; until: Instant }>()
  #addresses: readonly Address[] = []

  constructor(self: Self, neighbours: Neighbours) {
    this.#self = self
    this.#neighbours = neighbours
  }

  /** Where we listen, told in every hello. */
  listen(addresses: readonly Address[]): void {
    this.#addresses = addresses
  }

  linkUp(turn: Turn, link: LinkId, peer: PeerId, direction: 'in' | 'out', address: Address): void {
    const neighbour: Neighbour = {
      link,
      peer,
      direction,
      address,
      since: turn.now,
      phase: 'greeting',
      membership: undefined,
      certificate: undefined,
      inside: false,
      trades: false,
      hello: undefined,
      acting: false,
      reach: false,
      lostAt: undefined,
      told: undefined,
      toldOthers: '',
      versions: undefined,
      unplaced: { downBytes: 0, upBytes: 0 },
    }
    this.#neighbours.add(neighbour)
    this.#forgive(turn)
    if (peer === this.#self.peer) return dismiss(turn, neighbour, 'SELF')
    if (this.isBanned(peer)) return dismiss(turn, neighbour, 'BANNED')
    const surplus = this.#surplusOf(peer)
    if (surplus) dismiss(turn, surplus, 'DUPLICATE')
    if (surplus !== neighbour && direction === 'out') this.#greet(turn, neighbour)
  }

  /** Judges a hello. True where the neighbour is now verified, and was told so. */
  hello(turn: Turn, neighbour: Neighbour, message: Hello, ready: Standing): boolean {
    if (neighbour.phase !== 'greeting') {
      dismiss(turn, neighbour, 'OUT_OF_ORDER')
      return false
    }
    const code = this.#judge(turn, neighbour, message)
    if (code !== undefined) {
      turn.out({
        type: 'log',
        level: 'info',
        event: 'admission.refused',
        fields: { peer: neighbour.peer, address: neighbour.address, code },
      })
      dismiss(turn, neighbour, code)
      return false
    }
    neighbour.versions = message.versions
    neighbour.hello = message
    neighbour.trades = !neighbour.inside && message.trade === true
    neighbour.certificate = message.membership
    neighbour.phase = 'verified'
    if (neighbour.direction === 'in') this.#greet(turn, neighbour)
    turn.out({ type: 'admit', link: neighbour.link })
    send(turn, neighbour.link, { t: 'ready', ...ready })
    neighbour.told = ready
    return true
  }

  /** Blames a member for something only a broken or hostile one does; the third time it is kept out for a while. */
  strike(turn: Turn, neighbour: Neighbour, what: string): void {
    // A stranger can take a new name each time: remembering it would only push out those who cannot.
    if (!neighbour.membership) return
    const known = this.#strikes.get(neighbour.peer)
    const count = known && known.until > turn.now ? known.count + 1 : 1
    // Set anew, so that the map is in order of time.
    this.#strikes.delete(neighbour.peer)
    this.#strikes.set(neighbour.peer, { count, until: after(turn.now, banMs) })
    const [oldest] = this.#strikes.keys()
    if (oldest !== undefined && this.#strikes.size > strikesKnownMax) this.#strikes.delete(oldest)
    turn.out({
      type: 'log',
      level: 'warn',
      event: 'peer.blamed',
      fields: { peer: neighbour.peer, what, strikes: count },
    })
    if (count >= strikesMax) dismiss(turn, neighbour, what === 'CHUNK_WRONG' ? wrongBytes : 'BANNED')
  }

  isBanned(peer: PeerId): boolean {
    return (this.#strikes.get(peer)?.count ?? 0) >= strikesMax
  }

  /** Closes links whose other side did not prove itself in time, and those whose membership has expired. */
  wake(turn: Turn): void {
    this.#forgive(turn)
    let hasExpired = false
    for (const neighbour of this.#neighbours.all()) {
      if (isPending(neighbour) && after(neighbour.since, admissionMs) <= turn.now) dismiss(turn, neighbour, 'TOO_SLOW')
      hasExpired ||= neighbour.membership !== undefined && neighbour.membership.expires <= this.#self.wall.at(turn.now)
    }
    if (hasExpired) this.recheck(turn)
  }

  /** New metadata may have revoked members or issuers: open links are judged again at once (trust.md §6). */
  recheck(turn: Turn): void {
    for (const neighbour of this.#neighbours.all()) {
      const code = neighbour.certificate && this.#verify(turn, neighbour, neighbour.certificate)
      if (code !== undefined) dismiss(turn, neighbour, code)
    }
  }

  nextWake(): Instant | undefined {
    let next: Instant | undefined
    for (const neighbour of this.#neighbours.all()) {
      if (neighbour.phase === 'closing') continue
      if (isPending(neighbour)) next = earliest(next, after(neighbour.since, admissionMs))
      if (neighbour.membership) next = earliest(next, this.#self.wall.when(neighbour.membership.expires))
    }
    // Whoever was banned may be dialled again.
    for (const { count, until } of this.#strikes.values()) if (count >= strikesMax) next = earliest(next, until)
    return next
  }

  /** Forgets strikes whose time is over. */
  #forgive(turn: Turn): void {
    for (const [peer, { until }] of this.#strikes) {
      if (until > turn.now) return
      this.#strikes.delete(peer)
    }
  }

  #greet(turn: Turn, neighbour: Neighbour): void {
    send(turn, neighbour.link, {
      t: 'hello',
      wire: wireVersion,
      membership: this.#self.certificate,
      versions: this.#self.set.versions(),
      addresses: this.#addresses,
      ...(isTrading(this.#self) && { trade: true as const }),
    })
  }

  /** The code of what is wrong with a hello, or undefined. */
  #judge(turn: Turn, neighbour: Neighbour, message: Hello): string | undefined {
    if (message.wire !== wireVersion) return 'WIRE_VERSION'
    const code = this.#verify(turn, neighbour, message.membership)
    if (code !== undefined) return code
    const { membership, inside } = neighbour
    if (!inside && membership && !maySpanSites(this.#self, membership, message.trade === true)) return 'NO_TRADE'
    const isLimited = inside || (this.#self.membership.role !== 'origin' && membership?.role !== 'origin')
    if (!isLimited || neighbour.direction === 'out') return undefined
    const others = [...this.#neighbours.all()].filter(
      ({ link, phase, ...other }) =>
        (inside ? other.inside : other.trades) &&
        link !== neighbour.link &&
        phase !== 'greeting' &&
        phase !== 'closing',
    )
    const most = inside ? (this.#self.membership.role === 'client' ? siteLinksMax : siteLinksMaxRelay) : tradeLinksMax
    return others.length >= most ? 'FULL' : undefined
  }

  #verify(turn: Turn, neighbour: Neighbour, certificate: Uint8Array): string | undefined {
    const { set, pinnedIssuers, membership } = this.#self
    const issuers = set.issuers()
    try {
      const proven = verifyMembership(certificate, {
        meshId: set.meshId,
        issuers: issuers.length > 0 ? issuers : pinnedIssuers,
        revocations: set.revocations(),
        peer: neighbour.peer,
        now: this.#self.wall.at(turn.now),
      })
      neighbour.membership = proven
      neighbour.inside = proven.site === membership.site
      return undefined
    } catch (error) {
      if (error instanceof Refused) return error.code
      throw error
    }
  }

  /** Of two links to one member the one that the lower peer id dialled stays, so that both sides keep the same; of two by one side, the newer. */
  #surplusOf(peer: PeerId): Neighbour | undefined {
    const links = this.#neighbours.ofPeer(peer).filter((neighbour) => neighbour.phase !== 'closing')
    if (links.length < 2) return undefined
    const lower = this.#self.peer < peer ? 'out' : 'in'
    const ranked = links.toSorted(
      (a, b) => Number(b.direction === lower) - Number(a.direction === lower) || b.link - a.link,
    )
    return ranked[1]
  }
}

const isPending = (neighbour: Neighbour): boolean => neighbour.phase === 'greeting' || neighbour.phase === 'verified'

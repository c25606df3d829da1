/**
 * Relays of other sites with which this one trades chunks (protocol.md §5.6): whom the origin named, and which of them to dial now.
 * Only a relay whose admin switched it on trades; to everybody else no link to another site's relay exists. Of two relays the lower
 * peer id dials; the other does it later, in case the first cannot: many sites are behind NAT.
 */
import { after, earliest, type Instant } from '#base/time.ts'
import type { Membership } from '#trust/membership.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { isOf, usable, withPeer } from './address.ts'
import type { Address } from './link.ts'
import type { Neighbour, Neighbours, Self, Turn } from './neighbour.ts'
import { politeDialMs, tradeLinksWanted, tradeRedialMs, tradeRedialMsMax, tradersMax } from './params.ts'
import type { TraderEntry } from './wire.ts'

interface Candidate extends TraderEntry {
  failures: number
  next: Instant
  dialling: Address | undefined
}

export class Traders {
  readonly #self: Self
  readonly #neighbours: Neighbours
  readonly #isBanned: (peer: PeerId) => boolean
  readonly #known = new Map<PeerId, Candidate>()

  constructor(self: Self, neighbours: Neighbours, isBanned: (peer: PeerId) => boolean) {
    this.#self = self
    this.#neighbours = neighbours
    this.#isBanned = isBanned
  }

  /** Traders that we have a link to; never the origin. */
  linked(): Neighbour[] {
    return isTrading(this.#self) ? this.#neighbours.list('outside').filter(isTrader) : []
  }

  /** Sites that trade, but ours: those that the origin named. */
  sites(): ReadonlySet<string> {
    return new Set([...this.#known.values()].map(({ site }) => site))
  }

  /** Whether chunks are served on a link: a limit of what a site uploads for others belongs here (protocol.md §6). */
  mayServe({ inside, trades }: Neighbour): boolean {
    return inside || this.#self.membership.role === 'origin' || (isTrading(this.#self) && trades)
  }

  /** What the origin says of relays that trade; nobody else is heard, or a member could make us knock at strange doors. */
  told(turn: Turn, from: Neighbour, traders: readonly TraderEntry[]): void {
    if (!isTrading(this.#self) || from.membership?.role !== 'origin') return
    for (const { peer, site, addresses } of traders) {
      const dialled = usable(addresses.filter((address) => isOf(address, peer))).map((each) => withPeer(each, peer))
      const known = this.#known.get(peer)
      if (peer === this.#self.peer || site === this.#self.membership.site || dialled.length === 0) continue
      if (!known && this.#known.size >= tradersMax && !this.#dropWorst()) continue
      const next = after(turn.now, this.#self.peer < peer ? 0 : politeDialMs)
      this.#known.set(peer, { peer, site, addresses: dialled, failures: 0, next, dialling: known?.dialling })
    }
  }

  linkUp(address: Address, direction: 'in' | 'out'): void {
    const candidate = direction === 'out' ? this.#dialled(address) : undefined
    if (candidate) candidate.dialling = undefined
  }

  failed(turn: Turn, address: Address): void {
    const candidate = this.#dialled(address)
    if (!candidate) return
    candidate.dialling = undefined
    this.#backOff(turn, candidate)
  }

  /** A link is gone: one that served is tried again soon, one that was refused later and later. */
  down(turn: Turn, neighbour: Neighbour): void {
    const candidate = this.#known.get(neighbour.peer)
    if (!candidate || this.#neighbours.ofPeer(neighbour.peer).some(({ phase }) => phase === 'established')) return
    if (neighbour.phase === 'established') candidate.failures = 0
    this.#backOff(turn, candidate)
  }

  /** Dials whom we lack, other sites before a second relay of one. */
  wake(turn: Turn): void {
    const { room, candidates, sites } = this.#wanted()
    const due = candidates.filter(({ next }) => next <= turn.now)
    due.sort((a, b) => Number(sites.has(a.site)) - Number(sites.has(b.site)) || a.failures - b.failures)
    for (const candidate of due.slice(0, Math.max(0, room))) {
      const address = candidate.addresses[candidate.failures % candidate.addresses.length]
      if (address === undefined) continue
      candidate.dialling = address
      turn.out({ type: 'dial', address })
    }
  }

  nextWake(): Instant | undefined {
    const { room, candidates } = this.#wanted()
    return room > 0 ? earliest(...candidates.map(({ next }) => next)) : undefined
  }

  /** For how many more links there is room, and with whom; `sites` have one, or will. */
  #wanted(): { room: number; candidates: Candidate[]; sites: Set<string> } {
    const linked = new Set<PeerId>()
    for (const { peer } of this.#neighbours.all()) linked.add(peer)
    const all = [...this.#known.values()]
    const busy = all.filter(({ peer, dialling }) => dialling !== undefined || linked.has(peer))
    const candidates = all.filter((each) => !busy.includes(each) && !this.#isBanned(each.peer))
    return { room: tradeLinksWanted - busy.length, candidates, sites: new Set(busy.map(({ site }) => site)) }
  }

  #dialled(address: Address): Candidate | undefined {
    return [...this.#known.values()].find(({ dialling }) => dialling === address)
  }

  #backOff(turn: Turn, candidate: Candidate): void {
    const pauseMs = Math.min(tradeRedialMsMax, tradeRedialMs * 2 ** Math.min(candidate.failures, 10))
    candidate.failures++
    candidate.next = after(turn.now, this.#self.random.between(pauseMs / 2, pauseMs))
  }

  /** Makes room: who failed most goes; false where none has failed. */
  #dropWorst(): boolean {
    const failed = [...this.#known.values()].filter(({ failures, dialling }) => failures > 0 && !dialling)
    const [worst] = failed.sort((a, b) => b.failures - a.failures)
    return worst !== undefined && this.#known.delete(worst.peer)
  }
}

/** Whether we are a relay that trades. */
export const isTrading = ({ membership, trade }: Self): boolean => membership.role === 'relay' && trade === true

const isTrader = ({ trades, membership }: Neighbour): boolean => trades && membership?.role === 'relay'

/** Whether members of two sites may be linked: with the origin always, else only two relays that both trade. */
export function maySpanSites(self: Self, theirs: Membership, trades: boolean): boolean {
  if (self.membership.role === 'origin' || theirs.role === 'origin') return true
  return isTrading(self) && theirs.role === 'relay' && trades
}

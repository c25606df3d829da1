/**
 * Where other members can be found, and which of them to dial now. Addresses come from LAN discovery, the join token, the
 * configuration, neighbours' hellos and the roster that members of a site hand each other: each path alone is enough
 * (protocol.md §5.5a). An address of another site is dialled only while we act as uplink member (§5.1).
 */
import { after, earliest, type Instant } from '#base/time.ts'
import type { PeerId } from '#trust/peer-id.ts'
import type { KnownAddress } from './effect.ts'
import type { Address } from './link.ts'
import { send, type Neighbour, type Neighbours, type Self, type Turn } from './neighbour.ts'
import {
  politeDialMs,
  queryMs,
  queryMsMax,
  redialMs,
  redialMsMax,
  rosterKnownMax,
  rosterMax,
  siteLinksWanted,
} from './params.ts'
import type { RosterEntry } from './wire.ts'

/** How long after a change the addresses are written to disk: one write for a whole site that starts together. */
const saveMs = 2_000

interface Contact {
  readonly address: Address
  peer: PeerId | undefined
  /** Of our site; undefined until a hello told. */
  inside: boolean | undefined
  failures: number
  next: Instant
  dialling: boolean
}

export class Roster {
  readonly #self: Self
  readonly #neighbours: Neighbours
  readonly #contacts = new Map<Address, Contact>()
  /** What members of the site said of where they listen. */
  readonly #listening = new Map<PeerId, readonly Address[]>()
  #saveAt: Instant | undefined
  #queryMs = queryMs
  #queryAt: Instant | undefined

  constructor(self: Self, neighbours: Neighbours, known: readonly KnownAddress[], now: Instant) {
    this.#self = self
    this.#neighbours = neighbours
    for (const { address, peer, inside } of known) this.#learn(now, address, peer, inside)
  }

  /** Asks the LAN who is there; `bootstrap` are addresses that an admin gave for this run. */
  started(turn: Turn, bootstrap: readonly Address[]): void {
    for (const address of bootstrap) this.#learn(turn.now, address, undefined, undefined)
    this.#query(turn)
  }

  /** A member of our site was heard on the LAN: it is there now, whatever failed before. */
  seen(turn: Turn, address: Address, peer: PeerId): void {
    if (peer === this.#self.peer) return
    const contact = this.#learn(turn.now, address, peer, true)
    if (!contact) return
    const polite = this.#self.peer < peer ? 0 : politeDialMs
    if (contact.failures > 0 || polite === 0) contact.next = after(turn.now, polite)
    contact.failures = 0
  }

  /** What an established neighbour told of itself; and it is told whom else we know in our site. */
  established(turn: Turn, neighbour: Neighbour, addresses: readonly Address[]): void {
    const own = this.#contacts.get(neighbour.address)
    if (neighbour.direction === 'out' && own) {
      own.peer = neighbour.peer
      own.inside = neighbour.inside
      own.failures = 0
    }
    for (const address of usable(addresses))
      this.#learn(turn.now, withPeer(address, neighbour.peer), neighbour.peer, neighbour.inside)
    this.#saveAt ??= after(turn.now, saveMs)
    if (!neighbour.inside) return
    this.#listening.set(neighbour.peer, usable(addresses))
    const members: RosterEntry[] = []
    for (const { peer } of this.#neighbours.list('inside')) {
      const listening = this.#listening.get(peer)
      if (peer !== neighbour.peer && listening && listening.length > 0 && members.length < rosterMax)
        members.push({ peer, addresses: listening })
    }
    if (members.length > 0) send(turn, neighbour.link, { t: 'roster', members })
  }

  /** Members of our site, as a neighbour of our site knows them. */
  told(turn: Turn, members: readonly RosterEntry[]): void {
    for (const { peer, addresses } of members) {
      if (peer === this.#self.peer) continue
      for (const address of addresses) {
        const contact = this.#learn(turn.now, withPeer(address, peer), peer, true)
        if (contact && this.#self.peer > peer && contact.failures === 0 && contact.next <= turn.now)
          contact.next = after(turn.now, politeDialMs)
      }
    }
    this.#saveAt ??= after(turn.now, saveMs)
  }

  dialled(address: Address): void {
    const contact = this.#contacts.get(address)
    if (contact) contact.dialling = false
  }

  failed(turn: Turn, address: Address): void {
    const contact = this.#contacts.get(address)
    if (!contact) return
    contact.dialling = false
    this.#backOff(turn, contact)
  }

  down(turn: Turn, neighbour: Neighbour): void {
    this.#listening.delete(neighbour.peer)
    // Whoever we lose is tried again soon, wherever the link came from.
    for (const contact of this.#contacts.values())
      if (contact.peer === neighbour.peer || contact.address === neighbour.address) {
        contact.dialling = false
        if (neighbour.phase === 'established') contact.failures = 0
        this.#backOff(turn, contact)
      }
  }

  /** Dials whom we need; `mayGoOutside` while we act as uplink member. */
  wake(turn: Turn, mayGoOutside: boolean): void {
    for (const contact of this.#wanted(mayGoOutside)) {
      if (contact.next > turn.now) continue
      contact.dialling = true
      turn.out({ type: 'dial', address: contact.address })
    }
    if (this.#queryAt !== undefined && this.#queryAt <= turn.now && this.#neighbours.list('inside').length === 0)
      this.#query(turn)
    if (this.#saveAt !== undefined && this.#saveAt <= turn.now) {
      this.#saveAt = undefined
      turn.out({ type: 'save-addresses', known: this.known() })
    }
  }

  nextWake(mayGoOutside: boolean): Instant | undefined {
    let next = this.#saveAt
    for (const contact of this.#wanted(mayGoOutside)) next = earliest(next, contact.next)
    return this.#neighbours.list('inside').length === 0 ? earliest(next, this.#queryAt) : next
  }

  /** All addresses worth keeping over a restart. */
  known(): KnownAddress[] {
    return [...this.#contacts.values()].map(({ address, peer, inside }) => ({
      address,
      ...(peer !== undefined && { peer }),
      ...(inside !== undefined && { inside }),
    }))
  }

  #query(turn: Turn): void {
    turn.out({ type: 'query' })
    this.#queryAt = after(turn.now, this.#queryMs)
    this.#queryMs = Math.min(queryMsMax, this.#queryMs * 2)
  }

  #learn(now: Instant, address: Address, peer: PeerId | undefined, inside: boolean | undefined): Contact | undefined {
    const known = this.#contacts.get(address)
    if (known) {
      known.peer ??= peer
      // A hello is proof, and so is our site's own word; a presumption never overrides either.
      if (inside !== undefined) known.inside = inside
      return known
    }
    if (this.#contacts.size >= rosterKnownMax && !this.#dropWorst()) return undefined
    const contact: Contact = { address, peer, inside, failures: 0, next: now, dialling: false }
    this.#contacts.set(address, contact)
    return contact
  }

  /** Makes room: the contact that failed most goes; false where none has failed. */
  #dropWorst(): boolean {
    let worst: Contact | undefined
    for (const contact of this.#contacts.values())
      if (contact.failures > (worst?.failures ?? 0) && !contact.dialling) worst = contact
    return worst !== undefined && this.#contacts.delete(worst.address)
  }

  #backOff(turn: Turn, contact: Contact): void {
    const pauseMs = Math.min(redialMsMax, redialMs * 2 ** Math.min(contact.failures, 10))
    contact.failures++
    contact.next = after(turn.now, this.#self.random.between(pauseMs / 2, pauseMs))
  }

  #wanted(mayGoOutside: boolean): Contact[] {
    const linked = new Set<string>()
    for (const neighbour of this.#neighbours.all()) linked.add(neighbour.peer).add(neighbour.address)
    const dialling = new Set<string>()
    for (const contact of this.#contacts.values())
      if (contact.dialling && contact.peer !== undefined) dialling.add(contact.peer)
    const insideFull = this.#neighbours.list('inside').length + dialling.size >= siteLinksWanted
    const outsideFull = this.#neighbours.list('outside').length > 0
    const wanted: Contact[] = []
    for (const contact of this.#contacts.values()) {
      if (contact.dialling || linked.has(contact.address)) continue
      if (contact.peer !== undefined && (linked.has(contact.peer) || dialling.has(contact.peer))) continue
      if (contact.inside === false ? outsideFull || !mayGoOutside : insideFull) continue
      wanted.push(contact)
    }
    return wanted
  }
}

/** Loopback addresses mean another machine elsewhere: they are used only where a member has no other. */
function usable(addresses: readonly Address[]): readonly Address[] {
  const remote = addresses.filter((address) => !/^\/ip4\/127\.|^\/ip6\/::1\//.test(address))
  return remote.length > 0 ? remote : addresses
}

/** The address with the peer it must prove to be. */
const withPeer = (address: Address, peer: PeerId): Address =>
  (address.includes('/p2p/') ? address : `${address}/p2p/${peer}`) as Address

/**
 * Where other members can be found, and which of them to dial now. Addresses come from LAN discovery, the join token, the
 * configuration, neighbours' hellos and the roster that members of a site hand each other: each path alone is enough
 * (protocol.md §5.5a). An address of another site is dialled only while we act as uplink member (§5.1).
 */
import { after, earliest, type Instant } from '#base/time.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { isOf, usable, withPeer } from './address.ts'
import type { KnownAddress } from './effect.ts'
import type { Address } from './link.ts'
import { send, type Neighbour, type Neighbours, type Self, type Turn } from './neighbour.ts'
import {
  outsideDialsMax,
  politeDialMs,
  queryMs,
  queryMsMax,
  redialMs,
  redialMsMax,
  rosterKnownMax,
  rosterMax,
  siteLinkMs,
  siteLinksSoon,
  siteLinksWanted,
} from './params.ts'
import { TradeDesk } from './trade-desk.ts'
import type { Traders } from './traders.ts'
import type { Hello, RosterEntry } from './wire.ts'

/** How long after a change the addresses are written to disk: one write for a whole site that starts together. */
const saveMs = 2_000

interface Contact {
  readonly address: Address
  peer: PeerId | undefined
  /** Of our site; undefined until somebody told. */
  inside: boolean | undefined
  /** A hello told so: the word of others never changes it. */
  proven: boolean
  /** From the token or an admin, who name no peer: never given up. */
  readonly given: boolean
  failures: number
  next: Instant
}

interface RosterInit {
  readonly self: Self
  readonly neighbours: Neighbours
  readonly isBanned: (peer: PeerId) => boolean
  readonly traders: Traders
  readonly known: readonly KnownAddress[]
  readonly now: Instant
}

export class Roster {
  readonly #self: Self
  readonly #neighbours: Neighbours
  readonly #isBanned: (peer: PeerId) => boolean
  readonly #traders: Traders
  readonly #tradeDesk: TradeDesk
  readonly #contacts = new Map<Address, Contact>()
  readonly #dialling = new Set<Contact>()
  /** What members of the site said of where they listen. */
  readonly #listening = new Map<PeerId, readonly Address[]>()
  #saveAt: Instant | undefined
  #queryMs = queryMs
  #queryAt: Instant | undefined
  /** Links of our site that are sought now, and when one more is. */
  #seeks = siteLinksSoon
  #seekMoreAt: Instant | undefined

  constructor({ self, neighbours, isBanned, traders, known, now }: RosterInit) {
    this.#self = self
    this.#neighbours = neighbours
    this.#isBanned = isBanned
    this.#traders = traders
    this.#tradeDesk = new TradeDesk(self, neighbours)
    for (const { address, peer, inside } of known)
      this.#learn(now, { address, peer, inside, given: peer === undefined })
  }

  /** Asks the LAN who is there; `bootstrap` are addresses that an admin gave for this run. */
  started(turn: Turn, bootstrap: readonly Address[]): void {
    this.#seekMoreAt = after(turn.now, siteLinkMs)
    for (const address of bootstrap) this.#learn(turn.now, { address, given: true })
    this.#query(turn)
  }

  /** A member of our site was heard on the LAN: it is there now, whatever failed before. */
  seen(turn: Turn, address: Address, peer: PeerId): void {
    if (peer === this.#self.peer || !isOf(address, peer)) return
    const contact = this.#learn(turn.now, { address, peer, inside: true })
    if (!contact) return
    const polite = this.#self.peer < peer ? 0 : politeDialMs
    // Whoever is on its way already is not put off again: a LAN that talks all the time would put it off for ever.
    if (contact.failures > 0 || contact.next <= turn.now || polite === 0) contact.next = after(turn.now, polite)
    contact.failures = 0
  }

  /** What an established neighbour told of itself; and it is told whom else we know in our site. */
  established(turn: Turn, neighbour: Neighbour, hello: Hello | undefined): void {
    const { peer, inside, direction, address } = neighbour
    this.#tradeDesk.established(turn, neighbour, hello)
    // Whom we trade with is named by the origin, each time anew.
    if (!inside && neighbour.membership?.role === 'relay') return
    const listening = usable((hello?.addresses ?? []).filter((told) => isOf(told, peer)))
    const own = direction === 'out' ? this.#contacts.get(address) : undefined
    if (own) own.failures = 0
    for (const known of [...(own ? [address] : []), ...listening.map((told) => withPeer(told, peer))])
      this.#learn(turn.now, { address: known, peer, inside, proven: true })
    this.#saveAt ??= after(turn.now, saveMs)
    if (!inside) return
    this.#listening.set(peer, listening)
    this.#tellRoster(turn, neighbour)
  }

  #tellRoster(turn: Turn, neighbour: Neighbour): void {
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
    const before = this.#contacts.size
    for (const { peer, addresses } of members) {
      if (peer === this.#self.peer) continue
      for (const address of addresses) {
        if (!isOf(address, peer)) continue
        const contact = this.#learn(turn.now, { address: withPeer(address, peer), peer, inside: true })
        if (contact && this.#self.peer > peer && contact.failures === 0 && contact.next <= turn.now)
          contact.next = after(turn.now, politeDialMs)
      }
    }
    if (this.#contacts.size > before) this.#saveAt ??= after(turn.now, saveMs)
  }

  /** A link is up. Who answers at an address is proven by now, so that its other addresses are not dialled beside it. */
  linkUp(address: Address, peer: PeerId, direction: 'in' | 'out'): void {
    this.#traders.linkUp(address, direction)
    const contact = direction === 'out' ? this.#contacts.get(address) : undefined
    if (!contact) return
    this.#dialling.delete(contact)
    contact.peer = peer
  }

  failed(turn: Turn, address: Address): void {
    this.#traders.failed(turn, address)
    const contact = this.#contacts.get(address)
    if (!contact) return
    this.#dialling.delete(contact)
    this.#backOff(turn, contact)
  }

  down(turn: Turn, neighbour: Neighbour): void {
    this.#traders.down(turn, neighbour)
    this.#tradeDesk.down(neighbour.link)
    // The surplus one of two links went: the member is still there.
    if (this.#neighbours.ofPeer(neighbour.peer).some(({ phase }) => phase === 'established')) return
    this.#listening.delete(neighbour.peer)
    // Whoever we lose is tried again soon, wherever the link came from.
    for (const contact of this.#contacts.values())
      if (contact.peer === neighbour.peer || contact.address === neighbour.address) {
        if (neighbour.phase === 'established') contact.failures = 0
        this.#backOff(turn, contact)
      }
  }

  /** Dials whom we need; `mayGoOutside` while we act as uplink member, `sought` to whom we need a link however many we have. */
  wake(turn: Turn, mayGoOutside: boolean, sought: ReadonlySet<PeerId>): void {
    if (this.#seekMoreAt !== undefined && this.#seekMoreAt <= turn.now)
      this.#seekMoreAt = ++this.#seeks < siteLinksWanted ? after(turn.now, siteLinkMs) : undefined
    for (const contact of this.#due(turn.now, mayGoOutside, sought)) {
      this.#dialling.add(contact)
      turn.out({ type: 'dial', address: contact.address })
    }
    if (mayGoOutside) this.#traders.wake(turn)
    this.#tradeDesk.wake(turn)
    if (this.#queryAt !== undefined && this.#queryAt <= turn.now && this.#neighbours.list('inside').length === 0)
      this.#query(turn)
    if (this.#saveAt !== undefined && this.#saveAt <= turn.now) {
      this.#saveAt = undefined
      turn.out({ type: 'save-addresses', known: this.known() })
    }
  }

  nextWake(mayGoOutside: boolean, sought: ReadonlySet<PeerId>): Instant | undefined {
    let next = earliest(this.#saveAt, this.#tradeDesk.nextWake())
    if (mayGoOutside) next = earliest(next, this.#traders.nextWake())
    const demand = this.#demand(mayGoOutside, sought)
    if (demand)
      for (const contact of this.#contacts.values())
        if (this.#isWanted(contact, demand)) next = earliest(next, contact.next)
    return this.#neighbours.list('inside').length === 0 ? earliest(next, this.#queryAt) : next
  }

  /** All addresses worth keeping over a restart: not those that others told and nobody answered at. */
  known(): KnownAddress[] {
    const worthy = [...this.#contacts.values()].filter(
      ({ proven, given, failures }) => proven || given || failures === 0,
    )
    return worthy.map(({ address, peer, inside }) => ({
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

  #learn(now: Instant, { address, peer, inside, proven = false, given = false }: News): Contact | undefined {
    const known = this.#contacts.get(address)
    if (known) {
      if (proven || !known.proven) {
        known.peer = proven ? peer : (known.peer ?? peer)
        known.inside = inside ?? known.inside
      }
      known.proven ||= proven
      return known
    }
    if (this.#contacts.size >= rosterKnownMax && !this.#dropWorst()) return undefined
    const contact: Contact = { address, peer, inside, proven, given, failures: 0, next: now }
    this.#contacts.set(address, contact)
    return contact
  }

  /** Makes room: the contact that failed most goes, hearsay before what was proven; false where none has failed. */
  #dropWorst(): boolean {
    let worst: Contact | undefined
    for (const contact of this.#contacts.values()) {
      if (contact.failures === 0 || contact.given || this.#dialling.has(contact)) continue
      const isWorse =
        !worst ||
        (worst.proven === contact.proven ? contact.failures > worst.failures : worst.proven && !contact.proven)
      if (isWorse) worst = contact
    }
    return worst !== undefined && this.#contacts.delete(worst.address)
  }

  #backOff(turn: Turn, contact: Contact): void {
    const pauseMs = Math.min(redialMsMax, redialMs * 2 ** Math.min(contact.failures, 10))
    contact.failures++
    contact.next = after(turn.now, this.#self.random.between(pauseMs / 2, pauseMs))
  }

  /** Whom to dial at this moment: one address a peer, and no more than there is room for. */
  #due(now: Instant, mayGoOutside: boolean, sought: ReadonlySet<PeerId>): Contact[] {
    const demand = this.#demand(mayGoOutside, sought)
    if (!demand) return []
    const due = [...this.#contacts.values()].filter((contact) => contact.next <= now && this.#isWanted(contact, demand))
    // Hearsay comes last: made-up addresses must not crowd out those where somebody answered before.
    due.sort((a, b) => Number(b.proven) - Number(a.proven) || a.failures - b.failures)
    return due.filter((contact) => {
      if (!this.#isWanted(contact, demand)) return false
      if (contact.peer !== undefined) demand.busy.add(contact.peer)
      demand[contact.inside === false ? 'outside' : 'inside']--
      return true
    })
  }

  #isWanted(contact: Contact, { busy, inside, outside, sought }: Demand): boolean {
    if (this.#dialling.has(contact) || busy.has(contact.address)) return false
    if (contact.peer !== undefined && (busy.has(contact.peer) || this.#isBanned(contact.peer))) return false
    if (contact.peer !== undefined && contact.inside !== false && sought.has(contact.peer)) return true
    return (contact.inside === false ? outside : inside) > 0
  }

  /** Undefined where nobody is to be dialled: asked at nearly every input, and then nobody is looked at. */
  #demand(mayGoOutside: boolean, sought: ReadonlySet<PeerId>): Demand | undefined {
    let [inside, outside] = [this.#seeks, mayGoOutside ? outsideDialsMax : 0]
    for (const neighbour of this.#neighbours.all()) {
      if (neighbour.phase === 'established' && !neighbour.inside) outside = neighbour.trades ? outside : 0
      else if (neighbour.phase === 'established' || neighbour.direction === 'out') inside--
    }
    for (const { inside: isInside } of this.#dialling)
      if (isInside === false) outside--
      else inside--
    if (inside <= 0 && outside <= 0 && sought.size === 0) return undefined
    const busy = new Set<string>([this.#self.peer])
    for (const { peer, address } of this.#neighbours.all()) busy.add(peer).add(address)
    for (const { peer } of this.#dialling) if (peer !== undefined) busy.add(peer)
    return { busy, inside, outside, sought }
  }
}

/** What somebody says of an address. */
interface News {
  readonly address: Address
  readonly peer?: PeerId | undefined
  readonly inside?: boolean | undefined
  readonly proven?: boolean
  readonly given?: boolean
}

/** Peers and addresses that have a link or are being dialled, and for how many more dials there is room. */
interface Demand {
  readonly busy: Set<string>
  inside: number
  outside: number
  readonly sought: ReadonlySet<PeerId>
}

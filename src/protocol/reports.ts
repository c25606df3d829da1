/**
 * Reports on their way to the origin (protocol.md §8): sealed, so that whoever carries them cannot read them; stored in an
 * outbox until the origin's signed receipt has come back; sent in batches where they cross a line. Delivered at least once: the
 * origin counts them once. Routes: the origin itself, else the site's acting uplink members, who carry them on. Of our own at most two wait,
 * however long the origin is away: the newest, and the one that brings what is not said twice.
 */
import { after, earliest, type Instant } from '#base/time.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { readReceipt, type Receipted } from '#trust/seal.ts'
import type { OwnReport } from './input.ts'
import type { LinkId } from './link.ts'
import { send, type Neighbour, type Neighbours, type Self, type Turn } from './neighbour.ts'
import {
  reportAgainMs,
  reportAgainMsMax,
  reportBatchBytes,
  reportBatchMs,
  reportFlightBytes,
  reportFlightMs,
  reportLanMs,
  reportsCarriedBytesMax,
  reportsCarriedMax,
  reportsPerBringerBytesMax,
  reportsPerBringerMax,
  reportsPerMessageMax,
} from './params.ts'

interface Carried {
  readonly bytes: number
  /** Who brought it, to whom the receipt goes back; undefined for our own, and after a restart. */
  from: PeerId | undefined
  /** Number of our own. */
  readonly seq: number | undefined
  sentOn: LinkId | undefined
  sentAt: Instant | undefined
  next: Instant
  tries: number
}

/** A report that is being spooled. */
interface Bringer {
  readonly peer: PeerId
  readonly bytes: number
  readonly at: Instant
}

export class Reports {
  readonly #self: Self
  readonly #neighbours: Neighbours
  readonly #carried = new Map<Digest, Carried>()
  readonly #bringers = new Map<Digest, Bringer>()
  /** Nobody else will carry what is still here, so anybody will do. */
  #isLeaving = false
  /** Nothing is to be done before this. */
  #wakeAt: Instant | undefined

  constructor(self: Self, neighbours: Neighbours) {
    this.#self = self
    this.#neighbours = neighbours
  }

  /** Reports that wait for their receipt, ours and carried ones. */
  get waiting(): number {
    return this.#carried.size
  }

  /** Of these, those that nobody was sent yet. */
  get unsent(): number {
    return [...this.#carried.values()].filter(({ sentOn }) => sentOn === undefined).length
  }

  /** We leave the fleet: what waits goes out now, to any neighbour of the site where no way leads to the origin. */
  leaving(turn: Turn): void {
    this.#isLeaving = true
    for (const carried of this.#carried.values()) this.#hurry(turn, carried)
  }

  /** A receipt came; one that the origin did not sign empties nothing. */
  receipt(turn: Turn, bytes: Uint8Array): void {
    try {
      this.#received(turn, readReceipt(bytes, this.#self.set.origin()?.peers ?? []), bytes)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      turn.out({ type: 'log', level: 'warn', event: 'receipt.refused', fields: { code: error.code } })
    }
  }

  /** A report lies in the outbox. */
  spooled(turn: Turn, name: Digest, bytes: number, own?: OwnReport): void {
    const from = this.#bringers.get(name)?.peer
    this.#bringers.delete(name)
    if (this.#carried.has(name)) return
    if (own) this.#supersede(turn, own)
    const next = this.#soon(turn)
    this.#carried.set(name, { bytes, from, seq: own?.seq, sentOn: undefined, sentAt: undefined, next, tries: 0 })
    this.#wakeAt = earliest(this.#wakeAt, next)
  }

  /** Reports from a neighbour: the origin takes them in, everybody else carries them, as far as there is room. */
  arrived(turn: Turn, { link, peer }: Neighbour, sealed: readonly Uint8Array[]): void {
    if (this.#self.membership.role === 'origin') return turn.notify({ type: 'reports-arrived', link, sealed })
    this.#forgetUnspooled(turn)
    const room = this.#roomFor(peer)
    for (const bytes of sealed) {
      const name = sha256(bytes)
      const known = this.#carried.get(name)
      if (known) this.#again(turn, known, peer)
      else if (room.reports > 0 && room.bytes >= bytes.byteLength && !this.#bringers.has(name)) {
        room.reports--
        room.bytes -= bytes.byteLength
        this.#bringers.set(name, { peer, bytes: bytes.byteLength, at: turn.now })
        turn.out({ type: 'spool', sealed: bytes })
      }
    }
  }

  /** Our own older reports are dropped: the new one says it all. */
  #supersede(turn: Turn, { seq, keep }: OwnReport): void {
    if (keep === undefined) return
    const names = [...this.#carried].flatMap(([name, { seq: older }]) =>
      older !== undefined && older < seq && older !== keep ? [name] : [],
    )
    for (const name of names) this.#carried.delete(name)
    if (names.length > 0) turn.out({ type: 'unspool', names })
  }

  /** The origin's receipt: these need no more carrying; whoever brought them is told. */
  #received(turn: Turn, receipted: readonly Receipted[], receipt: Uint8Array): void {
    const back = new Set<PeerId>()
    const ours: Digest[] = []
    for (const { name, anew } of receipted) {
      const carried = this.#carried.get(name)
      if (!carried) continue
      ours.push(name)
      if (carried.seq !== undefined) turn.notify({ type: 'report-received', seq: carried.seq, anew })
      if (carried.from !== undefined) back.add(carried.from)
      this.#carried.delete(name)
    }
    for (const { link, peer } of this.#neighbours.list())
      if (back.has(peer)) send(turn, link, { t: 'receipt', bytes: receipt })
    if (ours.length === 0) return
    // There is room on the way again.
    this.#wakeAt = turn.now
    turn.out({ type: 'unspool', names: ours })
  }

  /** The bytes that were to be sent on a link. */
  read(turn: Turn, link: LinkId, sealed: readonly Uint8Array[]): void {
    if (sealed.length > 0 && this.#neighbours.established(link)) send(turn, link, { t: 'reports', sealed })
  }

  /** A route may have opened. */
  routesChanged(turn: Turn): void {
    for (const carried of this.#carried.values())
      if (carried.sentOn === undefined || !this.#neighbours.established(carried.sentOn)) {
        this.#hurry(turn, carried)
      }
  }

  wake(turn: Turn): void {
    if (this.#wakeAt === undefined || this.#wakeAt > turn.now) return
    this.#wakeAt = undefined
    const routes = this.#routes()
    const flights = this.#flights(turn)
    const batches = new Map<LinkId, Batch>()
    for (const [name, carried] of this.#due(turn)) {
      const link = routeOf(carried, routes)
      const flight = link === undefined ? undefined : (flights.get(link) ?? { bytes: 0, until: turn.now })
      if (flight && flight.bytes >= reportFlightBytes) {
        this.#wakeAt = earliest(this.#wakeAt, flight.until)
        continue
      }
      // Without a route `routesChanged` will look again: this only keeps the timer from spinning.
      const pauseMs = link === undefined ? reportAgainMs : reportAgainMs * 2 ** Math.min(carried.tries, 10)
      carried.next = after(turn.now, Math.min(reportAgainMsMax, pauseMs))
      if (link === undefined || !flight) continue
      const until = flight.bytes === 0 ? after(turn.now, reportFlightMs) : flight.until
      flights.set(link, { bytes: flight.bytes + carried.bytes, until })
      carried.sentOn = link
      carried.sentAt = turn.now
      carried.tries++
      addTo(turn, batches, link, name, carried.bytes)
    }
    for (const [link, { names }] of batches) turn.out({ type: 'read-reports', link, names })
    for (const { next } of this.#carried.values()) if (next > turn.now) this.#wakeAt = earliest(this.#wakeAt, next)
  }

  nextWake(): Instant | undefined {
    return this.#wakeAt
  }

  /**
   * What is to be sent now, least tried first: what the origin never answers must not hold up the rest. Of our own the newest is
   * before older ones, since it says how we are.
   */
  #due({ now }: Turn): [Digest, Carried][] {
    return [...this.#carried]
      .filter(([, { next }]) => next <= now)
      .sort(([, a], [, b]) => a.tries - b.tries || (b.seq ?? 0) - (a.seq ?? 0))
  }

  /** What was sent on each link a moment ago and has no receipt yet, and when the first of it counts as lost. */
  #flights({ now }: Turn): Map<LinkId, Flight> {
    const flights = new Map<LinkId, Flight>()
    for (const { bytes, sentOn, sentAt } of this.#carried.values()) {
      if (sentOn === undefined || sentAt === undefined || after(sentAt, reportFlightMs) <= now) continue
      const flight = flights.get(sentOn) ?? { bytes: 0, until: after(sentAt, reportFlightMs) }
      const until = Math.min(flight.until, after(sentAt, reportFlightMs)) as Instant
      flights.set(sentOn, { bytes: flight.bytes + bytes, until })
    }
    return flights
  }

  /** Its bringer sends it again: the receipt may have been lost, so it goes on at once, unless it went a moment ago. */
  #again(turn: Turn, carried: Carried, peer: PeerId): void {
    carried.from = peer
    if (carried.sentAt !== undefined && after(carried.sentAt, reportFlightMs) > turn.now) return
    this.#hurry(turn, carried)
  }

  /** To be sent soon; never later than it would be anyway, or whoever repeats himself would put it off for ever. */
  #hurry(turn: Turn, carried: Carried): void {
    carried.next = earliest(carried.next, this.#soon(turn)) ?? carried.next
    this.#wakeAt = earliest(this.#wakeAt, carried.next)
  }

  /** What was never stored, as on a full disk, is taken again when it comes again. */
  #forgetUnspooled({ now }: Turn): void {
    for (const [name, { at }] of this.#bringers) {
      if (after(at, reportFlightMs) > now) return
      this.#bringers.delete(name)
    }
  }

  /** How many more reports of this bringer are carried, and how many bytes. */
  #roomFor(bringer: PeerId): { reports: number; bytes: number } {
    const room = { reports: reportsPerBringerMax, bytes: reportsPerBringerBytesMax }
    const all = { reports: reportsCarriedMax, bytes: reportsCarriedBytesMax }
    const count = (peer: PeerId | undefined, bytes: number): void => {
      for (const one of peer === bringer ? [all, room] : [all]) {
        one.reports--
        one.bytes -= bytes
      }
    }
    for (const { from, bytes } of this.#carried.values()) count(from, bytes)
    for (const { peer, bytes } of this.#bringers.values()) count(peer, bytes)
    return { reports: Math.min(all.reports, room.reports), bytes: Math.min(all.bytes, room.bytes) }
  }

  #soon(turn: Turn): Instant {
    const [route] = this.#routes()
    return after(turn.now, route && !route.inside ? reportBatchMs : reportLanMs)
  }

  /** The origin itself, else everybody of the site who reaches the outside; who leaves takes anybody of the site for want of them. */
  #routes(): Neighbour[] {
    const all = this.#neighbours.list()
    const origin = all.find((neighbour) => neighbour.membership?.role === 'origin')
    if (origin) return [origin]
    const inside = all.filter((neighbour) => neighbour.inside)
    const reaching = inside.filter((neighbour) => neighbour.acting && neighbour.reach)
    return reaching.length === 0 && this.#isLeaving ? inside : reaching
  }
}

interface Flight {
  readonly bytes: number
  readonly until: Instant
}

interface Batch {
  names: Digest[]
  bytes: number
}

/** Never back to its bringer, and another way each time: one that swallows reports must not swallow all tries of one. */
function routeOf({ from, tries }: Carried, routes: readonly Neighbour[]): LinkId | undefined {
  const ways = routes.filter(({ peer }) => peer !== from)
  return ways[tries % Math.max(1, ways.length)]?.link
}

/** Puts a report into the batch of a link; a batch that is full is sent first. */
function addTo(turn: Turn, batches: Map<LinkId, Batch>, link: LinkId, name: Digest, bytes: number): void {
  const batch = batches.get(link) ?? { names: [], bytes: 0 }
  const isFull = batch.bytes + bytes > reportBatchBytes || batch.names.length >= reportsPerMessageMax
  if (isFull && batch.names.length > 0) {
    turn.out({ type: 'read-reports', link, names: batch.names })
    batches.set(link, { names: [name], bytes })
  } else batches.set(link, { names: [...batch.names, name], bytes: batch.bytes + bytes })
}

/**
 * Reports on their way to the origin (protocol.md §8): sealed, so that whoever carries them cannot read them; stored in an
 * outbox until the origin's signed receipt has come back; sent in batches where they cross a line. Delivered at least once: the
 * origin counts them once. Routes: the origin itself, else the site's acting uplink member, who carries them on.
 */
import { after, earliest, type Instant } from '#base/time.ts'
import { sha256, type Digest } from '#base/digest.ts'
import type { LinkId } from './link.ts'
import { send, type Neighbour, type Neighbours, type Self, type Turn } from './neighbour.ts'
import {
  reportAgainMs,
  reportAgainMsMax,
  reportBatchBytes,
  reportBatchMs,
  reportLanMs,
  reportsCarriedMax,
  reportsPerMessageMax,
} from './params.ts'

interface Carried {
  readonly bytes: number
  /** The neighbour it came from, to which the receipt goes back; undefined for our own. */
  readonly from: LinkId | undefined
  sentOn: LinkId | undefined
  next: Instant
  tries: number
}

export class Reports {
  readonly #self: Self
  readonly #neighbours: Neighbours
  readonly #carried = new Map<Digest, Carried>()
  /** Who brought a report that is still being spooled. */
  readonly #bringers = new Map<Digest, LinkId>()

  constructor(self: Self, neighbours: Neighbours) {
    this.#self = self
    this.#neighbours = neighbours
  }

  /** Reports that wait for their receipt, ours and carried ones. */
  get waiting(): number {
    return this.#carried.size
  }

  /** A report lies in the outbox. */
  spooled(turn: Turn, name: Digest, bytes: number): void {
    const from = this.#bringers.get(name)
    this.#bringers.delete(name)
    if (this.#carried.has(name)) return
    this.#carried.set(name, { bytes, from, sentOn: undefined, next: this.#soon(turn), tries: 0 })
  }

  /** Reports from a neighbour: the origin takes them in, everybody else carries them. */
  arrived(turn: Turn, neighbour: Neighbour, sealed: readonly Uint8Array[]): void {
    if (this.#self.membership.role === 'origin') {
      turn.notify({ type: 'reports-arrived', link: neighbour.link, sealed })
      return
    }
    for (const bytes of sealed) {
      const name = sha256(bytes)
      const known = this.#carried.get(name)
      // Sent again by its owner: our own receipt may have been lost, so it goes on at once.
      if (known) known.next = this.#soon(turn)
      else if (this.#carried.size + this.#bringers.size < reportsCarriedMax) {
        this.#bringers.set(name, neighbour.link)
        turn.out({ type: 'spool', sealed: bytes })
      }
    }
  }

  /** The origin's receipt: these need no more carrying; whoever brought them is told. */
  received(turn: Turn, names: readonly Digest[], receipt: Uint8Array): void {
    const back = new Set<LinkId>()
    const ours: Digest[] = []
    for (const name of names) {
      const carried = this.#carried.get(name)
      if (!carried) continue
      ours.push(name)
      if (carried.from !== undefined) back.add(carried.from)
      this.#carried.delete(name)
    }
    for (const link of back) if (this.#neighbours.established(link)) send(turn, link, { t: 'receipt', bytes: receipt })
    if (ours.length === 0) return
    turn.out({ type: 'unspool', names: ours })
    turn.notify({ type: 'reports-received', names: ours })
  }

  /** The bytes that were to be sent on a link. */
  read(turn: Turn, link: LinkId, sealed: readonly Uint8Array[]): void {
    if (sealed.length > 0 && this.#neighbours.established(link)) send(turn, link, { t: 'reports', sealed })
  }

  /** A route may have opened. */
  routesChanged(turn: Turn): void {
    for (const carried of this.#carried.values())
      if (carried.sentOn === undefined || !this.#neighbours.established(carried.sentOn)) carried.next = this.#soon(turn)
  }

  wake(turn: Turn): void {
    const due = [...this.#carried].filter(([, carried]) => carried.next <= turn.now)
    if (due.length === 0) return
    const route = this.#route()
    if (!route) {
      // No route: `routesChanged` will look again, this only keeps the timer from spinning.
      for (const [, carried] of due) carried.next = after(turn.now, reportAgainMs)
      return
    }
    let names: Digest[] = []
    let bytes = 0
    for (const [name, carried] of due) {
      if (names.length > 0 && (bytes + carried.bytes > reportBatchBytes || names.length >= reportsPerMessageMax)) {
        turn.out({ type: 'read-reports', link: route.link, names })
        names = []
        bytes = 0
      }
      names.push(name)
      bytes += carried.bytes
      carried.sentOn = route.link
      carried.next = after(turn.now, Math.min(reportAgainMsMax, reportAgainMs * 2 ** Math.min(carried.tries, 10)))
      carried.tries++
    }
    turn.out({ type: 'read-reports', link: route.link, names })
  }

  nextWake(): Instant | undefined {
    let next: Instant | undefined
    for (const carried of this.#carried.values()) next = earliest(next, carried.next)
    return next
  }

  #soon(turn: Turn): Instant {
    const route = this.#route()
    return after(turn.now, route && !route.inside ? reportBatchMs : reportLanMs)
  }

  #route(): Neighbour | undefined {
    const all = this.#neighbours.list()
    return (
      all.find((neighbour) => neighbour.membership?.role === 'origin') ??
      all.find((neighbour) => neighbour.inside && neighbour.acting && neighbour.reach)
    )
  }
}

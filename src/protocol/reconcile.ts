/**
 * Catching up (protocol.md §3): gossip gives a newcomer no history and misses a few, so now and then one random neighbour is
 * asked for its head. The interval doubles while nothing changes: a quiet fleet costs two messages an hour.
 */
import { after, type Instant } from '#base/time.ts'
import { send, type Neighbours, type Self, type Turn } from './neighbour.ts'
import { reconcileMs, reconcileMsMax, reconcileSoonMs } from './params.ts'

export class Reconcile {
  readonly #self: Self
  readonly #neighbours: Neighbours
  #intervalMs = reconcileMs
  #next: Instant | undefined

  constructor(self: Self, neighbours: Neighbours) {
    this.#self = self
    this.#neighbours = neighbours
  }

  /** Something changed: look again soon. */
  reset(turn: Turn): void {
    this.#intervalMs = reconcileMs
    const at = after(turn.now, this.#self.random.between(reconcileMs / 2, reconcileMs))
    if (this.#next === undefined || this.#next > at) this.#next = at
  }

  /** A link is new, and gossip on it is not live in its first seconds: looks again once that is over. */
  soon(turn: Turn): void {
    const at = after(turn.now, this.#self.random.between(reconcileSoonMs / 2, reconcileSoonMs))
    if (this.#next !== undefined && this.#next <= at) return
    this.#next = at
    // A look out of turn says nothing of how quiet the fleet is.
    this.#intervalMs = reconcileMs / 2
  }

  wake(turn: Turn): void {
    if (this.#next === undefined || this.#next > turn.now) return
    // Whoever has a link outside asks there: a site whose members ask only each other never learns what all of them missed.
    const outside = this.#neighbours.list('outside')
    const neighbour = this.#self.random.pick(outside.length > 0 ? outside : this.#neighbours.list('inside'))
    if (neighbour) send(turn, neighbour.link, { t: 'head', versions: this.#self.set.versions(), ask: false })
    this.#intervalMs = Math.min(reconcileMsMax, this.#intervalMs * 2)
    this.#next = after(turn.now, this.#self.random.between(this.#intervalMs / 2, this.#intervalMs))
  }

  nextWake(): Instant | undefined {
    return this.#next
  }
}

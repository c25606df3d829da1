/**
 * Catching up (protocol.md §3): gossip gives a newcomer no history and misses a few, so now and then one random neighbour is
 * asked for its head. The interval doubles while nothing changes: a quiet fleet costs two messages an hour.
 */
import { after, type Instant } from '#base/time.ts'
import { send, type Neighbours, type Self, type Turn } from './neighbour.ts'
import { reconcileMs, reconcileMsMax } from './params.ts'

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
    this.#next = after(turn.now, this.#self.random.between(reconcileMs / 2, reconcileMs))
  }

  wake(turn: Turn): void {
    if (this.#next === undefined || this.#next > turn.now) return
    // Inside first: asking over the line costs what the site pays for.
    const inside = this.#neighbours.list('inside')
    const neighbour = this.#self.random.pick(inside.length > 0 ? inside : this.#neighbours.list('outside'))
    if (neighbour) send(turn, neighbour.link, { t: 'head', versions: this.#self.set.versions(), ask: false })
    this.#intervalMs = Math.min(reconcileMsMax, this.#intervalMs * 2)
    this.#next = after(turn.now, this.#self.random.between(this.#intervalMs / 2, this.#intervalMs))
  }

  nextWake(): Instant | undefined {
    return this.#next
  }
}

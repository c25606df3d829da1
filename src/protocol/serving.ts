/**
 * Asks of neighbours that wait for the upload budget (protocol.md §6): served in parts, each as large as the budget allows, in turn. Without
 * a limit an ask is served at once and whole. An ask that is given up by its asker costs nothing more: its next part ends it.
 */
import { earliest, type Instant } from '#base/time.ts'
import type { Bucket, Budgets } from './budget.ts'
import type { Exchange } from './exchange.ts'
import type { ChunkRun, LinkId } from './link.ts'
import type { Neighbours, Turn } from './neighbour.ts'
import type { Traders } from './traders.ts'
import { asksHeldMax, asksHeldPerLinkMax } from './params.ts'

interface HeldAsk {
  readonly ask: number
  readonly link: LinkId
  readonly bucket: Bucket
  readonly chunkBytes: number
  /** What is left of it. */
  run: ChunkRun
  /** Bytes of the part that is being served. */
  part: number | undefined
}

export class Serving {
  readonly #neighbours: Neighbours
  readonly #exchange: Exchange
  readonly #traders: Traders
  readonly #budgets: Budgets
  /** In the order of their turn. */
  readonly #asks = new Map<number, HeldAsk>()
  #wakeAt: Instant | undefined

  constructor(neighbours: Neighbours, exchange: Exchange, traders: Traders, budgets: Budgets) {
    this.#traders = traders
    this.#neighbours = neighbours
    this.#exchange = exchange
    this.#budgets = budgets
  }

  /** Denies with `NOT_ADMITTED`, with `NOT_HERE` where not all of it is here, and with `TOO_BUSY` where too many wait. */
  asked(turn: Turn, link: LinkId, ask: number, run: ChunkRun): void {
    const neighbour = this.#neighbours.established(link)
    if (!neighbour) return turn.out({ type: 'deny', ask, code: 'NOT_ADMITTED' })
    if (!this.#traders.mayServe(neighbour)) return turn.out({ type: 'deny', ask, code: 'NOT_ADMITTED' })
    if (!this.#exchange.canServe(run.content, run.first, run.count))
      return turn.out({ type: 'deny', ask, code: 'NOT_HERE' })
    const bucket = neighbour.inside ? this.#budgets.lanUp : this.#budgets.wanUp
    if (bucket.rate === undefined) {
      if (neighbour.inside) this.#exchange.line.asked(turn.now)
      return turn.out({ type: 'serve', link, ask, run })
    }
    const ofLink = [...this.#asks.values()].filter((held) => held.link === link).length
    if (this.#asks.size >= asksHeldMax || ofLink >= asksHeldPerLinkMax)
      return turn.out({ type: 'deny', ask, code: 'TOO_BUSY' })
    const chunkBytes = this.#exchange.content(run.content)?.chunkBytes ?? 0
    this.#asks.set(ask, { ask, link, bucket, chunkBytes, run, part: undefined })
  }

  /** A part was served, or its asker is gone: what it was charged too much is given back. */
  partServed(turn: Turn, ask: number, bytes: number, isGone: boolean): void {
    const held = this.#asks.get(ask)
    if (!held) return
    held.bucket.take(turn.now, bytes - (held.part ?? 0))
    held.part = undefined
    this.#asks.delete(ask)
    if (!isGone && held.run.count > 0) this.#asks.set(ask, held)
  }

  down(link: LinkId): void {
    for (const [ask, held] of this.#asks) if (held.link === link) this.#asks.delete(ask)
  }

  /** Serves what the budgets allow now. */
  pump(turn: Turn): void {
    this.#wakeAt = undefined
    for (const held of this.#asks.values()) {
      if (held.part !== undefined) continue
      const room = held.bucket.room(turn.now)
      if (room > 0) this.#servePart(turn, held, room)
      else this.#wakeAt = earliest(this.#wakeAt, this.#budgets.wakeFor(turn.now, held.bucket))
    }
  }

  nextWake(): Instant | undefined {
    return this.#wakeAt
  }

  #servePart(turn: Turn, held: HeldAsk, room: number): void {
    const { ask, link, chunkBytes, bucket } = held
    const { content, first, count } = held.run
    const now = Math.min(count, Math.max(1, Math.floor(room / Math.max(1, chunkBytes))))
    held.run = { content, first: first + now, count: count - now }
    held.part = now * chunkBytes
    bucket.take(turn.now, held.part)
    // What waits for its budget is not stuck.
    if (bucket === this.#budgets.lanUp) this.#exchange.line.asked(turn.now)
    turn.out({ type: 'serve', link, ask, run: { content, first, count: now }, part: now < count ? 'more' : 'last' })
  }
}

/**
 * Neighbours of our site that left us because of wrong bytes. Where most of those who could know say so, our own disk or memory lies. One
 * neighbour counts once in `accuserMs`, however often it says so: else two liars would keep every member from the line in turn, for ever.
 */
import { after, type Instant } from '#base/time.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { accusersMin, banMs, rosterKnownMax } from './params.ts'

/** A word that was heard is not heard again for this long: a day. */
const accuserMs = 86_400_000

export class Accusers {
  readonly #heard = new Map<PeerId, { readonly at: Instant; spent: boolean }>()

  /** A neighbour says so, while `left` others are still neighbours; true where that makes it likely, and those who said so are heard no more. */
  heard(now: Instant, peer: PeerId, left: number): boolean {
    for (const [other, { at }] of this.#heard) if (after(at, accuserMs) <= now) this.#heard.delete(other)
    if (this.#heard.has(peer) || this.#heard.size >= rosterKnownMax) return false
    this.#heard.set(peer, { at: now, spent: false })
    const accusers = [...this.#heard.values()].filter(({ at, spent }) => !spent && after(at, banMs) > now)
    if (accusers.length < Math.max(accusersMin, (left + accusers.length) / 2)) return false
    for (const accuser of accusers) accuser.spent = true
    return true
  }
}

/**
 * Whether a neighbour can be reached now, not whether a link was made some time ago: a link that is dead looks alive until its ping is
 * missed, which takes minutes. Asked before and after a policy is applied (agent/probation.ts). It changes nothing and keeps no time.
 *
 * Where we dialled somebody, a few of those are dialled anew, since only that tries name, route and filter; a good-bye then ends the surplus
 * link (admission.ts). What counts is a link that came up since we asked and on which the other side then greeted us: what lay on its way
 * before cannot be taken for it. Where all links came from others we cannot dial, and any answer on one of them will do.
 */
import type { Random } from '#base/random.ts'
import type { ProtocolNotice } from './effect.ts'
import type { ProtocolInput } from './input.ts'
import type { Address, LinkId } from './link.ts'
import { metered } from './metered.ts'
import { send, type Turn } from './neighbour.ts'
import type { Protocol } from './protocol.ts'

/** One that has just gone must not decide; more would cost handshakes and tell nothing new. */
const askedMax = 2
/** Whoever makes links and never greets must not fill our memory. */
const linksMax = 64

export class Reach {
  readonly #protocol: Protocol
  #isAsked = false
  /** An answer on a link that is there counts. */
  #takesAnswers = false
  /** Links that came up since we asked. */
  readonly #links = new Set<LinkId>()

  constructor(protocol: Protocol) {
    this.#protocol = protocol
  }

  /** Asks, `anew` or once more; false where there is nobody to ask. A link that others make by then counts all the same. */
  ask(turn: Turn, anew: boolean): boolean {
    const { neighbours, self } = this.#protocol
    const there = neighbours.list()
    const dialled = there.filter(({ direction }) => direction === 'out').map(({ address }) => address)
    const addresses = there.length === 0 ? this.#known() : dialled
    if (anew) this.#links.clear()
    this.#isAsked = true
    this.#takesAnswers = dialled.length === 0
    for (const address of some(self.random, [...new Set(addresses)])) turn.out({ type: 'dial', address })
    if (this.#takesAnswers)
      for (const { link } of some(self.random, there))
        send(metered(turn, this.#protocol), link, { t: 'head', versions: self.set.versions(), ask: true })
    return there.length + addresses.length > 0
  }

  /** Whether this input, and what the protocol made of it, shows that somebody was reached; true once for each question. */
  isShownBy(input: ProtocolInput, notices: readonly ProtocolNotice[]): boolean {
    if (!this.#isAsked) return false
    if (input.type === 'link-up' && this.#links.size < linksMax) this.#links.add(input.link)
    if (input.type !== 'message') return false
    const isGreeting = this.#links.has(input.link) && notices.some(({ type }) => type === 'greeted')
    const isAnswer = this.#takesAnswers && this.#protocol.neighbours.established(input.link) !== undefined
    if (!isGreeting && !isAnswer) return false
    this.#isAsked = false
    this.#links.clear()
    return true
  }

  /** Where to look when no link is left: in our own site, or outside where we know nobody of it. */
  #known(): Address[] {
    const known = this.#protocol.knownAddresses()
    const inside = known.filter((contact) => contact.inside === true)
    return (inside.length > 0 ? inside : known).map(({ address }) => address)
  }
}

/** `askedMax` of them, in turn from any. */
function some<T>(random: Random, items: readonly T[]): T[] {
  const from = random.below(Math.max(1, items.length))
  return [...items.slice(from), ...items.slice(0, from)].slice(0, askedMax)
}

/**
 * The protocol machine: joins admission, head, roster, uplink, exchange and reports into `handle(input, now, out)`. It decides and
 * asks; it never reads a clock, a socket or a file, and hostile input costs its sender, never us.
 *
 *   const protocol = new Protocol({ self, known: [] , now })
 *   protocol.handle({ type: 'started', addresses }, now, out)        // → query, dial …
 *   protocol.nextWake()                                              // one time for all timers
 */
import { unreachable } from '#base/assert.ts'
import { after, earliest, type Instant } from '#base/time.ts'
import { Refused } from '#base/errors.ts'
import type { Digest } from '#base/digest.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { Admission } from './admission.ts'
import { Budgets } from './budget.ts'
import type { EffectSink, KnownAddress, ProtocolEffect, ProtocolNotice } from './effect.ts'
import { Exchange } from './exchange.ts'
import { Head, asksForMore, isBlameless } from './head.ts'
import { movesChunksOnly, type ProtocolInput } from './input.ts'
import { Ledger } from './ledger.ts'
import type { LinkId } from './link.ts'
import { metered } from './metered.ts'
import { Neighbours, dismiss, send, whoIs, wrongBytes } from './neighbour.ts'
import type { Neighbour, Self, Standing, Turn } from './neighbour.ts'
import { gossipLiveMs } from './params.ts'
import { Progress } from './progress.ts'
import type { ProtocolInit } from './protocol-init.ts'
import { Reconcile } from './reconcile.ts'
import { Reports } from './reports.ts'
import { Roster } from './roster.ts'
import { Serving } from './serving.ts'
import { Traders } from './traders.ts'
import { Uplink } from './uplink.ts'
import { decodeMessage, type Message } from './wire.ts'

export class Protocol {
  readonly self: Self
  readonly neighbours = new Neighbours()
  readonly ledger = new Ledger()
  readonly progress: Progress
  readonly budgets: Budgets
  readonly #admission: Admission
  readonly #head: Head
  readonly #reconcile: Reconcile
  readonly #roster: Roster
  readonly #uplink: Uplink
  readonly #exchange: Exchange
  readonly #traders: Traders
  readonly reports: Reports
  readonly #serving: Serving
  #carries = false
  /** The input at hand moves chunks and nothing else: who acts and whom to dial stays as it is. */
  #isBulk = false
  /** When the site is to be looked at again; asked for after every input, so it is not computed again for each chunk. */
  #siteWake: Instant | undefined
  #isSiteSettled = false
  #phase: 'new' | 'running' | 'stopped' = 'new'

  constructor({ self, known, now, readiness, budget, isPolite = false }: ProtocolInit) {
    const { neighbours } = this
    this.self = self
    const budgets = (this.budgets = new Budgets(budget, self.wall))
    this.#admission = new Admission(self, this.neighbours)
    this.#head = new Head(self)
    this.#reconcile = new Reconcile(self, this.neighbours)
    const isBanned: Admission['isBanned'] = (peer) => this.#admission.isBanned(peer)
    this.#traders = new Traders(self, neighbours, isBanned)
    this.#roster = new Roster({ self, neighbours, isBanned, traders: this.#traders, known, now })
    this.#uplink = new Uplink(self, this.neighbours)
    this.#exchange = new Exchange(
      { self, neighbours, uplink: this.#uplink, traders: this.#traders, budgets, isPolite },
      this.ledger,
    )
    this.#serving = new Serving(neighbours, this.#exchange, this.#traders, budgets)
    this.reports = new Reports(self, this.neighbours)
    this.progress = new Progress({ self, neighbours, exchange: this.#exchange, uplink: this.#uplink, readiness })
  }

  handle(
    input: ProtocolInput,
    now: Instant,
    out: EffectSink<ProtocolEffect>,
    notify: (notice: ProtocolNotice) => void,
  ): void {
    const turn = this.#counted({ now, out, notify })
    this.#isBulk = movesChunksOnly(input)
    this.budgets.look(now, () => this.#uplink.others().length + 1)
    this.#take(turn, input)
    this.#settle(turn)
  }

  /** Wants a content for the rest of this member; `complete` is noticed when all of it is here. */
  want(turn: Turn, ref: ContentRef, priority: number): void {
    this.#exchange.want(this.#counted(turn), ref, priority)
  }

  unwant(turn: Turn, digest: Digest): void {
    this.#exchange.unwant(this.#counted(turn), digest)
  }

  /** Tells the site how far we are, where that changed; called when an input is done with, by the agent too. */
  tellProgress(turn: Turn): void {
    if (this.#phase === 'running') this.progress.settle(this.#counted(turn))
  }

  /** The origin's word on reports that arrived, back the way they came. */
  sendReceipt(turn: Turn, link: LinkId, bytes: Uint8Array): void {
    send(this.#counted(turn), link, { t: 'receipt', bytes })
  }

  nextWake(): Instant | undefined {
    if (this.#phase !== 'running') return undefined
    if (!this.#isSiteSettled)
      this.#siteWake = earliest(
        this.#admission.nextWake(),
        this.#head.nextWake(),
        this.#reconcile.nextWake(),
        this.#roster.nextWake(this.#uplink.mayGoOutside, this.#uplink.sought()),
        this.#uplink.nextWake(),
        this.reports.nextWake(),
      )
    this.#isSiteSettled = true
    return earliest(this.#siteWake, this.#exchange.nextWake(), this.#serving.nextWake(), this.progress.nextWake())
  }

  /** Whether we act as uplink member, and reach the outside. */
  get standing(): Standing {
    return this.#uplink.standing
  }

  /** Contents that are here or on their way; never to be changed by the caller. */
  get exchange(): Exchange {
    return this.#exchange
  }

  /** Bytes that this member had to learn, however they came: chunks and signed metadata (protocol.md §7). */
  get neededBytes(): number {
    return this.ledger.neededBytes + this.#head.neededBytes
  }

  knownAddresses(): KnownAddress[] {
    return this.#roster.known()
  }

  #take(turn: Turn, input: ProtocolInput): void {
    switch (input.type) {
      case 'started':
        this.#phase = 'running'
        this.#admission.listen(input.addresses)
        this.#uplink.started(turn)
        this.#roster.started(turn, input.bootstrap ?? [])
        this.#reconcile.reset(turn)
        if (this.self.set.complete) turn.notify({ type: 'release' })
        return
      case 'link-up':
        this.#roster.linkUp(input.address, input.peer, input.direction)
        this.#admission.linkUp(turn, input.link, input.peer, input.direction, input.address)
        if (this.#phase === 'stopped') this.#dismissAll(turn)
        return
      case 'link-down':
        return this.#down(turn, input.link)
      case 'dial-failed':
        return this.#roster.failed(turn, input.address)
      case 'seen':
        return this.#roster.seen(turn, input.address, input.peer)
      case 'message':
        return this.#message(turn, input.link, input.bytes)
      case 'gossip':
        return this.#gossip(turn, input.link, input.bytes)
      case 'asked':
        return this.#serving.asked(turn, input.link, input.ask, input.run)
      case 'served':
        if (this.#exchange.line.handedOn(turn.now)) this.#exchange.woke()
        return this.ledger.served(this.neighbours.get(input.link), input.content, input.bytes)
      case 'part-served':
        return this.#serving.partServed(turn, input.ask, input.bytes, input.isGone)
      case 'opened':
        return this.#exchange.opened(turn, input.content, input.chunks, input.have)
      case 'open-failed':
        return this.#exchange.openFailed(turn, input.content, input.code)
      case 'chunk': {
        const liar = this.#exchange.chunk(turn, input.fetch, input.index, input.bytes, input.verdict)
        if (!liar) return
        this.#isBulk = false
        this.#admission.strike(turn, liar, 'CHUNK_WRONG')
        return
      }
      case 'fetch-ended':
        return this.#exchange.fetchEnded(turn, input.fetch, input.end)
      case 'added':
        for (const ref of input.refs) this.#exchange.added(turn, ref)
        return
      case 'evicted':
        return this.#exchange.evicted(input.contents)
      case 'metadata':
        this.#head.announce(turn, input.pack)
        return this.#metadataChanged(turn, 'young')
      case 'spooled':
        return this.reports.spooled(turn, input.name, input.bytes, input.own)
      case 'report-read':
        return this.reports.read(turn, input.link, input.sealed)
      case 'survey':
        return this.progress.survey(turn)
      case 'wake':
        return this.#wake(turn)
      case 'leaving':
        return this.reports.leaving(turn)
      case 'stopping':
        this.#phase = 'stopped'
        return this.#dismissAll(turn)
      default:
        return unreachable(input)
    }
  }

  /** What follows from any change: who acts, whom to dial, what to ask for. */
  #settle(turn: Turn): void {
    // Before the network is there nobody can be dialled: a dial that nobody carries out would never end. After a good-bye nobody should be.
    if (this.#phase !== 'running') return
    if (!this.#isBulk) this.#settleSite(turn)
    this.#exchange.pump(turn)
    this.#serving.pump(turn)
  }

  #settleSite(turn: Turn): void {
    const before = this.#uplink.standing
    this.#uplink.update(turn, this.#exchange.line)
    const standing = this.#uplink.standing
    if (standing.acting !== before.acting || standing.reach !== before.reach) {
      this.#exchange.standingChanged(turn)
      this.reports.routesChanged(turn)
    }
    this.#carry(turn, standing.acting, !before.acting)
    this.#roster.wake(turn, this.#uplink.mayGoOutside, this.#uplink.sought())
    this.reports.wake(turn)
    this.#isSiteSettled = false
  }

  /** Who acts is the only one of its site that can fetch: once a neighbour asks in vain, what is meant for others is fetched too (protocol.md §5.5). */
  #carry(turn: Turn, acts: boolean, isNew: boolean): void {
    const carries = acts && (this.#carries || this.#exchange.isAskedInVain(isNew))
    if (carries === this.#carries) return
    this.#carries = carries
    turn.notify({ type: 'carry', carries })
  }

  #wake(turn: Turn): void {
    this.#admission.wake(turn)
    this.#exchange.woke()
    this.#reconcile.wake(turn)
    for (const link of this.#head.wake(turn)) {
      const others = this.neighbours.list().filter((neighbour) => neighbour.link !== link)
      const other = this.self.random.pick(others) ?? this.neighbours.established(link)
      if (other) this.#head.ask(turn, other)
    }
  }

  #gossip(turn: Turn, link: LinkId, bytes: Uint8Array): void {
    const carrier = this.neighbours.get(link)
    // Whoever has not proved itself is not worth a signature check.
    if (carrier?.phase !== 'verified' && carrier?.phase !== 'established')
      return turn.out({ type: 'verdict', verdict: 'ignore' })
    this.ledger.gossip(carrier, 'down', bytes)
    const neighbour = this.neighbours.established(link)
    const verdict = this.#head.gossip(turn, neighbour, bytes)
    if (verdict === 'accept') this.#metadataChanged(turn, 'young')
    if (verdict === 'reject' && neighbour) this.#admission.strike(turn, neighbour, 'GOSSIP_REFUSED')
    turn.out({ type: 'verdict', verdict })
  }

  #message(turn: Turn, link: LinkId, bytes: Uint8Array): void {
    const neighbour = this.neighbours.get(link)
    if (!neighbour || neighbour.phase === 'closing') return
    this.ledger.message(neighbour, 'down', bytes)
    if (neighbour.membership && !neighbour.inside) this.budgets.wanDown.take(turn.now, bytes.byteLength)
    let message: Message
    try {
      message = decodeMessage(bytes)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      this.#admission.strike(turn, neighbour, error.code)
      return dismiss(turn, neighbour, error.code)
    }
    if (message.t === 'hello') {
      const isVerified = this.#admission.hello(turn, neighbour, message, this.#uplink.standing)
      if (!isVerified) return
      this.ledger.placed(neighbour)
      return
    }
    if (message.t === 'bye') {
      turn.out({ type: 'log', level: 'info', event: 'link.bye', fields: { peer: neighbour.peer, code: message.code } })
      if (message.code === wrongBytes && neighbour.inside) this.#uplink.accused(turn, neighbour.peer)
      neighbour.phase = 'closing'
      return turn.out({ type: 'close', link, reason: `BYE_${message.code}` })
    }
    if (message.t === 'ready' && neighbour.phase === 'verified') return this.#established(turn, neighbour, message)
    if (neighbour.phase !== 'established' || message.t === 'ready') return dismiss(turn, neighbour, 'OUT_OF_ORDER')
    this.#hear(turn, neighbour, message)
  }

  /** A message of an established neighbour. */
  #hear(turn: Turn, neighbour: Neighbour, message: Exclude<Message, { t: 'hello' | 'ready' | 'bye' }>): void {
    this.#isBulk = message.t === 'have' || message.t === 'more'
    switch (message.t) {
      case 'head':
        neighbour.versions = message.versions
        return this.#head.compare(turn, neighbour, message.ask)
      case 'pack': {
        const absorbed = this.#head.pack(turn, neighbour, message)
        if (!absorbed) return
        if (absorbed.type === 'advanced') this.#metadataChanged(turn, 'inside')
        if (absorbed.type === 'refused' && !isBlameless(absorbed.code))
          this.#admission.strike(turn, neighbour, absorbed.code)
        else if (asksForMore(absorbed)) this.#head.ask(turn, neighbour)
        return
      }
      case 'roster':
        // Another site's addresses are none of our business, and could be a way to make us knock at strange doors.
        return neighbour.inside ? this.#roster.told(turn, message.members) : undefined
      case 'traders':
        return this.#traders.told(turn, neighbour, message.traders)
      case 'uplink':
        this.#uplink.heard(turn, neighbour, message)
        this.#uplink.told(neighbour, message.others)
        this.#exchange.line.look(turn.now)
        this.#exchange.line.standingHeard(turn, neighbour)
        return this.reports.routesChanged(turn)
      case 'want':
        if (!this.#exchange.wanted(turn, neighbour, message.contents)) dismiss(turn, neighbour, 'TOO_MUCH')
        return
      case 'unwant':
        return this.#exchange.unwanted(neighbour, message.contents)
      case 'have':
        this.#isBulk = this.#exchange.have(neighbour, message)
        if (!this.#isBulk) this.#admission.strike(turn, neighbour, 'HAVE_WRONG')
        return
      case 'more':
        return this.#exchange.more(neighbour, message)
      case 'lease':
        return this.#exchange.leased(turn, neighbour, message)
      case 'reports':
        return this.reports.arrived(turn, neighbour, message.sealed)
      case 'receipt':
        return this.reports.receipt(turn, message.bytes)
      case 'progress':
        return this.progress.heard(turn, neighbour, message)
      default:
        return unreachable(message)
    }
  }

  #established(turn: Turn, neighbour: Neighbour, ready: Standing): void {
    neighbour.phase = 'established'
    this.#uplink.heard(turn, neighbour, ready)
    const { hello } = neighbour
    neighbour.hello = undefined
    turn.out({ type: 'log', level: 'info', event: 'link.established', fields: whoIs(neighbour) })
    this.#roster.established(turn, neighbour, hello)
    // Whoever is behind updates first, so that contact with one up-to-date member brings revocations before rights (trust.md §6).
    this.#head.met(turn, neighbour)
    this.#reconcile.soon(turn)
    this.#exchange.line.standingHeard(turn, neighbour)
    this.#exchange.established(turn, neighbour)
    this.reports.routesChanged(turn)
    if (hello) turn.notify({ type: 'greeted', peer: neighbour.peer, membership: hello.membership })
  }

  /** `tell`: whom gossip will not have told: all of our site, after a pack; else those whose links are too young for it. */
  #metadataChanged(turn: Turn, tell: 'inside' | 'young'): void {
    const young = (neighbour: Neighbour): boolean => after(neighbour.since, gossipLiveMs) > turn.now
    this.#head.spread(turn, tell === 'inside' ? this.neighbours.list('inside') : this.neighbours.list().filter(young))
    this.#reconcile.reset(turn)
    this.#admission.recheck(turn)
  }

  #down(turn: Turn, link: LinkId): void {
    const neighbour = this.neighbours.remove(link)
    if (!neighbour) return
    this.#head.forget(link)
    this.#exchange.down(link)
    this.#serving.down(link)
    this.#uplink.down(link)
    this.progress.down(turn.now, neighbour)
    this.#roster.down(turn, neighbour)
    this.reports.routesChanged(turn)
    if (neighbour.phase === 'established')
      turn.out({ type: 'log', level: 'info', event: 'link.down', fields: { peer: neighbour.peer } })
  }

  #dismissAll(turn: Turn): void {
    for (const neighbour of this.neighbours.all()) dismiss(turn, neighbour, 'STOPPING')
  }

  /** The same turn, with its effects counted. */
  #counted(turn: Turn): Turn {
    return metered(turn, this)
  }
}

/**
 * Who of the site goes outside (protocol.md §5.1-5.5). Without election or leader: every member decides for itself by
 * what its neighbours say, and a disagreement costs a duplicate chunk, never correctness.
 *
 *   settling ──settle time──▶ waiting ──nobody acts who keeps its word, after a random delay──▶ acting
 *   acting ──no link outside for reachMs while others could try, or better ones act──▶ waiting
 *
 * Who steps down lets what is on its way arrive before it leaves the outside. A relay acts from the start and never stops seeking the outside; the origin is the outside.
 */
import { after, earliest, instant, type Instant } from '#base/time.ts'
import type { PeerId } from '#trust/peer-id.ts'
import type { LinkId } from './link.ts'
import { Accusers } from './accusers.ts'
import { Acting, type ActingMember } from './acting.ts'
import { Newsless } from './newsless.ts'
import { dismiss, send, type Neighbour, type Neighbours, type Self, type Standing, type Turn } from './neighbour.ts'
import {
  actingTellMs,
  banMs,
  drainMs,
  reachMs,
  redialMsMax,
  settleMsMax,
  settleMsMin,
  volunteerAgainMs,
  volunteerAgainMsMax,
  volunteerMsMax,
  volunteerUnfitMs,
} from './params.ts'

type State =
  | { readonly type: 'settling'; readonly until: Instant }
  | { readonly type: 'waiting'; readonly volunteerAt: Instant | undefined }
  | { readonly type: 'acting'; readonly since: Instant }

/** What the exchange knows of the line. */
export interface LineView {
  /** Whether a neighbour that acts leaves undone what we wait for (protocol.md §5.3). */
  isSilent(now: Instant, link: LinkId): boolean
  /** Whether something has been missing so long that whoever acts without a link to us does not help us either. */
  isStarving(now: Instant): boolean
  /** Whether anything is on its way from outside. */
  readonly isBusy: boolean
}

export class Uplink {
  readonly #self: Self
  readonly #neighbours: Neighbours
  readonly #acting: Acting
  readonly #newsless: Newsless
  /** When what neighbours told of others is passed on. */
  #tellAt: Instant | undefined
  #toldVersion = -1
  #state: State = { type: 'waiting', volunteerAt: undefined }
  #logged: Standing = { acting: false, reach: false }
  #lostAt: Instant | undefined
  #againMs = volunteerAgainMs
  #notBefore: Instant | undefined
  #lookedAt = instant(0)
  readonly #accusers = new Accusers()
  /** Until when we leave the line to others because we serve wrong bytes. */
  #doubtedUntil: Instant | undefined
  /** Since when we wait for the last bytes from outside. */
  #drainSince: Instant | undefined

  constructor(self: Self, neighbours: Neighbours) {
    this.#self = self
    this.#neighbours = neighbours
    this.#acting = new Acting(self.peer)
    this.#newsless = new Newsless(self.random)
  }

  /** What a `ready` or `uplink` message says of us. */
  get standing(): Standing {
    if (this.#self.membership.role === 'origin') return { acting: true, reach: true }
    return { acting: this.#state.type === 'acting', reach: this.#reach() }
  }

  /** Whether we may dial another site now. Never the origin: links across sites go from a site outward (protocol.md §5.1). */
  get mayGoOutside(): boolean {
    const { role } = this.#self.membership
    if (this.#doubtedUntil !== undefined) return false
    return role === 'relay' || (role === 'client' && this.#state.type === 'acting')
  }

  started(turn: Turn): void {
    this.#state =
      this.#self.membership.role === 'client'
        ? { type: 'settling', until: after(turn.now, this.#self.random.between(settleMsMin, settleMsMax)) }
        : { type: 'acting', since: turn.now }
    this.#lostAt = turn.now
  }

  /** Whom a neighbour of our site knows to act. */
  told(neighbour: Neighbour, others: readonly ActingMember[]): void {
    if (neighbour.inside) this.#acting.heard(neighbour.link, others)
  }

  down(link: LinkId): void {
    this.#acting.down(link)
  }

  /** Who acts in our site besides us and reaches the outside, with a link to us or without, best first. */
  others(): readonly ActingMember[] {
    return this.#acting.known(this.#neighbours.list('inside'))
  }

  /** Members of our site to whom we need a link: all who act while we do, else the best of them while we have a link to none. */
  sought(): ReadonlySet<PeerId> {
    const others = this.others()
    const goesOutside = this.#self.membership.role === 'relay' || this.#state.type === 'acting'
    if (!goesOutside && others.some(({ hops }) => hops === 1)) return new Set()
    return new Set((goesOutside ? others : others.slice(0, 1)).filter(({ hops }) => hops > 1).map(({ peer }) => peer))
  }

  /** What a neighbour says of its own part. */
  heard(turn: Turn, neighbour: Neighbour, { acting, reach }: Standing): void {
    this.#acting.look()
    neighbour.acting = acting
    neighbour.reach = reach
    neighbour.lostAt = acting && !reach ? (neighbour.lostAt ?? turn.now) : undefined
  }

  /** Looks again at who acts; call after every change of neighbours and at every wake. */
  update(turn: Turn, line: LineView): void {
    if (this.#self.membership.role === 'origin') return
    this.#lookedAt = turn.now
    if (this.#doubtedUntil !== undefined && this.#doubtedUntil <= turn.now) this.#doubtedUntil = undefined
    const reach = this.#reach()
    if (reach) {
      this.#lostAt = undefined
      this.#againMs = volunteerAgainMs
    } else this.#lostAt ??= turn.now
    if (this.#doubtedUntil !== undefined) {
      this.#state = { type: 'waiting', volunteerAt: this.#doubtedUntil }
      this.#leaveOutside(turn, line)
    } else if (this.#self.membership.role === 'relay') this.#updateRelay(turn, reach)
    else this.#updateClient(turn, reach, line)
    this.#tell(turn)
  }

  /** A neighbour of our site left us because we served it wrong bytes. Where most say so, our disk or memory lies, and others go outside. */
  accused(turn: Turn, peer: PeerId): void {
    if (this.#self.membership.role === 'origin') return
    const left = this.#neighbours.list('inside').filter((other) => other.peer !== peer).length
    if (!this.#accusers.heard(turn.now, peer, left)) return
    this.#doubtedUntil = after(turn.now, banMs)
    turn.out({ type: 'log', level: 'warn', event: 'uplink.doubted', fields: { reason: 'CHUNK_WRONG' } })
  }

  nextWake(): Instant | undefined {
    if (this.#self.membership.role === 'origin') return undefined
    if (this.#state.type === 'settling') return earliest(this.#state.until, this.#tellAt)
    const drained = this.#drainSince && after(this.#drainSince, drainMs)
    if (this.#state.type === 'waiting')
      return earliest(
        this.#state.volunteerAt,
        this.#nextGivenUp(),
        drained,
        this.#tellAt,
        this.#self.membership.role === 'client' ? this.#newsless.nextWake() : undefined,
      )
    const isPatient = this.#self.membership.role === 'client' && this.#isAlone()
    return this.#lostAt === undefined || isPatient ? this.#tellAt : earliest(after(this.#lostAt, reachMs), this.#tellAt)
  }

  #updateRelay(turn: Turn, reach: boolean): void {
    const hopeless = this.#lostAt !== undefined && after(this.#lostAt, reachMs) <= turn.now
    if (reach) this.#state = this.#state.type === 'acting' ? this.#state : { type: 'acting', since: turn.now }
    // Nor does one whose doubt is over wait for a time: that time is past, and it would be woken for it for ever.
    else if (hopeless || this.#state.type === 'waiting') this.#state = { type: 'waiting', volunteerAt: undefined }
  }

  #updateClient(turn: Turn, reach: boolean, line: LineView): void {
    const state = this.#state
    if (state.type === 'settling' && state.until > turn.now) return
    // What others say of themselves counts for nothing while no news come by them.
    const { issuedAt } = this.#self.set
    const looks = this.#newsless.looks(turn.now, issuedAt && this.#self.wall.when(issuedAt))
    const others = looks
      ? []
      : this.#neighbours
          .list('inside')
          .filter((neighbour) => suppresses(neighbour, turn.now) && !line.isSilent(turn.now, neighbour.link))
    const distant = looks || line.isStarving(turn.now) ? [] : this.others().filter(({ hops }) => hops > 1)
    if (state.type === 'acting') {
      const better = others.filter(
        ({ reach: theirs, membership, peer }) =>
          theirs && (membership?.role !== 'client' || !reach || peer < this.#self.peer),
      )
      const farther = distant.filter(({ role, peer }) => role !== 'client' || !reach || peer < this.#self.peer)
      // Alone there is nobody to make room for: whoever pauses then only finds a returned origin later.
      const hopeless = !this.#isAlone() && this.#lostAt !== undefined && after(this.#lostAt, reachMs) <= turn.now
      const isBeaten = better.length + farther.length > 0
      if (isBeaten || hopeless) this.#stepDown(turn, line, hopeless && !isBeaten)
      return
    }
    const isSpared = others.length + distant.length > 0
    if (isSpared) this.#state = { type: 'waiting', volunteerAt: undefined }
    else if (state.type !== 'waiting' || state.volunteerAt === undefined || this.#isLeftAlone(state.volunteerAt)) {
      this.#notBefore = this.#isAlone() ? undefined : this.#notBefore
      const patience = this.#self.isUnfit === true ? volunteerUnfitMs : 0
      const at = after(turn.now, patience + this.#self.random.between(0, volunteerMsMax))
      this.#state = { type: 'waiting', volunteerAt: this.#notBefore && this.#notBefore > at ? this.#notBefore : at }
    } else if (state.volunteerAt <= turn.now) {
      this.#drainSince = undefined
      this.#state = { type: 'acting', since: turn.now }
      this.#lostAt = reach ? undefined : turn.now
    }
    // Nobody of the site hears of the outside through us now, so a link that was made before we knew is given back.
    if (isSpared) this.#leaveOutside(turn, line)
    else this.#drainSince = undefined
  }

  /** Whether the pause that was to let others try has lost its reason. */
  #isLeftAlone(volunteerAt: Instant): boolean {
    return this.#isAlone() && volunteerAt === this.#notBefore
  }

  #isAlone(): boolean {
    return this.#neighbours.list('inside').length === 0
  }

  #stepDown(turn: Turn, line: LineView, failed: boolean): void {
    this.#state = { type: 'waiting', volunteerAt: undefined }
    if (failed) {
      this.#notBefore = after(turn.now, this.#self.random.between(this.#againMs / 2, this.#againMs))
      // The fewer take turns, the shorter each pauses: somebody of the site tries about once in `redialMsMax`.
      const turns = this.#neighbours.list('inside').length + 1
      this.#againMs = Math.min(volunteerAgainMsMax, turns * redialMsMax, this.#againMs * 2)
    }
    this.#leaveOutside(turn, line)
    if (failed) this.#state = { type: 'waiting', volunteerAt: this.#notBefore }
  }

  /** What is on its way is let in first: asked for again by another, it would cross the line twice. */
  #leaveOutside(turn: Turn, line: LineView): void {
    if (line.isBusy) this.#drainSince ??= turn.now
    if (line.isBusy && this.#drainSince !== undefined && after(this.#drainSince, drainMs) > turn.now) return
    this.#drainSince = undefined
    for (const neighbour of this.#neighbours.list('outside')) dismiss(turn, neighbour, 'STEPPED_DOWN')
  }

  #reach(): boolean {
    return this.#neighbours.list('outside').length > 0
  }

  /** Tells each neighbour that was told something else of us, at once; what we know of others with the next batch. */
  #tell(turn: Turn): void {
    const standing = this.standing
    const isDue = this.#tellAt !== undefined && this.#tellAt <= turn.now
    // Looked at after nearly every input: nothing changed after most of them.
    if (!isDue && isSame(standing, this.#logged) && this.#toldVersion === this.#acting.version) return
    this.#toldVersion = this.#acting.version
    if (!isSame(standing, this.#logged))
      turn.out({ type: 'log', level: 'info', event: 'uplink.standing', fields: { ...standing } })
    this.#logged = standing
    const inside = this.#neighbours.list('inside')
    if (isDue) this.#tellAt = undefined
    for (const neighbour of inside) {
      const others = this.#acting.toTell(neighbour, inside)
      const key = others.map(({ peer, hops }) => `${hops} ${peer}`).join()
      const isKnown = neighbour.told !== undefined && isSame(standing, neighbour.told)
      if (isKnown && key === neighbour.toldOthers) continue
      if (isKnown && !isDue) this.#tellAt ??= after(turn.now, actingTellMs)
      else {
        neighbour.told = standing
        neighbour.toldOthers = key
        send(turn, neighbour.link, { t: 'uplink', ...standing, others })
      }
    }
  }

  /** When the next of those who act and reach nobody stops silencing us. */
  #nextGivenUp(): Instant | undefined {
    let next: Instant | undefined
    for (const { lostAt } of this.#neighbours.list('inside')) {
      const until = lostAt && after(lostAt, patienceMs)
      if (until !== undefined && until > this.#lookedAt) next = earliest(next, until)
    }
    return next
  }
}

const isSame = (a: Standing, b: Standing): boolean => a.acting === b.acting && a.reach === b.reach

/** An honest member without a link outside gives up by itself after `reachMs`; whoever does not is waited for no longer than this. */
const patienceMs = 2 * reachMs

/** Whether a neighbour's acting keeps us from it. */
const suppresses = ({ acting, lostAt }: Neighbour, now: Instant): boolean =>
  acting && (lostAt === undefined || after(lostAt, patienceMs) > now)

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
import { dismiss, send, type Neighbour, type Neighbours, type Self, type Standing, type Turn } from './neighbour.ts'
import {
  accusersMin,
  banMs,
  drainMs,
  reachMs,
  redialMsMax,
  settleMsMax,
  settleMsMin,
  volunteerAgainMs,
  volunteerAgainMsMax,
  volunteerMsMax,
} from './params.ts'

type State =
  | { readonly type: 'settling'; readonly until: Instant }
  | { readonly type: 'waiting'; readonly volunteerAt: Instant | undefined }
  | { readonly type: 'acting'; readonly since: Instant }

/** What the exchange knows of the line. */
export interface LineView {
  /** Whether a neighbour that acts leaves undone what we wait for (protocol.md §5.3). */
  isSilent(now: Instant, link: LinkId): boolean
  /** Whether anything is on its way from outside. */
  readonly isBusy: boolean
}

export class Uplink {
  readonly #self: Self
  readonly #neighbours: Neighbours
  #state: State = { type: 'waiting', volunteerAt: undefined }
  #logged: Standing = { acting: false, reach: false }
  #lostAt: Instant | undefined
  #againMs = volunteerAgainMs
  #notBefore: Instant | undefined
  #lookedAt = instant(0)
  /** Neighbours that say we serve wrong bytes, and until when we leave the line to others for it. */
  readonly #accusers = new Map<PeerId, Instant>()
  #doubtedUntil: Instant | undefined
  /** Since when we wait for the last bytes from outside. */
  #drainSince: Instant | undefined

  constructor(self: Self, neighbours: Neighbours) {
    this.#self = self
    this.#neighbours = neighbours
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

  /** What a neighbour says of its own part. */
  heard(turn: Turn, neighbour: Neighbour, { acting, reach }: Standing): void {
    neighbour.acting = acting
    neighbour.reach = reach
    neighbour.lostAt = acting && !reach ? (neighbour.lostAt ?? turn.now) : undefined
  }

  /** Looks again at who acts; call after every change of neighbours and at every wake. */
  update(turn: Turn, line: LineView): void {
    if (this.#self.membership.role === 'origin') return
    this.#lookedAt = turn.now
    if (this.#doubtedUntil !== undefined && (this.#doubtedUntil <= turn.now || this.#isAlone()))
      this.#doubtedUntil = undefined
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

  /** A neighbour of our site left us because we served it wrong bytes. Where several say so, our disk or memory lies, and others go outside. */
  accused(turn: Turn, peer: PeerId): void {
    this.#accusers.set(peer, turn.now)
    for (const [other, at] of this.#accusers) if (after(at, banMs) <= turn.now) this.#accusers.delete(other)
    if (this.#accusers.size < accusersMin || this.#self.membership.role === 'origin') return
    this.#accusers.clear()
    this.#doubtedUntil = after(turn.now, banMs)
    turn.out({ type: 'log', level: 'warn', event: 'uplink.doubted', fields: { reason: 'CHUNK_WRONG' } })
  }

  nextWake(): Instant | undefined {
    if (this.#self.membership.role === 'origin') return undefined
    if (this.#state.type === 'settling') return this.#state.until
    const drained = this.#drainSince && after(this.#drainSince, drainMs)
    if (this.#state.type === 'waiting') return earliest(this.#state.volunteerAt, this.#nextGivenUp(), drained)
    const isPatient = this.#self.membership.role === 'client' && this.#isAlone()
    return this.#lostAt === undefined || isPatient ? undefined : after(this.#lostAt, reachMs)
  }

  #updateRelay(turn: Turn, reach: boolean): void {
    const hopeless = this.#lostAt !== undefined && after(this.#lostAt, reachMs) <= turn.now
    if (reach) this.#state = this.#state.type === 'acting' ? this.#state : { type: 'acting', since: turn.now }
    else if (hopeless && this.#state.type === 'acting') this.#state = { type: 'waiting', volunteerAt: undefined }
  }

  #updateClient(turn: Turn, reach: boolean, line: LineView): void {
    const state = this.#state
    if (state.type === 'settling' && state.until > turn.now) return
    const others = this.#neighbours
      .list('inside')
      .filter((neighbour) => suppresses(neighbour, turn.now) && !line.isSilent(turn.now, neighbour.link))
    if (state.type === 'acting') {
      const better = others.filter(
        ({ reach: theirs, membership, peer }) =>
          theirs && (membership?.role !== 'client' || !reach || peer < this.#self.peer),
      )
      const relayed = better.some(({ membership }) => membership?.role !== 'client')
      // Alone there is nobody to make room for: whoever pauses then only finds a returned origin later.
      const hopeless = !this.#isAlone() && this.#lostAt !== undefined && after(this.#lostAt, reachMs) <= turn.now
      if (relayed || better.length > 0 || hopeless) this.#stepDown(turn, line, hopeless && better.length === 0)
      return
    }
    if (others.length > 0) this.#state = { type: 'waiting', volunteerAt: undefined }
    else if (state.type !== 'waiting' || state.volunteerAt === undefined || this.#isLeftAlone(state.volunteerAt)) {
      this.#notBefore = this.#isAlone() ? undefined : this.#notBefore
      const at = after(turn.now, this.#self.random.between(0, volunteerMsMax))
      this.#state = { type: 'waiting', volunteerAt: this.#notBefore && this.#notBefore > at ? this.#notBefore : at }
    } else if (state.volunteerAt <= turn.now) {
      this.#drainSince = undefined
      this.#state = { type: 'acting', since: turn.now }
      this.#lostAt = reach ? undefined : turn.now
    }
    // Nobody of the site hears of the outside through us now, so a link that was made before we knew is given back.
    if (others.length > 0) this.#leaveOutside(turn, line)
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

  /** Tells each neighbour that was told something else: also one whose `ready` we awaited when it changed. */
  #tell(turn: Turn): void {
    const standing = this.standing
    if (!isSame(standing, this.#logged))
      turn.out({ type: 'log', level: 'info', event: 'uplink.standing', fields: { ...standing } })
    this.#logged = standing
    for (const neighbour of this.#neighbours.list('inside')) {
      if (neighbour.told && isSame(standing, neighbour.told)) continue
      neighbour.told = standing
      send(turn, neighbour.link, { t: 'uplink', ...standing })
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

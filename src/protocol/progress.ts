/**
 * Who of the site has what it is to have (protocol.md §5.8). Every member tells its neighbours of the own site how far it is, at most every
 * `progressTellMs` while that changes; nothing while nothing changes, and never anything across the line. It decides nothing: what is heard is
 * for people, and no fetch depends on it.
 */
import { after, instant, since, type Instant } from '#base/time.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { Bitmap } from './bitmap.ts'
import type { Exchange } from './exchange.ts'
import { Flow } from './flow.ts'
import { outlook, type SiteMember } from './outlook.ts'
import type { LinkId } from './link.ts'
import { send, type Neighbour, type Neighbours, type Self, type Turn } from './neighbour.ts'
import { progressKeptMs, progressKnownMax, progressLookMs, progressTellMs, siteLinksMax, surveyMs } from './params.ts'
import type { LineRow, ProgressRow, ToldRow } from './progress-row.ts'
import type { Uplink } from './uplink.ts'
import type { WantedContent } from './wanted-content.ts'
import type { ProgressMessage } from './wire.ts'

/** How far a member is with the bundles that it is to have by now, for itself or for others. */
export interface Readiness {
  readonly bundles: number
  readonly prepared: number
  readonly failed: number
  /** Whose manifest is not here yet. */
  readonly unsized: number
}

interface Heard {
  readonly name: string
  readonly role: ToldRow['role']
  readonly row: ProgressRow
  /** When it was said. */
  readonly at: Instant
  /** When we last knew it to be there. */
  readonly thereAt: Instant
}

export interface ProgressParts {
  readonly self: Self
  readonly neighbours: Neighbours
  readonly exchange: Exchange
  readonly uplink: Uplink
  /** Undefined where there is nothing that this member is to have. */
  readonly readiness: (() => Readiness) | undefined
}

export class Progress {
  readonly #parts: ProgressParts
  readonly #all = new Flow()
  readonly #line = new Flow()
  readonly #heard = new Map<PeerId, Heard>()
  /** Said by others, of members that we have no link with. */
  readonly #hearsay = new Map<PeerId, Heard>()
  readonly #told = new Map<LinkId, ProgressRow>()
  readonly #answered = new Map<LinkId, Instant>()
  #row: ProgressRow | undefined
  #lookAt: Instant | undefined
  /** Something happened since we looked. */
  #isTouched = false
  /** The last look saw something new, or somebody has not been told of it. */
  #isUnfinished = false
  #tellAt: Instant | undefined
  #ready: { readonly is: boolean; readonly at: Instant } | undefined

  constructor(parts: ProgressParts) {
    this.#parts = parts
  }

  /** Call it after every input: looks whether there is something to tell, at most every `progressLookMs`. */
  settle(turn: Turn): void {
    if (this.#lookAt !== undefined && this.#lookAt > turn.now) this.#isTouched = true
    else this.#look(turn)
  }

  /** What a neighbour says. Of another site nothing is heard: progress never crosses a line. */
  heard(turn: Turn, neighbour: Neighbour, { row, ask, others }: ProgressMessage): void {
    const { membership, inside, peer, link } = neighbour
    if (!inside || !membership) return
    remember(this.#heard, peer, { name: membership.name, role: membership.role, row, at: turn.now, thereAt: turn.now })
    for (const { peer: other, name, role, ageMs, row: told } of others) {
      const at = instant(turn.now - ageMs)
      const isNews = at >= (this.#hearsay.get(other)?.at ?? at)
      if (isNews) remember(this.#hearsay, other, { name, role, row: told, at, thereAt: turn.now })
    }
    const answered = this.#answered.get(link)
    if (!ask || (answered !== undefined && after(answered, surveyMs) > turn.now)) return
    this.#answered.set(link, turn.now)
    const known = this.#direct(turn.now).filter((member) => member.peer !== peer)
    send(turn, link, { t: 'progress', row: this.#own(), ask: false, others: known.slice(0, siteLinksMax) })
  }

  /** Asks all neighbours what they know: members that we have no link with are heard of in this way alone. */
  survey(turn: Turn): void {
    const row = this.#own()
    for (const { link } of this.#parts.neighbours.list('inside'))
      send(turn, link, { t: 'progress', row, ask: true, others: [] })
  }

  down(now: Instant, { link, peer }: Neighbour): void {
    this.#told.delete(link)
    this.#answered.delete(link)
    const heard = this.#heard.get(peer)
    if (heard) remember(this.#heard, peer, { ...heard, thereAt: now })
  }

  nextWake(): Instant | undefined {
    return this.#isTouched || this.#isUnfinished ? this.#lookAt : undefined
  }

  /** Everybody of the site that we know of, ourselves first. */
  members(now: Instant, own: ProgressRow = this.#own()): SiteMember[] {
    const { self, neighbours } = this.#parts
    const { name, role } = self.membership
    const found = new Map<PeerId, SiteMember>()
    found.set(self.peer, { peer: self.peer, name, role, present: true, ageMs: 0, row: own })
    for (const { peer, membership } of neighbours.list('inside')) {
      const heard = this.#heard.get(peer)
      if (heard) found.set(peer, memberOf(peer, heard, now, true))
      else if (membership)
        found.set(peer, { peer, name: membership.name, role: membership.role, present: true, ageMs: 0, row: undefined })
    }
    const addFrom = (known: ReadonlyMap<PeerId, Heard>, present: boolean, keptMs: number): void => {
      for (const [peer, heard] of known)
        if (since(heard.thereAt, now) < keptMs && !found.has(peer)) found.set(peer, memberOf(peer, heard, now, present))
    }
    addFrom(this.#hearsay, true, hearsayMs)
    addFrom(this.#heard, false, progressKeptMs)
    return [...found.values()]
  }

  /** Since when the site has been ready, or has not, as far as this member saw it. */
  get since(): Instant | undefined {
    return this.#ready?.at
  }

  #look(turn: Turn): void {
    const lack = this.#lack()
    this.#all.look(turn.now, lack.missing)
    this.#line.look(turn.now, lack.atSite)
    const row = this.#own(lack)
    const isNews = !this.#row || !isSame(row, this.#row)
    if (isNews) this.#row = row
    this.#lookAt = after(turn.now, progressLookMs)
    this.#isTouched = false
    this.#judge(turn.now)
    this.#isUnfinished = this.#tell(turn) || isNews
  }

  /** Tells everybody of the site who was told something else; true where it is too early for that. */
  #tell(turn: Turn): boolean {
    const row = this.#row
    const untold = this.#parts.neighbours.list('inside').filter(({ link }) => this.#told.get(link) !== row)
    if (!row || untold.length === 0) return false
    if (this.#tellAt !== undefined && this.#tellAt > turn.now) return true
    this.#tellAt = after(turn.now, progressTellMs)
    for (const { link } of untold) {
      this.#told.set(link, row)
      send(turn, link, { t: 'progress', row, ask: false, others: [] })
    }
    return false
  }

  #judge(now: Instant): void {
    const { ready } = outlook(this.members(now, this.#row))
    if (this.#ready?.is !== ready) this.#ready = { is: ready, at: now }
  }

  #direct(now: Instant): ToldRow[] {
    return this.#parts.neighbours.list('inside').flatMap(({ peer }) => {
      const heard = this.#heard.get(peer)
      return heard ? { peer, name: heard.name, role: heard.role, ageMs: since(heard.at, now), row: heard.row } : []
    })
  }

  /** Bytes that we lack, that nobody of the site has whom we know, and that nobody at all offers. */
  #lack(): Lack {
    const { exchange, neighbours } = this.#parts
    const inside = neighbours.list('inside').map(({ link }) => link)
    const all = neighbours.list().map(({ link }) => link)
    const lack = { missing: 0, atSite: 0, anywhere: 0 }
    for (const content of exchange.contents()) {
      if (content.phase === 'complete') continue
      lack.missing += lacking(content, [])
      lack.atSite += lacking(content, inside)
      lack.anywhere += lacking(content, all)
    }
    return lack
  }

  #own({ missing, atSite, anywhere }: Lack = this.#lack()): ProgressRow {
    const { self, uplink, readiness } = this.#parts
    const { acting, reach } = uplink.standing
    const line: LineRow = { missing: atSite, unfound: anywhere, rate: atSite === 0 ? 0 : this.#line.rate }
    return {
      release: self.set.release,
      ...(readiness?.() ?? nothingToHave),
      missing,
      rate: missing === 0 ? 0 : this.#all.rate,
      ...(acting && reach && { line }),
    }
  }
}

interface Lack {
  readonly missing: number
  readonly atSite: number
  readonly anywhere: number
}

const nothingToHave: Readiness = { bundles: 0, prepared: 0, failed: 0, unsized: 0 }

/** What others said of somebody counts as long as a person looks at one answer. */
const hearsayMs = 10_000

/** Bytes of a content that neither we have nor any of these neighbours. */
function lacking({ phase, ref, have, offers }: WantedContent, links: readonly LinkId[]): number {
  if (phase !== 'fetching' || have.size === 0) return ref.length
  const here = links.length === 0 ? have : new Bitmap(have.size, have.bytes)
  for (const link of links) {
    const offer = offers.get(link)
    if (offer?.isFull) return 0
    if (offer) here.addAll(offer)
  }
  return Math.round((ref.length * (have.size - here.count)) / have.size)
}

function memberOf(peer: PeerId, { name, role, row, at }: Heard, now: Instant, present: boolean): SiteMember {
  return { peer, name, role, present, ageMs: since(at, now), row }
}

/** The newest word last; the oldest makes room. */
function remember(known: Map<PeerId, Heard>, peer: PeerId, heard: Heard): void {
  known.delete(peer)
  known.set(peer, heard)
  const [oldest] = known.keys()
  if (known.size > progressKnownMax && oldest !== undefined) known.delete(oldest)
}

const rowKeys = ['release', 'bundles', 'prepared', 'failed', 'unsized', 'missing', 'rate'] as const
const lineKeys = ['missing', 'unfound', 'rate'] as const

const isSame = (a: ProgressRow, b: ProgressRow): boolean =>
  rowKeys.every((key) => a[key] === b[key]) && lineKeys.every((key) => a.line?.[key] === b.line?.[key])

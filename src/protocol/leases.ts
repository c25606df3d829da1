/**
 * What uplink members of our site have taken on to fetch from outside, and how long their word holds (protocol.md §5.3). A lease keeps
 * others from fetching the same chunks; it is renewed while bytes arrive, and its silence passes the duty on. Words alone do not hold
 * for ever: whoever only renews, and brings nothing or next to nothing, is believed no longer than `leasePatienceMs`.
 */
import { after, earliest, type Instant } from '#base/time.ts'
import type { Digest } from '#base/digest.ts'
import { Bitmap } from './bitmap.ts'
import type { LinkId } from './link.ts'
import { dutyMs, leasePatienceMs } from './params.ts'

interface Lease {
  readonly until: Instant
  readonly chunks: Bitmap
}

interface Word {
  /** Until when we wait for it without asking ourselves whether it still does its part. */
  until: Instant
  /** From when its words without deeds are believed for `leasePatienceMs`. */
  trustedAt: Instant
}

export class Leases {
  readonly #leases = new Map<Digest, Map<LinkId, Lease>>()
  /** Chunks of what is fetched whose lease ran out. */
  readonly #lapsed = new Map<Digest, Bitmap>()
  readonly #words = new Map<LinkId, Word>()
  /** Since when something is missing that nobody of our site has. */
  hungrySince: Instant | undefined

  /** A neighbour acts at the uplink: from now on we wait for it. */
  acts(now: Instant, link: LinkId): void {
    if (!this.#words.has(link)) this.#words.set(link, { until: after(now, dutyMs), trustedAt: now })
  }

  /** A neighbour brought a chunk that we lacked: that is worth `dutyMs` of belief, so that one now and then does not hold a site for ever. */
  delivered(now: Instant, link: LinkId): void {
    const word = this.#words.get(link)
    if (!word) return
    word.trustedAt = earliest(now, after(this.#trustedAt(now, word), dutyMs)) ?? now
    word.until = after(now, dutyMs) > word.until ? after(now, dutyMs) : word.until
  }

  /** Somebody did, and we do not act ourselves: it came over the line by one of those who do. */
  allDelivered(now: Instant): void {
    for (const link of this.#words.keys()) this.delivered(now, link)
  }

  /** It has taken on these chunks of a content, or, with none, has the content in its queue. Replaces what it said of that content. */
  heard(now: Instant, link: LinkId, content: Digest, chunks: Bitmap, ms: number): void {
    const word = this.#words.get(link)
    if (!word) return
    const until = earliest(after(now, ms), after(this.#trustedAt(now, word), leasePatienceMs)) ?? now
    if (until > word.until) word.until = until
    const leases = this.#leases.get(content) ?? new Map<LinkId, Lease>()
    this.#leases.set(content, leases)
    if (chunks.count > 0 && until > now) leases.set(link, { until, chunks })
    else leases.delete(link)
  }

  /** Chunks of a content that others have taken on, as their word holds now. */
  taken(now: Instant, content: Digest): Bitmap[] {
    const leases = this.#leases.get(content)?.values() ?? []
    return [...leases].filter(({ until }) => until > now).map(({ chunks }) => chunks)
  }

  /** Forgets leases that have run out; true where there were such. */
  expire(now: Instant): boolean {
    let found = false
    for (const [content, leases] of this.#leases) {
      for (const [link, { until, chunks }] of leases) {
        if (until > now) continue
        found = leases.delete(link)
        const lapsed = this.#lapsed.get(content)
        if (lapsed?.size === chunks.size) lapsed.addAll(chunks)
        else this.#lapsed.set(content, new Bitmap(chunks.size, chunks.bytes))
      }
      if (leases.size === 0) this.#leases.delete(content)
    }
    return found
  }

  /** Whether somebody had taken a chunk on and did not bring it in time: who took it over may get it twice. */
  hasLapsed(content: Digest, index: number): boolean {
    return this.#lapsed.get(content)?.has(index) ?? false
  }

  /** Whether a neighbour that acts has not kept its word, while we lacked something all the time. */
  isSilent(now: Instant, link: LinkId): boolean {
    const until = this.#words.get(link)?.until
    const { hungrySince } = this
    return until !== undefined && until <= now && hungrySince !== undefined && after(hungrySince, dutyMs) <= now
  }

  /** When the next lease runs out: what it kept from us may be fetched then. */
  nextWake(): Instant | undefined {
    let next: Instant | undefined
    for (const leases of this.#leases.values()) for (const { until } of leases.values()) next = earliest(next, until)
    return next
  }

  done(content: Digest): void {
    this.#leases.delete(content)
    this.#lapsed.delete(content)
  }

  /** It is gone, or acts no more: what it has under way it still brings, or its lease runs out. */
  rests(link: LinkId): void {
    this.#words.delete(link)
  }

  down(link: LinkId): void {
    this.#words.delete(link)
    for (const leases of this.#leases.values()) leases.delete(link)
  }

  /** While nothing was missing nobody had to bring anything. */
  #trustedAt(now: Instant, { trustedAt }: Word): Instant {
    const hungrySince = this.hungrySince ?? now
    return trustedAt > hungrySince ? trustedAt : hungrySince
  }
}

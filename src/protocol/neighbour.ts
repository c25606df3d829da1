/**
 * The links of a member and what is known of the member behind each. State of a link, kept by `admission.ts`:
 *
 *   greeting ──(their hello is good)──▶ verified ──(their ready)──▶ established
 *      └──── bad hello, ADMISSION deadline, or we leave it ────▶ closing ──▶ gone
 *
 * Nothing but hello, ready and bye is heard before `established` (protocol.md §1).
 */
import type { Instant } from '#base/time.ts'
import type { WallClock } from '#base/wall-clock.ts'
import type { LogFields } from '#base/log.ts'
import type { Random } from '#base/random.ts'
import type { Membership } from '#trust/membership.ts'
import type { PeerId } from '#trust/peer-id.ts'
import type { TrustedSet } from '#trust/trusted-set.ts'
import type { Versions } from '#trust/metadata-pack.ts'
import type { EffectSink, ProtocolEffect, ProtocolNotice } from './effect.ts'
import type { Address, LinkId } from './link.ts'
import { encodeMessage, type Hello, type Message } from './wire.ts'

/** Who we are, and what never changes while we run. */
export interface Self {
  readonly peer: PeerId
  readonly membership: Membership
  /** The certificate itself, as it goes into a hello. */
  readonly certificate: Uint8Array
  /** Issuers named by our join token: believed until the signed metadata is here. */
  readonly pinnedIssuers: readonly { readonly public: Uint8Array }[]
  readonly set: TrustedSet
  readonly random: Random
  /** The time of day, for what has a date. */
  readonly wall: WallClock
  /** On battery, or by radio alone: others of the site volunteer first (protocol.md §5.5). */
  readonly isUnfit?: boolean
  /** Whether the admin lets this relay trade with those of other sites. */
  readonly trade?: boolean
}

/** One call of the machine: the time it is, and where its effects and notices go. */
export interface Turn {
  readonly now: Instant
  readonly out: EffectSink<ProtocolEffect>
  readonly notify: (notice: ProtocolNotice) => void
}

/** A member's part at the uplink of its site: whether it acts, and has a link outside. */
export interface Standing {
  readonly acting: boolean
  readonly reach: boolean
}

export interface Neighbour {
  readonly link: LinkId
  readonly peer: PeerId
  readonly direction: 'in' | 'out'
  readonly address: Address
  readonly since: Instant
  phase: 'greeting' | 'verified' | 'established' | 'closing'
  membership: Membership | undefined
  /** The certificate it showed, judged again when revocations change. */
  certificate: Uint8Array | undefined
  /** Of our own site. */
  inside: boolean
  /** It is of another site and trades, as its hello says (protocol.md §5.6). */
  trades: boolean
  /** From its hello until it is established. */
  hello: Hello | undefined
  /** It acts as uplink member of its site, and has a link outside. */
  acting: boolean
  reach: boolean
  /** Since when it says that it acts and reaches nobody. */
  lostAt: Instant | undefined
  /** What we told it of our own part at the uplink. */
  told: Standing | undefined
  /** And of others who act, as one text. */
  toldOthers: string
  versions: Versions | undefined
  /** Bytes of control messages before we knew whether it is of our site. */
  unplaced: { downBytes: number; upBytes: number }
}

export class Neighbours {
  readonly #byLink = new Map<LinkId, Neighbour>()

  add(neighbour: Neighbour): void {
    this.#byLink.set(neighbour.link, neighbour)
  }

  remove(link: LinkId): Neighbour | undefined {
    const neighbour = this.#byLink.get(link)
    this.#byLink.delete(link)
    return neighbour
  }

  get(link: LinkId): Neighbour | undefined {
    return this.#byLink.get(link)
  }

  /** The neighbour behind a link, if it is established. */
  established(link: LinkId): Neighbour | undefined {
    const neighbour = this.#byLink.get(link)
    return neighbour?.phase === 'established' ? neighbour : undefined
  }

  ofPeer(peer: PeerId): Neighbour[] {
    return [...this.#byLink.values()].filter((neighbour) => neighbour.peer === peer)
  }

  all(): Iterable<Neighbour> {
    return this.#byLink.values()
  }

  /** Established neighbours: of our own site, of others, or both. */
  list(where: 'inside' | 'outside' | 'any' = 'any'): Neighbour[] {
    const found: Neighbour[] = []
    for (const neighbour of this.#byLink.values())
      if (neighbour.phase === 'established' && (where === 'any' || neighbour.inside === (where === 'inside')))
        found.push(neighbour)
    return found
  }
}

/** Says why, and closes. Nothing is heard of the link any more but that it is down. */
export function dismiss(turn: Turn, neighbour: Neighbour, code: string): void {
  if (neighbour.phase === 'closing') return
  send(turn, neighbour.link, { t: 'bye', code })
  neighbour.phase = 'closing'
  turn.out({ type: 'close', link: neighbour.link, reason: code })
}

/** Sends a message; returns the bytes it takes in its frame, for the ledger. */
export function send(turn: Turn, link: LinkId, message: Message): number {
  const bytes = encodeMessage(message)
  turn.out({ type: 'send', link, bytes })
  return bytes.byteLength
}

/** The good-bye to who served wrong bytes again and again: an honest member with a broken disk learns it by this. */
export const wrongBytes = 'BANNED_WRONG_BYTES'

/** Who is behind a link, for the log. */
export const whoIs = ({ peer, membership, address }: Neighbour): LogFields => ({
  peer,
  name: membership?.name,
  site: membership?.site,
  role: membership?.role,
  address,
})

/**
 * The Link contract: what the machines may assume of the network. `mesh/` keeps it on libp2p, `sim/network.ts` in a made-up
 * world; test/contracts/link.ts holds both to it, or the simulator lies.
 *
 * A *link* is one secure connection to one proven peer. Promises:
 * 1. `linkUp` comes before anything else of a link, once; `linkDown` comes after everything else, once.
 * 2. Messages arrive whole, in order, at most once; what was sent before a link went down may be lost.
 * 3. Until `admit` was called on both sides, messages pass but gossip and fetches do not; a fetch on a link that the other
 *    side has not admitted ends as `denied` or `failed`.
 * 4. A gossiped message is handed to `gossip` at most once per member, and forwarded only after it answered `accept`.
 * 5. A fetch ends exactly once: `done`, `denied` (the other's word), `failed` (link down, deadline) or `cancelled`. Its chunks
 *    arrive in order, each before the end.
 * 6. What goes along with an ask to save bytes (`sketch`) may be lost: then every chunk comes whole.
 */
import type { Digest } from '#base/digest.ts'
import type { PeerId } from '#trust/peer-id.ts'

/** A number that names a link for as long as this process lives; never reused. */
export type LinkId = number & { readonly __link: true }
/** A multiaddr in text form: `/ip4/192.0.2.1/tcp/47100`, with or without `/p2p/…`. */
export type Address = string & { readonly __address: true }

const addressPattern = /^\/(?:ip4|ip6|dns|dns4|dns6)\/[^/\s]+\/tcp\/(\d{1,5})(?:\/p2p\/\w+)?$/

/** Whether a text is an address that can be dialled or listened on: an IP address or name, a TCP port, and perhaps who must be there. */
export const isAddress = (text: string): text is Address => Number(addressPattern.exec(text)?.[1] ?? 65_536) < 65_536

export type Verdict = 'accept' | 'ignore' | 'reject'

/** Consecutive chunks of one content. */
export interface ChunkRun {
  readonly content: Digest
  readonly first: number
  /** 1 to `runChunksMax` (params.ts). */
  readonly count: number
}

export type FetchEnd = 'done' | 'denied' | 'failed' | 'cancelled'

/** What the network tells. Handlers must not throw: whoever calls them has no way to go on. */
export interface LinkEvents {
  linkUp(link: LinkId, peer: PeerId, direction: 'in' | 'out', address: Address): void
  linkDown(link: LinkId, reason: string): void
  message(link: LinkId, bytes: Uint8Array): void
  /** Answers at once: the validator of the topic (protocol.md §2). */
  gossip(link: LinkId, bytes: Uint8Array): Verdict
  /**
   * A neighbour asks for chunks; answer with `answer` for each and `finish` at the end. `ask` is unique in this process. `sketch`, of at
   * most `sketchBytesMax`, tells of older bytes that it has (`content/patch.ts`).
   */
  asked(link: LinkId, ask: number, run: ChunkRun, sketch?: Uint8Array): void
  /** A neighbour was heard on the LAN: it answers our query or made its own. Only members with our fleet and site are told. */
  seen(address: Address, peer: PeerId): void
}

/** Takes a chunk of a fetch, or the patch that makes it: one comes only where a sketch went along with the ask. */
export type OnChunk = (index: number, bytes: Uint8Array, form: ChunkForm) => Promise<void>
export type ChunkForm = 'whole' | 'patch'

/** What can be asked of the network. */
export interface Links {
  /** Opens a link; Unavailable `DIAL_FAILED` where nobody answers, or another peer than the address names. */
  dial(address: Address): Promise<LinkId>
  /** Queues one message of at most `messageBytesMax`; a peer that does not read loses its link (`LINK_CONGESTED`). */
  send(link: LinkId, bytes: Uint8Array): void
  close(link: LinkId, reason: string): void
  /** From here on gossip and fetches are served on this link. */
  admit(link: LinkId): void
  /** Publishes to the topic; returns how many neighbours it was handed to. Duplicates are swallowed. */
  publish(bytes: Uint8Array): Promise<number>
  /**
   * Asks a neighbour for chunks. While what came is not stored yet, which is when `onChunk` resolves, only about 1 MiB more is read: that is
   * the back-pressure. Its rejection ends the fetch as `failed`; `done` comes after all of them resolved.
   */
  fetch(link: LinkId, run: ChunkRun, onChunk: OnChunk, signal: AbortSignal, sketch?: Uint8Array): Promise<FetchEnd>
  /** Sends one chunk of an ask, or its patch; resolves when the network has room for the next one, rejects when the asker is gone. */
  answer(ask: number, index: number, bytes: Uint8Array, form?: ChunkForm): Promise<void>
  /** Ends an ask; with a code where it was denied. */
  finish(ask: number, denied?: string): void
  /** Sends one LAN query now; answers come as `seen`. */
  query(): void
}

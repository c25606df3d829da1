/** Everything that can happen to the protocol machine; a closed union, and bytes of chunks are never part of it. */
import type { Digest } from '#base/digest.ts'
import type { ContentRef } from '#content/content-ref.ts'
import type { MetadataPack } from '#trust/metadata-pack.ts'
import type { PeerId } from '#trust/peer-id.ts'
import type { Address, ChunkRun, FetchEnd, LinkId } from './link.ts'

export type ProtocolInput =
  /** The first input, once: the network is there. `addresses` are where we listen, `bootstrap` whom to look for this time. */
  | { readonly type: 'started'; readonly addresses: readonly Address[]; readonly bootstrap?: readonly Address[] }
  | {
      readonly type: 'link-up'
      readonly link: LinkId
      readonly peer: PeerId
      readonly direction: 'in' | 'out'
      readonly address: Address
    }
  | { readonly type: 'link-down'; readonly link: LinkId; readonly reason: string }
  | { readonly type: 'dial-failed'; readonly address: Address; readonly reason: string }
  | { readonly type: 'message'; readonly link: LinkId; readonly bytes: Uint8Array }
  /** A gossiped announcement; answered at once by the effect `verdict`. */
  | { readonly type: 'gossip'; readonly link: LinkId; readonly bytes: Uint8Array }
  /** A member of our site was heard on the LAN. */
  | { readonly type: 'seen'; readonly address: Address; readonly peer: PeerId }
  /** A neighbour asks for chunks; answered by the effect `serve` or `deny`. */
  | { readonly type: 'asked'; readonly link: LinkId; readonly ask: number; readonly run: ChunkRun }
  /** An ask of a neighbour was served: what it cost. */
  | { readonly type: 'served'; readonly link: LinkId; readonly content: Digest; readonly bytes: number }
  /** A part of an ask was served: so many bytes; or its asker is gone. */
  | { readonly type: 'part-served'; readonly ask: number; readonly bytes: number; readonly isGone: boolean }
  /** The store has opened a content: how many chunks it has, and which are here. */
  | { readonly type: 'opened'; readonly content: Digest; readonly chunks: number; readonly have: Uint8Array }
  | { readonly type: 'open-failed'; readonly content: Digest; readonly code: string }
  /** A chunk of a fetch came and was verified and stored, or was wrong, or could not be stored. */
  | {
      readonly type: 'chunk'
      readonly fetch: number
      readonly index: number
      readonly bytes: number
      readonly verdict: 'stored' | 'already' | 'wrong' | 'unstored'
    }
  | { readonly type: 'fetch-ended'; readonly fetch: number; readonly end: FetchEnd }
  /** Contents that were made here, and are complete in the store. */
  | { readonly type: 'added'; readonly refs: readonly ContentRef[] }
  /** Contents that were removed from the store, and are neither told of nor served from now on. */
  | { readonly type: 'evicted'; readonly contents: readonly Digest[] }
  /** New metadata that was signed or imported here. */
  | { readonly type: 'metadata'; readonly pack: MetadataPack }
  /** A sealed report lies in the outbox, our own or one to carry. */
  | { readonly type: 'spooled'; readonly name: Digest; readonly bytes: number; readonly own?: OwnReport }
  /** A `bytes-of-report` effect was carried out. */
  | { readonly type: 'report-read'; readonly link: LinkId; readonly sealed: readonly Uint8Array[] }
  /** Somebody at the machine asks how the site is: neighbours are asked what they know. */
  | { readonly type: 'survey' }
  /** The time of `nextWake` has come. */
  | { readonly type: 'wake' }
  /** This member leaves the fleet: its reports go to whoever takes them. */
  | { readonly type: 'leaving' }
  /** Says good-bye to all neighbours, so that duties pass on at once. */
  | { readonly type: 'stopping' }

/** A report of this device itself. It says all that older ones say, but for the one numbered `keep`, which brings what is not said twice. */
export interface OwnReport {
  readonly seq: number
  /** Undefined where nothing is known of older ones, as after a restart: they stay. */
  readonly keep?: number
}

const bulk: ReadonlySet<ProtocolInput['type']> = new Set(['asked', 'served', 'part-served', 'chunk', 'fetch-ended'])

/** Whether an input moves chunks and changes nothing else, neither who is there nor who acts. */
export const movesChunksOnly = ({ type }: ProtocolInput): boolean => bulk.has(type)

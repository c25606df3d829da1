/**
 * Everything the protocol machine can ask for; a closed union. Each prints as one line (sim/trace.ts), so a run reads as a story.
 * The room with hands that carries an effect out answers with the input named beside it, or with none.
 */
import type { Digest } from '#base/digest.ts'
import type { LogFields } from '#base/log.ts'
import type { ContentRef } from '#content/content-ref.ts'
import type { PeerId } from '#trust/peer-id.ts'
import type { Address, ChunkRun, LinkId, Verdict } from './link.ts'

export type ProtocolEffect =
  /** → `link-up` or `dial-failed` */
  | { readonly type: 'dial'; readonly address: Address }
  | { readonly type: 'send'; readonly link: LinkId; readonly bytes: Uint8Array }
  | { readonly type: 'close'; readonly link: LinkId; readonly reason: string }
  | { readonly type: 'admit'; readonly link: LinkId }
  | { readonly type: 'gossip'; readonly bytes: Uint8Array }
  /** Answers the `gossip` input that is being handled. */
  | { readonly type: 'verdict'; readonly verdict: Verdict }
  | { readonly type: 'query' }
  /** → `chunk` for each, then `fetch-ended` */
  | { readonly type: 'fetch'; readonly fetch: number; readonly link: LinkId; readonly run: ChunkRun }
  | { readonly type: 'cancel'; readonly fetch: number }
  /** → `served`. `part` of an ask: → `part-served` at its end, and only the last one ends the ask. */
  | {
      readonly type: 'serve'
      readonly link: LinkId
      readonly ask: number
      readonly run: ChunkRun
      readonly part?: 'more' | 'last'
    }
  | { readonly type: 'deny'; readonly ask: number; readonly code: string }
  /** → `opened` or `open-failed` */
  | { readonly type: 'open'; readonly ref: ContentRef }
  /** Everything the trusted set knows, to be kept durably. */
  | { readonly type: 'save-trust'; readonly bytes: Uint8Array }
  /** Addresses to find after a restart, newest last. */
  | { readonly type: 'save-addresses'; readonly known: readonly KnownAddress[] }
  /** A report of another member to carry: → `spooled` */
  | { readonly type: 'spool'; readonly sealed: Uint8Array }
  | { readonly type: 'unspool'; readonly names: readonly Digest[] }
  /** Bring the bytes of these reports for a link: → `report-read` */
  | { readonly type: 'read-reports'; readonly link: LinkId; readonly names: readonly Digest[] }
  | {
      readonly type: 'log'
      readonly level: 'debug' | 'info' | 'warn'
      readonly event: string
      readonly fields: LogFields
    }

/** What the protocol tells the rest of its member; never leaves the machine. */
export type ProtocolNotice =
  /** The active release changed, or was there from the start. */
  | { readonly type: 'release' }
  | { readonly type: 'complete'; readonly content: Digest }
  /** Whether what is meant for others of the site is to be held as well, as a relay does. */
  | { readonly type: 'carry'; readonly carries: boolean }
  /** A sealed report reached the origin. */
  | { readonly type: 'reports-arrived'; readonly link: LinkId; readonly sealed: readonly Uint8Array[] }
  /** The origin has our report of this number; `anew`: it lacks what that builds on. */
  | { readonly type: 'report-received'; readonly seq: number; readonly anew: boolean }
  /** A device said hello here: at the origin it joins the fleet's list. */
  | { readonly type: 'greeted'; readonly peer: PeerId; readonly membership: Uint8Array }

/** An address that was learned; `site` tells whether it lies inside ours, undefined until a hello told. */
export interface KnownAddress {
  readonly peer?: PeerId
  readonly address: Address
  readonly inside?: boolean
}

/** Where effects go. Tests pass an array's push. */
export type EffectSink<Effect> = (effect: Effect) => void

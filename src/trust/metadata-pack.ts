/**
 * Signed metadata as it travels: raw bytes exactly as signed, so that it proves itself whoever carries it (trust.md §4).
 * A gossip announcement, an answer to a laggard and the state on disk are all one pack; what the receiver already has may be
 * absent from it.
 */
import type { Digest } from '#base/digest.ts'

export interface MetadataPack {
  /** Roots in order of version, each the raw bytes of `N.root.json`. */
  readonly roots: readonly Uint8Array[]
  readonly timestamp?: Uint8Array
  readonly snapshot?: Uint8Array
  /** `targets`, `bundles`, `mesh`: raw bytes of `<role>.json`. */
  readonly roles: ReadonlyMap<string, Uint8Array>
  /** Small targets of the role `mesh` that admission needs at once, by target path: `mesh/issuers.json`, `mesh/revocations.json`, `mesh/origin.json`. */
  readonly documents: ReadonlyMap<string, Uint8Array>
}

/** What a member has of the signed set; 0 stands for nothing. Two members compare heads by `timestamp`. */
export interface Versions {
  readonly root: number
  readonly timestamp: number
  readonly snapshot: number
  /** Version by role: `targets`, `bundles`, `mesh`. */
  readonly roles: Readonly<Record<string, number>>
}

/** What became of a pack. The set stays as it was unless it says `advanced`. */
export type Absorbed =
  | { readonly type: 'advanced'; readonly complete: boolean } // incomplete: the timestamp moved, some role is still missing
  | { readonly type: 'same' }
  | { readonly type: 'older' }
  | { readonly type: 'unknown-signer' } // we lack a root: ask the sender for it
  | { readonly type: 'incomplete' } // nothing wrong, but too little to move on: ask the sender for all
  | { readonly type: 'refused'; readonly code: string; readonly message: string } // malformed or badly signed by a known key
  | { readonly type: 'equivocation'; readonly message: string } // same version, other content, both valid

export type BundleSelect = {
  readonly labels?: Readonly<Record<string, string>>
  readonly sites?: readonly string[]
  /** Dotted fact path to wanted value. */
  readonly facts?: Readonly<Record<string, string>>
}

/** The signed `custom` member of target `bundles/<name>/<version>.json`: what a device must know before it fetches anything. */
export interface BundleTarget {
  readonly name: string
  readonly version: number
  /** Names the manifest. */
  readonly manifest: { readonly digest: Digest; readonly length: number; readonly list?: unknown }
  /** Everything else in `custom`: `select`, `windows`, `ahead`, `bytes`, … as verified JSON, read by the room that knows it. */
  readonly custom: Readonly<Record<string, unknown>>
}

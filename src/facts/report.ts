/**
 * What a device tells the origin: canonical-free JSON inside a sealed box (trust/seal.ts), numbered per device so that the
 * origin counts it once (protocol.md §8). At most 64 KiB; long reasons are cut when the report is made.
 */
import type { Finding } from './finding.ts'
import type { Facts } from './inventory.ts'

/** One resource of a policy after an apply. `id` is `<index>:<kind>:<name or path>`, such as `2:file:/etc/issue.net`. */
export interface ResourceResult {
  readonly id: string
  readonly kind: string
  readonly outcome: ResourceOutcome
  /** Why it failed or was skipped; the engine's own words, at most 500 characters. */
  readonly reason?: string
}

export type ResourceOutcome = 'kept' | 'repaired' | 'failed' | 'skipped'
export const resourceOutcomes: readonly ResourceOutcome[] = ['kept', 'repaired', 'failed', 'skipped']

/** The fixed words for a bundle on a device, the same in status, fleet, reports and metrics (docs/glossary.md). */
export type BundleState =
  | 'pending' // selected, nothing fetched yet
  | 'fetching' // some content is missing
  | 'preparing' // all content here; unpacking, compiling, checking
  | 'prepared' // ready; its window is not open
  | 'applying'
  | 'applied'
  | 'failed' // prepare or apply failed; the reason is in the results
  | 'blocked' // prepared, but no engine is installed
export const bundleStates: readonly BundleState[] = [
  'pending',
  'fetching',
  'preparing',
  'prepared',
  'applying',
  'applied',
  'failed',
  'blocked',
]

export interface BundleReport {
  readonly name: string
  readonly version: number
  readonly state: BundleState
  /** Why it is failed or blocked. */
  readonly reason?: string
  /** Engine that applied it. */
  readonly engine?: string
  /** Milliseconds since 1970 of the last apply. */
  readonly appliedAt?: number
  readonly results: readonly ResourceResult[]
}

export interface Report {
  readonly v: 1
  /** 1, 2, 3 … per device; never reused. */
  readonly seq: number
  /** Milliseconds since 1970, by the device's clock. */
  readonly at: number
  readonly release: number
  readonly bundles: readonly BundleReport[]
  readonly drift: readonly Finding[]
  /** Full once, then only when they changed. */
  readonly facts?: Facts
}

export const reportBytesMax = 65_536

/** Everything that can happen to an agent. Who hands it in has carried out an effect, or speaks for the protocol or for a person. */
import type { Digest } from '#base/digest.ts'
import type { Inventory } from '#facts/inventory-part.ts'
import type { Facts } from '#facts/inventory.ts'
import type { Pause } from '#facts/pause.ts'
import type { SignedBundle } from './assignment.ts'
import type { ApplyOutcome } from './outcome.ts'
import type { ProbationInput } from './probation.ts'
import type { Watch } from './watch.ts'
import type { WatchingInput } from './watching.ts'

export type AgentInput =
  | { readonly type: 'release'; readonly release: number; readonly bundles: readonly SignedBundle[] }
  | { readonly type: 'complete'; readonly content: Digest }
  /** Whether neighbours rely on us for what is meant for them. */
  | { readonly type: 'carry'; readonly carries: boolean }
  /** The bytes of a complete manifest. */
  | { readonly type: 'manifest'; readonly content: Digest; readonly bytes: Uint8Array | undefined }
  | { readonly type: 'prepared'; readonly name: string; readonly version: number; readonly outcome: PrepareOutcome }
  | { readonly type: 'applied'; readonly name: string; readonly version: number; readonly outcome: ApplyOutcome }
  | { readonly type: 'facts'; readonly facts: Facts }
  /** What was found; undefined where it could not be found out. */
  | { readonly type: 'inventory'; readonly inventory: Inventory | undefined }
  | { readonly type: 'report-received'; readonly seq: number; readonly anew: boolean }
  /** Somebody at the machine asks to apply everything prepared now, in its window or not. */
  | { readonly type: 'apply-now' }
  /** Somebody there wants a bundle, or the whole machine, left alone for a while, or no longer. */
  | { readonly type: 'pause'; readonly pause: Pause }
  | { readonly type: 'resume'; readonly bundle?: string }
  /** This device leaves the fleet: one last report, and nothing is done any more. */
  | { readonly type: 'leaving' }
  | WatchingInput
  /** The clock that `now` is read from was set, back where `movedMs` is less than 0. */
  | { readonly type: 'clock-moved'; readonly movedMs: number }
  | ProbationInput
  /** The last report could not be written, as on a full disk. */
  | { readonly type: 'unreported' }
  | { readonly type: 'wake' }

export type PrepareOutcome =
  | { readonly type: 'prepared'; readonly engine: string; readonly watch?: Watch }
  | { readonly type: 'engine-missing'; readonly reason: string }
  | { readonly type: 'failed'; readonly reason: string }

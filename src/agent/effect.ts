/** Everything that an agent can ask for. Unpacking, compiling, running engines and checks are for whoever carries it out. */
import type { Digest } from '#base/digest.ts'
import type { ContentRef } from '#content/content-ref.ts'
import type { ProbationEffect } from './probation.ts'
import type { ReportingEffect } from './reporting.ts'
import type { WatchingEffect } from './watching.ts'

export type AgentEffect =
  | { readonly type: 'want'; readonly ref: ContentRef; readonly priority: number }
  | { readonly type: 'unwant'; readonly content: Digest }
  /** → `manifest` */
  | { readonly type: 'read-manifest'; readonly content: Digest }
  /** → `prepared` */
  | { readonly type: 'prepare'; readonly name: string; readonly version: number; readonly manifest: ContentRef }
  /** The window of what is applied, or about to be, closed: the resource that runs is finished, the others wait. → `applied` */
  | { readonly type: 'end-apply'; readonly name: string; readonly version: number }
  /** → `inventory` */
  | { readonly type: 'take-inventory' }
  | ProbationEffect
  | ReportingEffect
  | WatchingEffect

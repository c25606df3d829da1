/** What a protocol machine is made with. */
import type { Instant } from '#base/time.ts'
import type { BudgetPlan } from './budget.ts'
import type { KnownAddress } from './effect.ts'
import type { Self } from './neighbour.ts'
import type { Readiness } from './progress.ts'

export interface ProtocolInit {
  readonly self: Self
  /** Addresses known from the token, the configuration and earlier runs. */
  readonly known: readonly KnownAddress[]
  readonly now: Instant
  /** How far this member is with its bundles; absent where there is none that it is to have. */
  readonly readiness?: () => Readiness
  /** Limits by rate and time of day; absent: none. */
  readonly budget?: BudgetPlan | undefined
  /** Whether it yields to other traffic on the line. */
  readonly isPolite?: boolean | undefined
}

/** What a member keeps on disk whatever the quota: what the release means for it, and at the origin what can be rolled back to. */
import type { WantedBundle } from '#content/retention.ts'
import type { Member } from '#member/member.ts'
import type { BundleHistory } from '#origin/bundle-history.ts'
import { realTime } from './clock.ts'

/** Undefined while it cannot be said: facts may select more of it. */
export function wantedBundles(
  { agent, protocol }: Member,
  history: BundleHistory | undefined,
): readonly WantedBundle[] | undefined {
  const { set } = protocol.self
  if (set.release === 0 || (agent && !agent.reporting.facts)) return undefined
  if (agent) return agent.assignments()
  const bundles = set.bundles()
  history?.follow(bundles, realTime())
  return history?.wanted(bundles, realTime())
}

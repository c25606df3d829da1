/** `apply`: hands the wish to the agent; what is prepared is applied when the engine is free. */
import type { Session } from './session.ts'

/** Without `now` nothing needs to be done: what is prepared is applied in its window anyway. */
export function applyNow(session: Session, args: Readonly<Record<string, unknown>>): Promise<unknown> {
  if (args['now'] === true) session.feed({ type: 'apply-now' })
  const bundles = session.member.agent?.status() ?? []
  return Promise.resolve({ asked: bundles.filter((bundle) => bundle.prepared).map((bundle) => bundle.name) })
}

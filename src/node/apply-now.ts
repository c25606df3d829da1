/** `apply`: hands the wish to the agent; what is prepared is applied when the engine is free. */
import { realTime } from './clock.ts'
import { documentOf, type PauseDocument } from './pause.ts'
import type { Session } from './session.ts'

export interface ApplyDocument {
  /** Bundles that are applied as soon as the engine is free, or in their window. */
  readonly asked: readonly string[]
  /** Prepared as well, and left alone by the word of somebody at this machine. */
  readonly paused: readonly (PauseDocument & { readonly name: string })[]
}

/** Without `now` nothing needs to be done: what is prepared is applied in its window anyway. */
export function applyNow(session: Session, args: Readonly<Record<string, unknown>>): Promise<ApplyDocument> {
  if (args['now'] === true) session.feed({ type: 'apply-now' })
  const { agent } = session.member
  const prepared = (agent?.status() ?? []).filter((bundle) => bundle.prepared).map(({ name }) => name)
  const now = realTime()
  const paused = prepared.flatMap((name) => {
    const pause = agent?.pauses.of(name, now)
    return pause ? [{ name, ...documentOf(pause) }] : []
  })
  return Promise.resolve({ asked: prepared.filter((name) => !paused.some((one) => one.name === name)), paused })
}

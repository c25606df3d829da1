/**
 * `unpublish`: the next release without some bundles. Devices then stop enforcing them and say so; nothing is undone there. All names or
 * none. What they consisted of stays at the origin for a week, so that a rollback brings them back.
 */
import { Misconfigured } from '#base/errors.ts'
import { own } from '#base/guard.ts'
import { releaseWithout } from '#origin/release.ts'
import { realTime } from './clock.ts'
import { bundleUnknown, historyOf, keepRecord } from './published.ts'
import type { Session } from './session.ts'

export interface UnpublishDocument {
  readonly release: number
  /** Names, in the order in which they were given. */
  readonly withdrawn: readonly string[]
}

/** Negative `BUNDLE_UNKNOWN` for a name that is in no bundle of the release; nothing is withdrawn then. Misconfigured `NOT_ORIGIN` elsewhere. */
export async function unpublish(session: Session, args: Readonly<Record<string, unknown>>): Promise<UnpublishDocument> {
  const { repository } = session.originPart()
  const given = own(args, 'names')
  const names = new Set(Array.isArray(given) ? given.map(String) : [])
  if (names.size === 0) throw new Misconfigured('USAGE', { message: 'No bundle was named.' })
  return session.exclusively(async () => {
    const history = historyOf(session)
    const { set } = session.member.protocol.self
    const known = set.bundles().map(({ name }) => name)
    for (const name of names) if (!known.includes(name)) throw bundleUnknown(name, `release ${set.release}`, known)
    const pack = releaseWithout(set.state(), set.bundles(), names, repository, realTime())
    session.feed({ type: 'metadata', pack })
    await session.written()
    history.follow(set.bundles(), realTime())
    for (const name of names) await keepRecord(session, history.record(name))
    return { release: set.release, withdrawn: [...names] }
  })
}

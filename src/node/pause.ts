/**
 * `pause` and `resume`: somebody at this machine wants a bundle, or all of it, left alone until a time, and says why. The word is the
 * machine's own; the origin only hears of it. Kept in the journal, with a daemon or without.
 */
import { Misconfigured, Negative } from '#base/errors.ts'
import { own } from '#base/guard.ts'
import { day, instant, toTimestamp } from '#base/time.ts'
import type { Agent } from '#agent/agent.ts'
import { pauseMsMax, pauseReasonLengthMax, pauseReasonPattern, pausesMax, type Pause } from '#facts/pause.ts'
import { suggest } from '#policy/suggestion.ts'
import { realTime } from './clock.ts'
import { bundleUnknown } from './published.ts'
import type { Session } from './session.ts'

export interface PauseDocument {
  /** Null: the whole machine. */
  readonly bundle: string | null
  readonly since: string
  readonly until: string
  readonly reason: string
}

export interface PausesDocument {
  /** What was begun or lifted by this command. */
  readonly changed: readonly PauseDocument[]
  /** All that is in force now. */
  readonly pauses: readonly PauseDocument[]
}

/**
 * Misconfigured `PAUSE_INVALID` for a time or reason that cannot be, `APPLIES_NOTHING` at the origin; Negative `BUNDLE_UNKNOWN` for a name
 * that is in no bundle here, `PAUSES_TOO_MANY`. Nothing is paused then.
 */
export async function pause(session: Session, args: Readonly<Record<string, unknown>>): Promise<PausesDocument> {
  const agent = agentOf(session)
  const now = realTime()
  const until = Number(own(args, 'until'))
  const given = own(args, 'reason')
  const reason = typeof given === 'string' ? given.trim() : ''
  const bundle = own(args, 'bundle')
  if (!(until > now) || until - now > pauseMsMax)
    throw invalid('--until', `a pause ends in the future, and within ${pauseMsMax / day} days`)
  if (reason.length > pauseReasonLengthMax || !pauseReasonPattern.test(reason))
    throw invalid('--reason', `a reason is one line of 1 to ${pauseReasonLengthMax} characters`)
  if (typeof bundle === 'string') requireKnown(session, bundle)
  const one: Pause = { ...(typeof bundle === 'string' && { bundle }), since: now, until, reason }
  const others = agent.pauses.list().filter((other) => other.bundle !== one.bundle)
  if (others.length >= pausesMax)
    throw new Negative('PAUSES_TOO_MANY', {
      message: `${pausesMax} bundles are paused here already.`,
      next: 'Lift one with grapevine resume BUNDLE, or pause the whole machine: grapevine pause --until … --reason …',
    })
  session.feed({ type: 'pause', pause: one })
  await session.written()
  return { changed: [documentOf(one)], pauses: pausesOf(agent) }
}

/** Negative `NOT_PAUSED` for a bundle that is named and has no pause of its own; Misconfigured `APPLIES_NOTHING` at the origin. */
export async function resume(session: Session, args: Readonly<Record<string, unknown>>): Promise<PausesDocument> {
  const agent = agentOf(session)
  const bundle = own(args, 'bundle')
  const before = agent.pauses.list()
  const lifted = typeof bundle === 'string' ? before.filter((one) => one.bundle === bundle) : before
  if (typeof bundle === 'string' && lifted.length === 0)
    throw new Negative('NOT_PAUSED', {
      message: `"${bundle}" has no pause of its own here.`,
      next: nextOf(bundle, before),
    })
  session.feed({ type: 'resume', ...(typeof bundle === 'string' && { bundle }) })
  await session.written()
  return { changed: lifted.map(documentOf), pauses: pausesOf(agent) }
}

/** All pauses of a device; none where it has no agent. */
export const pausesOf = (agent: Agent | undefined): PauseDocument[] => (agent?.pauses.list() ?? []).map(documentOf)

export const documentOf = ({ bundle, since, until, reason }: Pause): PauseDocument => ({
  bundle: bundle ?? null,
  since: toTimestamp(instant(since)),
  until: toTimestamp(instant(until)),
  reason,
})

function agentOf(session: Session): Agent {
  const { agent } = session.member
  if (agent) return agent
  throw new Misconfigured('APPLIES_NOTHING', {
    message: 'An origin applies nothing, so there is nothing to pause.',
    where: session.home.dir,
    next: 'Run it on the device, or with --home naming its folder. To hold up a whole fleet: grapevine unpublish or rollback.',
  })
}

/** Also one that is not selected here: it may be from tomorrow on. */
function requireKnown(session: Session, name: string): void {
  const { set } = session.member.protocol.self
  const names = set.bundles().map((bundle) => bundle.name)
  if (!names.includes(name)) throw bundleUnknown(name, `release ${set.release}, the newest here`, names)
}

function nextOf(bundle: string, pauses: readonly Pause[]): string {
  const names = pauses.flatMap((one) => one.bundle ?? [])
  if (pauses.some((one) => one.bundle === undefined))
    return 'The whole machine is paused: grapevine resume lifts that, too.'
  return names.length === 0 ? 'Nothing is paused here.' : suggest(bundle, names)
}

const invalid = (where: string, what: string): Misconfigured =>
  new Misconfigured('PAUSE_INVALID', {
    message: `Nothing was paused: ${what}.`,
    where,
    next: 'Write grapevine pause --until 4h --reason "stocktaking".',
  })

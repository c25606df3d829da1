/**
 * `drift`: looks now whether what is applied still is as wanted, or tells what the last look found. A look waits for its turn behind a
 * running engine. Beside no daemon the home's own agent does it, and nothing else meanwhile.
 */
import { Misconfigured, Negative, Unavailable } from '#base/errors.ts'
import { instant, toTimestamp } from '#base/time.ts'
import type { Agent } from '#agent/agent.ts'
import type { LookStatus } from '#agent/looked-bundle.ts'
import type { Watched } from '#agent/watching.ts'
import { realTime } from './clock.ts'
import { findFacts } from './device-facts.ts'
import { findingDocument, repairDocument, type FindingDocument, type RepairDocument } from './finding-document.ts'
import type { Session } from './session.ts'

export interface DriftDocument {
  /** What differs now. */
  readonly drift: readonly FindingDocument[]
  /** What differed within the last week and was mended. */
  readonly repaired: readonly RepairDocument[]
  /** Those that were looked at. */
  readonly bundles: readonly { readonly name: string; readonly lookedAt: string | null }[]
  /** Those that could not be. */
  readonly failed: readonly {
    readonly bundle: string
    readonly code: string
    readonly message: string
    readonly next: string | null
  }[]
}

/** Misconfigured `BUNDLE_NOT_APPLIED`; the engine's own error where no bundle could be looked at. */
export async function drift(
  session: Session,
  args: Readonly<Record<string, unknown>>,
  progress: (news: unknown) => void,
): Promise<DriftDocument> {
  const { agent } = session.member
  // The origin applies nothing.
  if (!agent) return { drift: [], repaired: [], bundles: [], failed: [] }
  if (session.addresses().length === 0) await beginAlone(session, agent)
  const names = namesFor(agent, args['bundle'])
  if (args['last'] !== true) await look(session, agent, names, progress)
  const document = documentOf(agent.watched(realTime()), names)
  const [failure] = document.failed
  if (failure && document.failed.length === names.length && args['last'] !== true) {
    const { code, message, next, bundle } = failure
    const text = { message, where: bundle, ...(next !== null && { next }) }
    throw code.startsWith('ENGINE_') ? new Unavailable(code, text) : new Negative(code, text)
  }
  return document
}

/** Nobody told the agent of the release on disk; what it would do about it now, but for looking, is the daemon's. */
async function beginAlone(session: Session, agent: Agent): Promise<void> {
  session.feed({ type: 'look', names: [], alone: true })
  await findFacts(session)
  const { set } = session.member.protocol.self
  agent.handle({ type: 'release', release: set.release, bundles: set.bundles() }, realTime(), () => {})
}

function namesFor(agent: Agent, bundle: unknown): string[] {
  const applied = agent.watched(realTime()).looks.map((status) => status.bundle)
  if (typeof bundle !== 'string') return applied
  if (applied.includes(bundle)) return [bundle]
  throw new Misconfigured('BUNDLE_NOT_APPLIED', {
    message: `No bundle called "${bundle}" is applied here, so there is nothing to compare with.`,
    next: 'See grapevine status for those that are.',
  })
}

async function look(
  session: Session,
  agent: Agent,
  names: readonly string[],
  progress: (news: unknown) => void,
): Promise<void> {
  const before = new Map(agent.watched(realTime()).looks.map((status) => [status.bundle, status.looks]))
  /** Looked at, or no longer applied. */
  const isDone = (name: string): boolean => {
    const status = statusOf(agent, name)
    return !status || status.looks !== before.get(name)
  }
  const tell = (): void => {
    const open = names.filter((name) => !isDone(name))
    if (open[0] !== undefined) progress(`looking at ${open[0]}, ${names.length - open.length} of ${names.length} done`)
  }
  const done = session.until(() => {
    tell()
    return names.every(isDone)
  })
  session.feed({ type: 'look', names })
  await done
}

const statusOf = (agent: Agent, name: string): LookStatus | undefined =>
  agent.watched(realTime()).looks.find((status) => status.bundle === name)

function documentOf({ looks, drift: findings, repaired }: Watched, names: readonly string[]): DriftDocument {
  const isAsked = ({ bundle }: { readonly bundle: string }): boolean => names.includes(bundle)
  const known = looks.filter(isAsked)
  const gone = names.filter((name) => !known.some(({ bundle }) => bundle === name))
  return {
    drift: findings.filter(isAsked).map(findingDocument),
    repaired: repaired.filter(isAsked).map(repairDocument),
    bundles: known
      .filter(({ failure }) => !failure)
      .map(({ bundle, lookedAt }) => ({
        name: bundle,
        lookedAt: lookedAt === undefined ? null : toTimestamp(instant(lookedAt)),
      })),
    failed: [
      ...known.flatMap(({ bundle, failure }) =>
        failure ? [{ bundle, code: failure.code, message: failure.reason, next: failure.next ?? null }] : [],
      ),
      ...gone.map((bundle) => ({
        bundle,
        code: 'BUNDLE_NOT_APPLIED',
        message: 'It is no longer applied.',
        next: 'See grapevine status.',
      })),
    ],
  }
}

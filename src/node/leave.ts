/**
 * `leave`: this device is to be no member any more. The daemon has its last report go out, for a bounded time, and ends; the files of the
 * home are removed afterwards by whoever asked (disk/home-removal.ts), once nobody owns it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Misconfigured } from '#base/errors.ts'
import { own } from '#base/guard.ts'
import type { Session } from './session.ts'

export interface LeaveDocument {
  readonly name: string
  readonly fleet: string
  readonly role: string
  /** Who has the last report: the origin, a neighbour that carries it there, or nobody. */
  readonly told: 'origin' | 'neighbour' | 'nobody'
  /** Reports that had no receipt when it ended; they are lost, but for what neighbours carry. */
  readonly unreceipted: number
}

/** Longer than anybody waits at a terminal. */
const waitMsMax = 300_000
const lookMs = 100

/** Misconfigured `LEAVE_ORIGIN` at an origin, unless `origin` says that this is meant. */
export async function leave(session: Session, args: Readonly<Record<string, unknown>>): Promise<LeaveDocument> {
  const { membership } = session.member.protocol.self
  const { fleet } = session.identity.facts
  if (membership.role === 'origin' && own(args, 'origin') !== true)
    throw new Misconfigured('LEAVE_ORIGIN', {
      message: `This is the origin of ${fleet}: with its keys goes the power to make releases and tokens, for ever. Members keep what they have.`,
      where: session.home.dir,
      next: 'To move it, copy keys/ and trust/ (docs/operate.md, "Keys and backup"). To end the fleet: grapevine leave --origin.',
    })
  const isRunning = session.addresses().length > 0
  if (isRunning && session.member.agent) await tell(session, Math.min(Number(own(args, 'waitMs') ?? 0), waitMsMax))
  const { waiting, unsent } = session.member.protocol.reports
  const told = waiting === 0 ? 'origin' : unsent === 0 ? 'neighbour' : 'nobody'
  // After the answer is out.
  if (isRunning) setImmediate(() => session.leave())
  const isTold = isRunning && session.member.agent?.isGone === true
  return { name: membership.name, fleet, role: membership.role, told: isTold ? told : 'nobody', unreceipted: waiting }
}

async function tell(session: Session, waitMs: number): Promise<void> {
  const deadline = performance.now() + waitMs
  session.feed({ type: 'leaving' })
  // Sealed and stored, so that it counts as waiting.
  await session.written()
  while (session.member.protocol.reports.waiting > 0 && performance.now() < deadline) await sleep(lookMs)
}

/**
 * One member as one machine: the protocol joined with the agent of a device, or with the intake of the origin. `node/` runs it on
 * real time, `sim/` on virtual time; it is the only glue between them, so what the simulator tests is what we ship.
 *
 *   const member = new Member(init)
 *   member.handle({ type: 'started', addresses }, now, out)
 *   member.nextWake()
 */
import type { Digest } from '#base/digest.ts'
import { earliest, type Instant } from '#base/time.ts'
import { encodeReport } from '#facts/report.ts'
import { Agent, type AgentEffect, type AgentInit, type AgentInput } from '#agent/agent.ts'
import type { Device } from '#origin/fleet.ts'
import { packReport, type ReportIntake } from '#origin/intake.ts'
import type { ProtocolEffect, ProtocolNotice } from '#protocol/effect.ts'
import type { ProtocolInput } from '#protocol/input.ts'
import { encodeMessage } from '#protocol/wire.ts'
import { Protocol, type ProtocolInit } from '#protocol/protocol.ts'

/** What only the protocol tells an agent. */
type Inner = 'release' | 'complete' | 'carry' | 'wake'
export type MemberInput = ProtocolInput | Exclude<AgentInput, { type: Inner }>

export type MemberEffect =
  | ProtocolEffect
  | Exclude<AgentEffect, { type: 'want' | 'unwant' | 'report' }>
  /** Seal this body with number `seq` to the origin's key, and store it: → `spooled` */
  | { readonly type: 'seal'; readonly seq: number; readonly body: Uint8Array }
  /** An entry of the fleet's list changed: to be kept. */
  | { readonly type: 'save-device'; readonly device: Device }

export interface MemberInit {
  readonly protocol: ProtocolInit
  /** A device has an agent; the origin has none. */
  readonly agent?: AgentInit
  /** The origin has an intake. */
  readonly intake?: ReportIntake
}

const agentInputs: ReadonlySet<string> = new Set(['manifest', 'prepared', 'applied', 'facts', 'apply-now', 'findings'])

export class Member {
  readonly protocol: Protocol
  readonly agent: Agent | undefined
  readonly intake: ReportIntake | undefined

  constructor(init: MemberInit) {
    this.protocol = new Protocol(init.protocol)
    this.agent = init.agent && new Agent(init.agent)
    this.intake = init.intake
  }

  handle(input: MemberInput, now: Instant, out: (effect: MemberEffect) => void): void {
    const notices: ProtocolNotice[] = []
    if (isAgentInput(input)) this.#agentTurn(input, now, out, notices)
    else {
      this.protocol.handle(input, now, out, (notice) => notices.push(notice))
      if (input.type === 'wake') this.#agentTurn({ type: 'wake' }, now, out, notices)
    }
    // A notice may lead to new wants, and those to new notices: contents that are here already.
    for (let notice = notices.shift(); notice; notice = notices.shift()) this.#notice(notice, now, out, notices)
  }

  nextWake(): Instant | undefined {
    return earliest(this.protocol.nextWake(), this.agent?.nextWake())
  }

  #notice(notice: ProtocolNotice, now: Instant, out: (effect: MemberEffect) => void, notices: ProtocolNotice[]): void {
    switch (notice.type) {
      case 'release': {
        const { set } = this.protocol.self
        const bundles = set.bundles()
        if (this.agent) this.#agentTurn({ type: 'release', release: set.release, bundles }, now, out, notices)
        return
      }
      case 'complete':
      case 'carry':
        this.#agentTurn(notice, now, out, notices)
        return
      case 'greeted': {
        const membership = [...this.protocol.neighbours.ofPeer(notice.peer)].at(-1)?.membership
        const device = membership && this.intake?.greeted(membership, now)
        if (device) out({ type: 'save-device', device })
        return
      }
      case 'reports-arrived': {
        if (!this.intake) return
        const { changed, receipt, refused } = this.intake.take(notice.sealed, now)
        // Kept before it is receipted: a receipt empties the sender's outbox for good.
        for (const device of changed) out({ type: 'save-device', device })
        for (const fields of refused) out({ type: 'log', level: 'warn', event: 'report.refused', fields })
        if (receipt) out({ type: 'send', link: notice.link, bytes: encodeMessage({ t: 'receipt', bytes: receipt }) })
        return
      }
      case 'reports-received':
        return
    }
  }

  #agentTurn(input: AgentInput, now: Instant, out: (effect: MemberEffect) => void, notices: ProtocolNotice[]): void {
    const effects: AgentEffect[] = []
    this.agent?.handle(input, now, (effect) => effects.push(effect))
    for (const effect of effects) this.#carryOut(effect, now, out, notices)
  }

  #carryOut(effect: AgentEffect, now: Instant, out: (effect: MemberEffect) => void, notices: ProtocolNotice[]): void {
    const turn = { now, out, notify: (notice: ProtocolNotice) => notices.push(notice) }
    switch (effect.type) {
      case 'want':
        return this.protocol.want(turn, effect.ref, effect.priority)
      case 'unwant':
        return this.protocol.unwant(turn, effect.content)
      case 'report': {
        const body = packReport(this.protocol.self.certificate, encodeReport(effect.report))
        return out({ type: 'seal', seq: effect.report.seq, body })
      }
      default:
        return out(effect)
    }
  }

  /** Digests of contents that are complete here, for the store's sweep. */
  completeContents(): Digest[] {
    return [...this.protocol.exchange.contents()]
      .filter((content) => content.phase === 'complete')
      .map((content) => content.ref.digest)
  }
}

function isAgentInput(input: MemberInput): input is Exclude<AgentInput, { type: Inner }> {
  return agentInputs.has(input.type)
}

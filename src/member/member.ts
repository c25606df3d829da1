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
import type { PackagePart } from '#facts/inventory-part.ts'
import { encodeReport, type Report } from '#facts/report.ts'
import { Agent, type AgentInit } from '#agent/agent.ts'
import type { AgentEffect } from '#agent/effect.ts'
import type { AgentInput } from '#agent/input.ts'
import type { Device } from '#origin/fleet.ts'
import type { ReportIntake } from '#origin/intake.ts'
import { packReport } from '#origin/report-body.ts'
import type { ProtocolEffect, ProtocolNotice } from '#protocol/effect.ts'
import type { ProtocolInput } from '#protocol/input.ts'
import { Protocol } from '#protocol/protocol.ts'
import type { ProtocolInit } from '#protocol/protocol-init.ts'
import { Reach } from '#protocol/reach.ts'
import type { PeerId } from '#trust/peer-id.ts'

/** What only the protocol tells an agent. */
type Inner = 'release' | 'complete' | 'carry' | 'reach' | 'wake' | 'report-received' | 'clock-moved'
export type MemberInput =
  | ProtocolInput
  | Exclude<AgentInput, { type: Inner | 'leaving' }>
  /** The origin could not keep a part of a device's list of packages. */
  | { readonly type: 'packages-lost'; readonly peer: PeerId }
  /** The clock on the wall was set back: so far it is ahead of the time that inputs come with (behind, if less than 0). */
  | { readonly type: 'clock'; readonly aheadMs: number }

export type MemberEffect =
  | ProtocolEffect
  | Exclude<AgentEffect, { type: 'want' | 'unwant' | 'report' | 'reach' }>
  /** Seal this body with number `seq` to the origin's key, and store it: → `spooled` */
  | { readonly type: 'seal'; readonly seq: number; readonly keep: number; readonly body: Uint8Array }
  /** An entry of the fleet's list changed: to be kept. */
  | { readonly type: 'save-device'; readonly device: Device }
  /** The newest part of a device's list of packages, to be joined with what is kept of it: → `packages-lost` where it does not fit. */
  | { readonly type: 'save-packages'; readonly peer: PeerId; readonly part: PackagePart }

export interface MemberInit {
  readonly protocol: ProtocolInit
  /** A device has an agent; the origin has none. */
  readonly agent?: Omit<AgentInit, 'seed'>
  /** The origin has an intake. */
  readonly intake?: ReportIntake
}

interface Waiting {
  readonly input: MemberInput
  readonly now: Instant
  readonly out: (effect: MemberEffect) => void
}

const agentInputs: ReadonlySet<string> = new Set(
  'manifest prepared applied facts inventory apply-now look observed checked pause resume kept probed restored unreported'.split(
    ' ',
  ),
)

export class Member {
  readonly protocol: Protocol
  readonly agent: Agent | undefined
  readonly intake: ReportIntake | undefined
  readonly #reach: Reach
  readonly #inputs: Waiting[] = []
  #isHandling = false

  constructor(init: MemberInit) {
    const agent = init.agent && new Agent({ ...init.agent, seed: init.protocol.self.peer })
    this.agent = agent
    this.protocol = new Protocol({ ...init.protocol, ...(agent && { readiness: () => agent.readiness() }) })
    this.#reach = new Reach(this.protocol)
    this.intake = init.intake
  }

  /** An input that an effect brings about at once, such as the end of a link that is closed, waits until this one is done. */
  handle(input: MemberInput, now: Instant, out: (effect: MemberEffect) => void): void {
    this.#inputs.push({ input, now, out })
    if (this.#isHandling) return
    this.#isHandling = true
    try {
      for (let next = this.#inputs.shift(); next; next = this.#inputs.shift()) this.#take(next)
    } finally {
      this.#isHandling = false
    }
  }

  nextWake(): Instant | undefined {
    const { agent, protocol } = this
    const wake = agent?.nextWake()
    return earliest(protocol.nextWake(), wake && protocol.self.wall.when(wake))
  }

  #take({ input, now, out }: Waiting): void {
    const notices: ProtocolNotice[] = []
    if (isAgentInput(input)) this.#agentTurn(input, now, out, notices)
    else if (input.type === 'clock') this.#clockMoved(input.aheadMs, now, out, notices)
    else if (input.type === 'packages-lost') {
      const device = this.intake?.fleet.lostPackages(input.peer)
      if (device) out({ type: 'save-device', device })
    } else {
      this.protocol.handle(input, now, out, (notice) => notices.push(notice))
      if (this.#reach.isShownBy(input, notices)) this.#agentTurn({ type: 'reach', ok: true }, now, out, notices)
      if (input.type === 'wake' || input.type === 'leaving') this.#agentTurn({ type: input.type }, now, out, notices)
    }
    // A notice may lead to new wants, and those to new notices: contents that are here already.
    for (let notice = notices.shift(); notice; notice = notices.shift()) this.#notice(notice, now, out, notices)
    this.protocol.tellProgress({ now, out, notify: () => {} })
  }

  /** What has a date is looked at again at once: windows, memberships, schedules. Timers go on as they were. */
  #clockMoved(aheadMs: number, now: Instant, out: (effect: MemberEffect) => void, notices: ProtocolNotice[]): void {
    const movedMs = this.protocol.self.wall.set(aheadMs)
    out({ type: 'log', level: 'warn', event: 'clock.set-back', fields: { seconds: Math.round(-movedMs / 1000) } })
    this.protocol.handle({ type: 'wake' }, now, out, (notice) => notices.push(notice))
    this.#agentTurn({ type: 'clock-moved', movedMs }, now, out, notices)
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
      case 'report-received':
        this.#agentTurn(notice, now, out, notices)
        return
      case 'greeted': {
        const links = this.protocol.neighbours.ofPeer(notice.peer)
        const membership = links.findLast((neighbour) => neighbour.membership)?.membership
        const device = membership && this.intake?.greeted(membership, this.protocol.self.wall.at(now))
        if (device) out({ type: 'save-device', device })
        return this.#tellExceeded(out)
      }
      case 'reports-arrived': {
        if (!this.intake) return
        const { changed, parts, receipt, refused } = this.intake.take(notice.sealed, this.protocol.self.wall.at(now))
        // Kept before it is receipted: a receipt empties the sender's outbox for good.
        for (const device of changed) out({ type: 'save-device', device })
        for (const { peer, part } of parts) out({ type: 'save-packages', peer, part })
        for (const fields of refused) out({ type: 'log', level: 'warn', event: 'report.refused', fields })
        this.#tellExceeded(out)
        if (receipt) this.protocol.sendReceipt({ now, out, notify: () => {} }, notice.link, receipt)
        return
      }
    }
  }

  /** A token that brings more devices than it was made for may be in wrong hands. */
  #tellExceeded(out: (effect: MemberEffect) => void): void {
    for (const { id, max, used } of this.intake?.fleet.takeExceeded() ?? [])
      out({ type: 'log', level: 'warn', event: 'token.exceeded', fields: { id, max, used } })
  }

  #agentTurn(input: AgentInput, now: Instant, out: (effect: MemberEffect) => void, notices: ProtocolNotice[]): void {
    const effects: AgentEffect[] = []
    // An agent lives by the calendar: its windows and the dates of its reports are those on the wall.
    this.agent?.handle(input, this.protocol.self.wall.at(now), (effect) => effects.push(effect))
    for (const effect of effects) this.#carryOut(effect, now, out, notices)
  }

  #carryOut(effect: AgentEffect, now: Instant, out: (effect: MemberEffect) => void, notices: ProtocolNotice[]): void {
    const turn = { now, out, notify: (notice: ProtocolNotice) => notices.push(notice) }
    switch (effect.type) {
      case 'want':
        return this.protocol.want(turn, effect.ref, effect.priority)
      case 'unwant':
        return this.protocol.unwant(turn, effect.content)
      case 'reach':
        if (!this.#reach.ask(turn, effect.anew)) this.#agentTurn({ type: 'reach', ok: false }, now, out, notices)
        return
      case 'report': {
        const { report, inventory, keep } = effect
        // The origin knows who says that nothing changed, or asks.
        const membership = report.same ? undefined : this.protocol.self.certificate
        const body = packReport({ membership, report: encodeReport({ ...report, ...this.#freshness() }), inventory })
        return out({ type: 'seal', seq: report.seq, keep, body })
      }
      default:
        return out(effect)
    }
  }

  #freshness(): Pick<Report, 'trust'> {
    const { set } = this.protocol.self
    const signedAt = set.issuedAt
    return signedAt === undefined ? {} : { trust: { version: set.versions().timestamp, signedAt } }
  }

  /** Digests of contents that are complete here, for the store's sweep. */
  completeContents(): Digest[] {
    return [...this.protocol.exchange.contents()]
      .filter((content) => content.phase === 'complete')
      .map((content) => content.ref.digest)
  }
}

function isAgentInput(input: MemberInput): input is Exclude<AgentInput, { type: Inner | 'leaving' }> {
  return agentInputs.has(input.type)
}

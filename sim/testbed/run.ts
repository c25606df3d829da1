/**
 * Runs a scenario in the test bed: builds the network and the homes, starts everybody in the same second, lets happen what the file
 * says, and tells what crossed each line and when each device had everything. It measures and judges nothing.
 *
 *   const result = await runScenario(scenario, { signal, say: console.error })
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '#base/errors.ts'
import { bundleBytes, type BundlePlan, type Fault, type RevisionPlan, type Scenario, type When } from '../scenario.ts'
import { BedFleet, type FleetNode } from './fleet.ts'
import type { BedMember } from './member.ts'
import { Namespaces } from './namespaces.ts'
import { BedNetwork } from './network.ts'
import { Phase, type PhaseResult } from './phase.ts'
import { Ping, type PingResult } from './ping.ts'
import { accountOf, type MemberAccount } from './account.ts'

export interface RunResult {
  readonly scenario: string
  readonly phases: readonly PhaseResult[]
  readonly members: readonly MemberAccount[]
  /** Frames that the queues before the lines dropped, of all sites. */
  readonly drops: { readonly down: number; readonly up: number }
  /** Bytes a minute over the line of each site while nothing was to be done. */
  readonly idle?: readonly { readonly site: string; readonly downBytes: number; readonly upBytes: number }[]
  readonly ping?: PingResult
  /** What ended that should not have. */
  readonly faults: readonly string[]
}

export interface RunOptions {
  readonly signal: AbortSignal
  readonly say: (text: string) => void
  /** Leaves homes and logs where they are. */
  readonly keep?: boolean
}

interface Act {
  readonly when: When
  readonly site?: string | undefined
  readonly run: () => Promise<void> | void
}

const lookMs = 20
const settleMsDefault = 3_000
const originReadyMs = 20_000

/** Unavailable `TESTBED_UNAVAILABLE` where the bed cannot be built. Whatever happens, nothing runs or lies there afterwards. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<RunResult> {
  const { removed, held } = await Namespaces.removeLeftovers()
  if (removed.length > 0) options.say(`removed what a killed run had left: ${removed.join(' ')}`)
  if (held.length > 0) options.say(`another test bed runs: ${held.join(' ')}; times will suffer`)
  BedFleet.removeLeftovers()
  const network = await BedNetwork.build(scenario)
  let fleet: BedFleet | undefined
  try {
    fleet = new BedFleet(scenario, network)
    return await new Run(scenario, network, fleet, options).play()
  } finally {
    const kept = await fleet?.remove({ keep: options.keep ?? false })
    if (kept !== undefined) options.say(`kept: ${kept}`)
    await network.remove()
  }
}

class Run {
  readonly #scenario: Scenario
  readonly #network: BedNetwork
  readonly #fleet: BedFleet
  readonly #options: RunOptions
  readonly #expected = new Map<string, number>()
  readonly #acts: Act[] = []
  readonly #phases: PhaseResult[] = []
  readonly #faults: string[] = []
  readonly #fallen = new Map<string, MemberAccount>()
  readonly #pending: Promise<unknown>[] = []
  #startedAt = 0
  #phase: Phase | undefined

  constructor(scenario: Scenario, network: BedNetwork, fleet: BedFleet, options: RunOptions) {
    this.#scenario = scenario
    this.#network = network
    this.#fleet = fleet
    this.#options = options
  }

  async play(): Promise<RunResult> {
    const { bundles, general } = this.#scenario
    await this.#prepare()
    const pings = (this.#scenario.probes ?? []).map((probe) => Ping.start(this.#network.enterRouter(probe.site), probe))
    if (pings.length > 0) await this.#rest(3_000)
    for (const ping of pings) ping.mark('loaded')
    this.#startedAt = performance.now()
    const first = bundles.filter((plan) => plan.publish === undefined)
    this.#begin(
      'start',
      first.reduce((sum, plan) => sum + bundleBytes(plan), 0),
    )
    for (const { member } of this.#fleet.nodes.filter(({ group }) => group.start === undefined)) member.start()
    this.#plan()
    await this.#until()
    for (const ping of pings) ping.mark('after')
    await this.#afterwards()
    const idle = general.idle_time === undefined ? undefined : await this.#idle(general.idle_time)
    const ping = (await Promise.all(pings.map((probe) => probe.end())))[0]
    return {
      scenario: this.#scenario.name,
      phases: this.#phases,
      members: await this.#accounts(),
      drops: await this.#drops(),
      ...(idle && { idle }),
      ...(ping && { ping }),
      faults: this.#faults,
    }
  }

  /** Homes, the first release, and a running origin. */
  async #prepare(): Promise<void> {
    const { say } = this.#options
    say(`${this.#scenario.name}: making ${this.#fleet.nodes.length + 1} homes`)
    await this.#fleet.make()
    for (const plan of this.#scenario.bundles.filter((bundle) => bundle.publish === undefined)) {
      await this.#fleet.publish(plan)
      this.#expected.set(plan.id, 1)
    }
    const { origin } = this.#fleet
    origin.start()
    const deadline = performance.now() + originReadyMs
    while (origin.readyAt === undefined && performance.now() < deadline) await this.#rest(lookMs)
    say('starting everybody')
  }

  /** What happens at a time or at a share, in its own moment. */
  #plan(): void {
    const { bundles, faults = [], sites } = this.#scenario
    for (const fault of faults)
      if (fault.kind !== 'byzantine' && fault.at.type !== 'done')
        this.#acts.push({ when: fault.at, site: siteOf(fault), run: () => this.#strike(fault) })
    for (const plan of bundles)
      if (plan.publish && plan.publish.at.type !== 'done')
        this.#acts.push({ when: plan.publish.at, run: () => this.#publish(plan) })
    for (const group of sites.flatMap((site) => site.groups))
      if (group.start && group.start.type !== 'done')
        this.#acts.push({ when: group.start, run: () => this.#startGroup(group.id) })
  }

  /** What happens once all is done, one after the other, each to its end. */
  async #afterwards(): Promise<void> {
    const { bundles, faults = [], sites, general } = this.#scenario
    const settle = (): Promise<void> => this.#rest(general.settle_time ?? settleMsDefault)
    const later = bundles.filter((plan) => plan.publish?.at.type === 'done')
    const revisions = bundles.flatMap((plan) => (plan.revisions ?? []).map((revision) => ({ plan, revision })))
    const late = [
      ...new Set(
        sites.flatMap((site) => site.groups.filter((group) => group.start?.type === 'done').map(({ id }) => id)),
      ),
    ]
    const last = faults.filter((fault) => fault.kind !== 'byzantine' && fault.at.type === 'done')
    if (later.length + revisions.length + late.length + last.length > 0) await settle()
    for (const plan of later) {
      this.#begin(`publish ${plan.id}`, bundleBytes(plan))
      await this.#publish(plan)
      this.#phase?.restart()
      await this.#until()
    }
    for (const { plan, revision } of revisions) await this.#revise(plan, revision)
    for (const fault of last) await this.#strike(fault)
    if (late.length === 0) return
    this.#begin(
      'late',
      bundles.reduce((sum, plan) => sum + bundleBytes(plan), 0),
    )
    for (const id of late) this.#startGroup(id)
    await this.#until()
  }

  async #publish(plan: BundlePlan): Promise<void> {
    await this.#fleet.publish(plan)
    this.#expected.set(plan.id, 1)
  }

  async #revise(plan: BundlePlan, revision: RevisionPlan): Promise<void> {
    const version = (this.#expected.get(plan.id) ?? 0) + 1
    this.#begin(`revise ${plan.id}`, 0)
    const fresh = await this.#fleet.revise(plan, revision, version)
    this.#expected.set(plan.id, version)
    this.#phase?.expect(fresh)
    await this.#until()
    await this.#rest(this.#scenario.general.settle_time ?? settleMsDefault)
  }

  #startGroup(id: string): void {
    for (const { member, group } of this.#fleet.nodes) if (group.id === id && !member.isRunning) member.start()
  }

  async #strike(fault: Fault): Promise<void> {
    if (fault.kind === 'byzantine') return
    const victim = fault.kind === 'uplink_down' ? undefined : await this.#victim(fault)
    this.#options.say(`${this.#seconds().toFixed(1)} s: ${fault.kind} ${victim?.name ?? fault.site}`)
    switch (fault.kind) {
      case 'crash': {
        const node = this.#node(victim)
        if (victim && node) this.#fallen.set(victim.name, await accountOf(node))
        await victim?.kill()
        if (fault.restart_after !== undefined) this.#later(fault.restart_after, () => victim?.start())
        return
      }
      case 'pause':
        if (victim) victim.isMeantToRun = false
        victim?.signal('SIGSTOP')
        if (fault.for !== undefined)
          this.#later(fault.for, () => {
            if (victim) victim.isMeantToRun = true
            victim?.signal('SIGCONT')
          })
        return
      case 'uplink_down':
        await this.#network.cut(fault.site)
        if (fault.for !== undefined) this.#later(fault.for, () => this.#network.mend(fault.site))
        return
    }
  }

  /** The node that a fault names, or the one that has fetched most over its site's line so far. */
  async #victim(fault: { node?: string | undefined; site?: string | undefined }): Promise<BedMember | undefined> {
    if (fault.node !== undefined) return this.#fleet.member(fault.node)
    const living = this.#fleet.nodes.filter(({ site, member }) => site === fault.site && member.isRunning)
    const accounts = await Promise.all(living.map(async (node) => ({ node, account: await accountOf(node) })))
    accounts.sort((a, b) => (b.account.wan?.downBytes ?? 0) - (a.account.wan?.downBytes ?? 0))
    return accounts[0]?.node.member
  }

  #later(ms: number, run: () => unknown): void {
    this.#acts.push({ when: { type: 'time', ms: this.#seconds() * 1000 + ms }, run: async () => void (await run()) })
  }

  #begin(name: string, uniqueBytes: number): void {
    const { sites, origins } = this.#scenario
    this.#phase = new Phase({
      name,
      uniqueBytes,
      sites,
      originBps: origins[0]?.bandwidth_up ?? 0,
      network: this.#network,
    })
  }

  /** Looks until everybody who runs has everything, or the time of the scenario is over. */
  async #until(): Promise<void> {
    const phase = this.#phase
    if (!phase) return
    const limitMs = this.#scenario.general.stop_time
    for (;;) {
      const waiting = this.#look(phase)
      const isOver = this.#seconds() * 1000 > limitMs
      const isDone = waiting.length === 0 && !this.#acts.some((act) => act.when.type === 'time')
      if (isDone || isOver) {
        this.#phases.push(phase.end(waiting.map((node) => node.member.name)))
        return
      }
      await this.#act(phase)
      await this.#rest(lookMs)
    }
  }

  /** Who still lacks something. */
  #look(phase: Phase): FleetNode[] {
    phase.sample()
    const waiting: FleetNode[] = []
    for (const node of this.#fleet.nodes) {
      const { member } = node
      if (member.readyAt !== undefined) phase.ready(member.name, member.readyAt)
      if (member.isMeantToRun && !member.isRunning) {
        member.isMeantToRun = false
        this.#faults.push(`${member.name} ended by itself`)
      }
      if (node.isHostile || node.group.role !== 'client' || !member.isMeantToRun) continue
      const has = [...this.#expected].every(([bundle, version]) => member.preparedVersion(bundle) >= version)
      if (has && member.readyAt !== undefined) phase.prepared(member.name, node.site)
      else {
        phase.waits(member.name)
        waiting.push(node)
      }
    }
    return waiting
  }

  async #act(phase: Phase): Promise<void> {
    const due = this.#acts.filter(({ when, site }) =>
      when.type === 'time'
        ? this.#seconds() * 1000 >= when.ms
        : when.type === 'progress' && phase.progress(site ?? this.#scenario.sites[0]?.id ?? '') >= when.share,
    )
    for (const act of due) {
      this.#acts.splice(this.#acts.indexOf(act), 1)
      // Commands take a second: the look at the others must not wait for them.
      this.#pending.push(Promise.resolve(act.run()).catch((error: unknown) => void this.#faults.push(messageOf(error))))
    }
    await Promise.resolve()
  }

  async #idle(ms: number): Promise<RunResult['idle']> {
    const { sites, general } = this.#scenario
    await this.#rest(general.settle_time ?? settleMsDefault)
    this.#options.say(`watching idle lines for ${ms / 1000} s`)
    const before = sites.map((site) => this.#network.traffic(site.id))
    await this.#rest(ms)
    const perMinute = (bytes: number): number => Math.round((bytes * 60_000) / ms)
    return sites.map((site, index) => {
      const now = this.#network.traffic(site.id)
      return {
        site: site.id,
        downBytes: perMinute(now.downBytes - (before[index]?.downBytes ?? 0)),
        upBytes: perMinute(now.upBytes - (before[index]?.upBytes ?? 0)),
      }
    })
  }

  async #accounts(): Promise<MemberAccount[]> {
    await Promise.all(this.#pending)
    const origin = { member: this.#fleet.origin, site: 'origin', role: 'origin' }
    const living = [origin, ...this.#fleet.nodes].filter(({ member }) => member.isRunning)
    return [...(await Promise.all(living.map((node) => accountOf(node)))), ...this.#fallen.values()]
  }

  async #drops(): Promise<RunResult['drops']> {
    const each = await Promise.all(this.#scenario.sites.map((site) => this.#network.drops(site.id)))
    return { down: sum(each.map(({ down }) => down)), up: sum(each.map(({ up }) => up)) }
  }

  #node(member: BedMember | undefined): FleetNode | undefined {
    return this.#fleet.nodes.find((node) => node.member === member)
  }

  #seconds(): number {
    return (performance.now() - this.#startedAt) / 1000
  }

  async #rest(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#options.signal })
  }
}

const siteOf = (fault: Exclude<Fault, { kind: 'byzantine' }>): string | undefined =>
  fault.site ?? ('node' in fault ? fault.node?.split('/')[0] : undefined)

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

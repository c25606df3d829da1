/**
 * What a device does with a release: selects the bundles meant for it, has their contents fetched, prepares them, waits for
 * the window, applies, and reports. It decides; unpacking, compiling and running engines are effects. One engine at a time.
 *
 *   agent.handle({ type: 'release', release: 4, bundles }, now, out)   // → want, then read-manifest, prepare, apply, report
 */
import { unreachable } from '#base/assert.ts'
import type { Digest } from '#base/digest.ts'
import { earliest, type Instant } from '#base/time.ts'
import type { BundleState } from '#facts/report.ts'
import type { Device } from '#policy/select.ts'
import type { Assignment, SignedBundle } from './assignment.ts'
import type { AgentEffect } from './effect.ts'
import { Gathering } from './gathering.ts'
import { HeldBundle, type BundleStatus } from './held-bundle.ts'
import type { AgentInput, PrepareOutcome } from './input.ts'
import type { Journal } from './journal.ts'
import type { LifecycleEvent } from './lifecycle.ts'
import type { ApplyOutcome } from './outcome.ts'
import { Pauses } from './pauses.ts'
import { readinessOf, type Readiness } from './readiness.ts'
import { Reporting, type Content } from './reporting.ts'
import { Scan } from './scan.ts'
import { selectionOf } from './selection.ts'
import { Trials, type Judged } from './trials.ts'
import { Watching, type Watched } from './watching.ts'
import { Withdrawals } from './withdrawals.ts'

export interface AgentInit {
  readonly device: Omit<Device, 'facts'>
  readonly journal: Journal
  /** Of this device alone: it spreads what a fleet would do at once. */
  readonly seed: string
  /** When urgent bundles may be applied: like all others in their windows, or at any time. */
  readonly urgent?: 'window' | 'any'
  /** How long a machine may take after an apply to be as well as it was; without it nothing is kept, and nothing goes back. */
  readonly graceMs?: number | undefined
}

/** That something is being fetched can wait: its end is told anyway, and on a thin line the reports of a site would hold up what they tell of. */
const fetchingReportMs = 30_000

export class Agent {
  /** What is left alone for a while; to be looked at only. */
  readonly pauses: Pauses
  /** What it says, and what it knows of the machine. */
  readonly reporting: Reporting
  readonly #device: Omit<Device, 'facts'>
  readonly #journal: Journal
  readonly #held = new Map<string, HeldBundle>()
  readonly #gathering = new Gathering(this.#held, (held, event, now, out) => this.#move(held, event, now, out))
  #signed: readonly SignedBundle[] = []
  #carries = false
  readonly #urgent: 'window' | 'any'
  #busy: string | undefined
  readonly #trials: Trials
  readonly #watching: Watching
  readonly #withdrawals: Withdrawals
  /** Nothing is done but to look for drift. */
  #isAlone = false
  #isGone = false
  readonly #scan = new Scan()

  constructor({ device, journal, seed, urgent = 'window', graceMs }: AgentInit) {
    this.#urgent = urgent
    this.#device = device
    this.#journal = journal
    this.#trials = new Trials(journal, graceMs)
    this.#busy = this.#trials.name
    this.reporting = new Reporting(journal)
    this.#watching = new Watching(journal, seed)
    this.#withdrawals = new Withdrawals(journal)
    this.pauses = new Pauses(journal)
  }

  handle(input: AgentInput, now: Instant, out: (effect: AgentEffect) => void): void {
    switch (input.type) {
      case 'release':
        this.reporting.setRelease(input.release, now)
        this.#signed = input.bundles
        this.#assign(now, out)
        break
      case 'facts':
        this.reporting.setFacts(input.facts, now)
        this.#scan.ask(now)
        this.#assign(now, out)
        break
      case 'inventory':
        this.#scan.done(now)
        if (input.inventory) this.reporting.setInventory(input.inventory, now)
        break
      case 'report-received':
        this.reporting.received(input.seq, input.anew, now, out)
        break
      case 'carry':
        this.#carries = input.carries
        this.#assign(now, out)
        break
      case 'complete':
        this.#gathering.complete(input.content, now, out)
        break
      case 'manifest':
        this.#gathering.manifest(input.content, input.bytes, now, out)
        break
      case 'prepared':
        this.#prepared(input.name, input.version, input.outcome, now, out)
        break
      case 'applied':
        this.#held.get(input.name)?.ran()
        if (this.#trials.name === undefined) this.#applied(input.name, input.version, input.outcome, now, out)
        break
      case 'apply-now':
        for (const held of this.#held.values()) if (!this.pauses.of(held.assignment.name, now)) held.force()
        break
      case 'pause':
        out({ type: 'journal', entry: this.pauses.begin(input.pause) })
        this.reporting.soon(now)
        break
      case 'resume':
        for (const entry of this.pauses.lift(input.bundle)) out({ type: 'journal', entry })
        this.reporting.soon(now)
        break
      case 'look':
        this.#isAlone ||= input.alone === true
        if (this.#isAlone && this.#trials.leave()) this.#busy = undefined
        this.#watching.handle(input, now, out)
        break
      case 'observed':
        if (this.#busy === input.name) this.#busy = undefined
        this.#watching.handle(input, now, out)
        break
      case 'checked':
        this.#watching.handle(input, now, out)
        break
      case 'leaving':
        this.#isGone = true
        this.reporting.atOnce(now)
        break
      case 'clock-moved':
        for (const held of this.#held.values()) held.moved(input.movedMs, now)
        this.reporting.moved(input.movedMs)
        break
      case 'unreported':
        this.reporting.again(now)
        break
      case 'kept':
      case 'probed':
      case 'reach':
      case 'restored':
      case 'wake':
        break
      default:
        unreachable(input)
    }
    this.#onTrial(input, now, out)
    this.#proceed(now, out)
  }

  nextWake(): Instant | undefined {
    if (this.#isAlone) return undefined
    const isFree = this.#busy === undefined
    let next = earliest(
      this.reporting.nextWake(),
      this.#scan.nextWake(),
      this.#watching.nextWake(isFree),
      this.#withdrawals.nextWake(),
      this.pauses.nextWake(),
      this.#trials.nextWake(),
    )
    for (const held of this.#held.values()) next = earliest(next, held.nextWake(isFree))
    return next
  }

  /** Bundles meant for this device, in order of name; then those that were and are withdrawn. */
  status(): BundleStatus[] {
    return [...this.#applicable().map((held) => held.status()), ...this.#withdrawals.status()]
  }

  /** It leaves, and was able to say so. */
  get isGone(): boolean {
    return this.#isGone && this.reporting.isPossible
  }

  readiness(): Readiness {
    return readinessOf(this.#held.values())
  }

  /** Bundles that the release means for this device or its neighbours, in no order. */
  assignments(): Assignment[] {
    return [...this.#held.values()].map((held) => held.assignment)
  }

  /** Whether a content is wanted for neighbours only. */
  isForOthers(content: Digest): boolean {
    const holders = [...this.#held.values()].filter((held) => held.contents.includes(content))
    return holders.length > 0 && holders.every((held) => held.purpose === 'hold')
  }

  /** What is known of applied bundles: drift, what was mended, monitors. */
  watched(now: Instant): Watched {
    return this.#watching.of(
      this.#applicable().map((held) => held.assignment.name),
      now,
    )
  }

  #applicable(): HeldBundle[] {
    return [...this.#held.values()]
      .filter((held) => held.purpose === 'apply')
      .sort((a, b) => (a.assignment.name < b.assignment.name ? -1 : 1))
  }

  /** Takes up what a release newly means for us, and lets go of what it no longer does: that undoes nothing by itself. */
  #assign(now: Instant, out: (effect: AgentEffect) => void): void {
    // Facts decide only once they are known: until then a bundle that asks for some is not ours yet.
    const device = { ...this.#device, facts: this.reporting.facts ?? {} }
    const { wanted, meant } = selectionOf(this.#signed, device, this.#carries)
    for (const [name, held] of this.#held) {
      const next = wanted.get(name)
      const isSame = next?.assignment.version === held.assignment.version && next.purpose === held.purpose
      if (isSame) wanted.delete(name)
      else this.#letGo(held, now, out)
    }
    for (const [name, { assignment, purpose }] of wanted) {
      const known = this.#journal.bundles.get(name)
      const before = known?.version === assignment.version && purpose === 'apply' ? known : undefined
      const held = new HeldBundle(assignment, purpose, before, now)
      if (before && this.#trials.isOf(name, assignment.version)) held.state = before.state
      held.anyTime = assignment.urgent && this.#urgent === 'any'
      this.#held.set(name, held)
    }
    if (wanted.size > 0) this.reporting.soon(now, fetchingReportMs)
    // Until facts are known, a bundle that asks for some only seems not to be meant for us.
    if (!this.reporting.isPossible) return
    for (const entry of this.#withdrawals.look(meant, now)) {
      out({ type: 'journal', entry })
      this.reporting.soon(now)
    }
  }

  #letGo(held: HeldBundle, now: Instant, out: (effect: AgentEffect) => void): void {
    this.#held.delete(held.assignment.name)
    if (held.purpose === 'apply') this.reporting.soon(now)
    this.#gathering.letGo(held, out)
  }

  #prepared(
    name: string,
    version: number,
    outcome: PrepareOutcome,
    now: Instant,
    out: (effect: AgentEffect) => void,
  ): void {
    const held = this.#finished(name, version, 'preparing')
    if (!held) return
    held.prepared = outcome.type !== 'failed'
    held.reason = outcome.type === 'prepared' ? undefined : outcome.reason
    held.engine = outcome.type === 'prepared' ? outcome.engine : undefined
    if (outcome.type === 'prepared') {
      this.#watching.prepared(name, version, outcome.watch, out)
      held.retryAt = undefined
      this.#move(held, 'prepare-ok', now, out)
    } else {
      held.retryLater(now)
      this.#move(held, outcome.type === 'failed' ? 'prepare-failed' : 'engine-missing', now, out)
    }
  }

  /** The engine is free again. What it did counts only for the very bundle that waits for it: another version may be wanted by now. */
  #finished(name: string, version: number, state: BundleState): HeldBundle | undefined {
    if (this.#busy === name) this.#busy = undefined
    const held = this.#held.get(name)
    return held?.assignment.version === version && held.state === state ? held : undefined
  }

  #applied(
    name: string,
    version: number,
    outcome: ApplyOutcome,
    now: Instant,
    out: (effect: AgentEffect) => void,
  ): void {
    const held = this.#finished(name, version, 'applying')
    if (!held) return
    const event = held.applied(outcome, now)
    if (outcome.type === 'results' && event !== 'window-closed')
      this.#watching.applied({ name, version, appliedAt: now }, outcome.results, now, out)
    this.#scan.ask(now)
    this.#move(held, event, now, out)
  }

  /** Does whatever is due: fetch, prepare, apply, report. */
  #proceed(now: Instant, out: (effect: AgentEffect) => void): void {
    if (this.#isAlone) return this.#watch(now, out)
    for (const held of this.#held.values()) {
      if (held.look(now, (at) => this.pauses.of(held.assignment.name, at))) this.#note(held, now, out)
      if (held.takeEnd()) out({ type: 'end-apply', name: held.assignment.name, version: held.assignment.version })
    }
    this.#gathering.proceed(now, out)
    if (this.pauses.forget(now)) this.reporting.soon(now)
    for (const held of this.#applicable()) {
      held.mending = this.#watching.mendingOf(held.assignment.name, now)
      this.#work(held, now, out)
    }
    this.#watch(now, out)
    if (this.#withdrawals.forget(now)) this.reporting.soon(now)
    if (!this.#isAlone && this.#scan.takeDue(now)) out({ type: 'take-inventory' })
    this.reporting.proceed(now, () => this.#content(now), out)
  }

  /** What was applied is looked at once nothing else wants the engine. */
  #watch(now: Instant, out: (effect: AgentEffect) => void): void {
    if (this.#isGone) return
    const applied = this.#applicable().flatMap(({ assignment: { name, version }, state, appliedAt }) =>
      state === 'applied' || state === 'applying' ? [{ name, version, state, appliedAt }] : [],
    )
    this.#watching.assign(applied, now)
    const isFree = this.#busy === undefined
    this.#busy = this.#watching.begin(now, { isFree, isAlone: this.#isAlone }, out) ?? this.#busy
    if (this.#watching.takeNews()) this.reporting.soon(now)
  }

  #content(now: Instant): Content {
    const { drift, repaired, monitors } = this.watched(now)
    const pauses = this.pauses.list()
    return {
      bundles: [...this.#applicable().map((held) => held.report()), ...this.#withdrawals.reports()],
      drift,
      ...(repaired.length > 0 && { repaired }),
      ...(monitors.length > 0 && { monitors }),
      ...(pauses.length > 0 && { pauses }),
      ...(this.#isGone && { left: true }),
    }
  }

  #work(held: HeldBundle, now: Instant, out: (effect: AgentEffect) => void): void {
    if (this.#busy !== undefined || this.#isGone) return
    const { name, version, manifest } = held.assignment
    if (held.takeRetry(now) && (held.state === 'blocked' || !held.prepared)) this.#move(held, 'retry', now, out)
    if (held.state === 'preparing' && held.content === 'complete') {
      this.#busy = name
      out({ type: 'prepare', name, version, manifest })
      return
    }
    if (held.mayApply && !this.pauses.of(name, now)) {
      held.begin()
      this.#busy = name
      this.#watching.applying(name, now, out)
      this.#move(held, 'apply-started', now, out)
      this.#trials.begin({ name, version }, now, out)
    }
  }

  /** An apply on probation comes to its end by what is heard of the machine. */
  #onTrial(input: AgentInput, now: Instant, out: (effect: AgentEffect) => void): void {
    const end = this.#trials.handle(input, now, out)
    if (!end) return
    this.#judged(end, now, out)
    this.#trials.close(out)
  }

  #judged({ name, version, verdict }: Judged, now: Instant, out: (effect: AgentEffect) => void): void {
    if (verdict.type === 'applied') return this.#applied(name, version, verdict.outcome, now, out)
    const held = this.#finished(name, version, 'applying')
    if (!held) return
    if (verdict.type === 'again') return this.#move(held, 'interrupted', now, out)
    held.wentBack(verdict, now)
    this.#move(held, 'apply-failed', now, out)
  }

  #move(held: HeldBundle, event: LifecycleEvent, now: Instant, out: (effect: AgentEffect) => void): void {
    if (!held.move(event)) return
    const isLasting = held.state !== 'pending' && held.state !== 'fetching' && held.state !== 'preparing'
    if (isLasting) this.#note(held, now, out)
  }

  #note(held: HeldBundle, now: Instant, out: (effect: AgentEffect) => void): void {
    const entry = held.entry(now)
    this.#journal.note(entry)
    out({ type: 'journal', entry })
    if (held.state !== 'applying') this.reporting.soon(now)
  }
}

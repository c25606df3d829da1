/**
 * What a device does with a bundle after it was applied: looks for drift and makes the checks of monitors. The agent joins it with the
 * engine, of which there is one, and with the windows; it applies nothing by itself.
 */
import { earliest, type Instant } from '#base/time.ts'
import type { Finding, Repair } from '#facts/finding.ts'
import type { MonitorReport, MonitorResult } from '#facts/monitor.ts'
import type { ResourceResult } from '#facts/report.ts'
import { Drift, type DriftEffect } from './drift.ts'
import type { Journal } from './journal.ts'
import type { AppliedBundle, LookStatus, ObserveOutcome } from './looked-bundle.ts'
import { Monitors, type MonitorEffect } from './monitors.ts'
import type { Watch } from './watch.ts'

export type WatchingInput =
  /** Somebody asks to look for drift now. `alone`: and to do nothing else from now on, as for a command beside no daemon. */
  | { readonly type: 'look'; readonly names?: readonly string[]; readonly alone?: boolean }
  | { readonly type: 'observed'; readonly name: string; readonly version: number; readonly outcome: ObserveOutcome }
  | { readonly type: 'checked'; readonly name: string; readonly version: number; readonly result: MonitorResult }

export type WatchingEffect = DriftEffect | MonitorEffect

/** When a bundle is to be applied again for what was found. */
export type Mending = 'in-window' | 'any-time'

export interface Watched {
  /** In order of name. */
  readonly looks: readonly LookStatus[]
  readonly drift: readonly Finding[]
  readonly repaired: readonly Repair[]
  readonly monitors: readonly MonitorReport[]
}

export class Watching {
  readonly #journal: Journal
  readonly #drift: Drift
  readonly #monitors: Monitors

  /** `seed` is the device's own: what it draws, others do not. */
  constructor(journal: Journal, seed: string) {
    this.#journal = journal
    this.#drift = new Drift(journal, seed)
    this.#monitors = new Monitors(journal, seed)
  }

  handle(input: WatchingInput, now: Instant, out: (effect: WatchingEffect) => void): void {
    if (input.type === 'look') this.#drift.look(input.names)
    else if (input.type === 'observed') this.#drift.observed(input.name, input.version, input.outcome, now, out)
    else this.#monitors.checked(input.name, input.version, input.result, now, out)
  }

  /** A bundle was prepared, and this is to be watched of it. */
  prepared(name: string, version: number, watch: Watch | undefined, out: (effect: WatchingEffect) => void): void {
    if (!watch && !this.#journal.watches.has(name)) return
    const entry = { type: 'watch' as const, name, version, ...(watch ?? { monitors: [] }) }
    this.#journal.keep(entry)
    out({ type: 'journal', entry })
  }

  applying(name: string, now: Instant, out: (effect: WatchingEffect) => void): void {
    this.#monitors.applying(name, now, out)
  }

  applied(
    bundle: Omit<AppliedBundle, 'state'>,
    results: readonly ResourceResult[],
    now: Instant,
    out: (effect: WatchingEffect) => void,
  ): void {
    this.#drift.applied(bundle, results, now, out)
  }

  /** All bundles that are applied now, or are being applied again. */
  assign(applied: readonly AppliedBundle[], now: Instant): void {
    this.#drift.assign(applied, now)
    this.#monitors.assign(applied, now)
  }

  /** Undefined where the bundle is not to be applied again. A wish to do it at any time is one of the policy. */
  mendingOf(name: string, now: Instant): Mending | undefined {
    const repair = this.#drift.repairOf(name)
    if (repair === 'any-time') return repair
    const isWished = this.#monitors.isToApply(name, now)
    return isWished && this.#drift.mayApplyOutside(name) ? 'any-time' : isWished ? 'in-window' : repair
  }

  /** Begins what is due, `alone` nothing but looks that were asked for; the name of the bundle that keeps the engine from now on, if one does. */
  begin(
    now: Instant,
    { isFree, isAlone }: { readonly isFree: boolean; readonly isAlone: boolean },
    out: (effect: WatchingEffect) => void,
  ): string | undefined {
    if (!isAlone) this.#monitors.begin(now, out)
    return isFree ? this.#drift.begin(now, isAlone, out) : undefined
  }

  nextWake(isFree: boolean): Instant | undefined {
    return earliest(this.#monitors.nextWake(), isFree ? this.#drift.nextWake() : undefined)
  }

  /** Whether anything changed since this was asked last that the origin is to hear. */
  takeNews(): boolean {
    const [drift, monitors] = [this.#drift.takeNews(), this.#monitors.takeNews()]
    return drift || monitors
  }

  /** What is known of the bundles that are applied now, of which these are named. */
  of(names: readonly string[], now: Instant): Watched {
    return {
      looks: this.#drift.status(),
      drift: this.#drift.findings(names),
      repaired: this.#drift.repaired(names, now),
      monitors: this.#monitors.list(),
    }
  }
}

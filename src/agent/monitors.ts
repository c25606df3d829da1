/**
 * The monitors of applied bundles: when each check is made, and what its runs amount to. It makes no check itself, and it never applies:
 * it says that a bundle asks for it.
 *
 *   state    pass                       fail                       unknown
 *   unknown  ok                         failing after `fails`      unknown
 *   ok       ok                         failing after `fails`      unknown
 *   failing  ok after `passes`          failing                    unknown
 *
 * `fails` and `passes` count in a row; another outcome begins anew.
 */
import { Random } from '#base/random.ts'
import { after, earliest, instant, type Instant } from '#base/time.ts'
import type { MonitorOutcome, MonitorReport, MonitorResult, MonitorState } from '#facts/monitor.ts'
import { monitorKey, type Journal, type JournalEntry, type MonitorEntry } from './journal.ts'
import type { AppliedBundle } from './looked-bundle.ts'
import type { WatchedMonitor } from './watch.ts'

export type MonitorEffect =
  | { readonly type: 'journal'; readonly entry: JournalEntry }
  /** → `checked`; within the monitor's own timeout and a little. */
  | { readonly type: 'check'; readonly name: string; readonly version: number; readonly monitor: string }

/** So many checks at a time. */
const runningMax = 4
/** The first check of a monitor is made within this time, or its own interval. */
const firstMs = 30_000
/** Between two applies that one monitor asked for, doubling to the maximum. */
const reactMs = 3_600_000
const reactMsMax = 86_400_000

export class Monitors {
  readonly #journal: Journal
  readonly #seed: string
  readonly #watched = new Map<string, Watched>()
  #running = 0
  /** When it was last called to begin what is due. */
  #now = instant(0)
  #isNews = false

  constructor(journal: Journal, seed: string) {
    this.#journal = journal
    this.#seed = seed
  }

  /** All bundles that are applied now, or are being applied again. */
  assign(applied: readonly AppliedBundle[], now: Instant): void {
    const keys = new Set<string>()
    for (const { name, version, state } of applied) {
      const watch = this.#journal.watches.get(name)
      for (const monitor of watch?.version === version ? watch.monitors : []) {
        const key = monitorKey(name, monitor.name)
        keys.add(key)
        let watched = this.#watched.get(key)
        if (watched?.version !== version) {
          const entry = this.#journal.monitors.get(key)
          watched = new Watched({ bundle: name, version, monitor }, entry?.version === version ? entry : undefined, now)
          const random = new Random(`${this.#seed}/monitor/${key}`)
          watched.checkAt = after(now, random.below(Math.min(monitor.everyMs, firstMs)))
          this.#watched.set(key, watched)
        }
        watched.isSteady = state === 'applied'
      }
    }
    for (const key of this.#watched.keys()) {
      if (keys.has(key)) continue
      this.#watched.delete(key)
      this.#isNews = true
    }
  }

  /** Begins the checks that are due. */
  begin(now: Instant, out: (effect: MonitorEffect) => void): void {
    this.#now = now
    for (const watched of this.#watched.values()) {
      if (this.#running >= runningMax) return
      if (!watched.takeDue(now)) continue
      this.#running++
      const { bundle, version, monitor } = watched
      out({ type: 'check', name: bundle, version, monitor: monitor.name })
    }
  }

  checked(
    name: string,
    version: number,
    result: MonitorResult,
    now: Instant,
    out: (effect: MonitorEffect) => void,
  ): void {
    this.#running = Math.max(0, this.#running - 1)
    const watched = this.#watched.get(monitorKey(name, result.name))
    if (watched?.version !== version) return
    watched.isRunning = false
    // While it is applied again, things are stopped and started: what is seen then is no news.
    if (!watched.isSteady || !watched.take(result, now)) return
    this.#isNews = true
    this.#keep(watched, out)
  }

  /** An apply of the bundle begins: what its monitors asked for happens. */
  applying(name: string, now: Instant, out: (effect: MonitorEffect) => void): void {
    for (const watched of this.#watched.values()) {
      if (watched.bundle !== name || !watched.isToApply(now)) continue
      watched.reacted(now)
      this.#keep(watched, out)
    }
  }

  /** Whether a monitor of the bundle asks for its apply. */
  isToApply(name: string, now: Instant): boolean {
    for (const watched of this.#watched.values()) if (watched.bundle === name && watched.isToApply(now)) return true
    return false
  }

  nextWake(): Instant | undefined {
    let next: Instant | undefined
    const isFree = this.#running < runningMax
    for (const watched of this.#watched.values()) next = earliest(next, watched.nextWake(this.#now, isFree))
    return next
  }

  /** Whether anything changed since this was asked last that the origin is to hear. */
  takeNews(): boolean {
    const isNews = this.#isNews
    this.#isNews = false
    return isNews
  }

  /** By bundle, in the order of the policy. */
  list(): MonitorReport[] {
    return [...this.#watched.values()]
      .map((watched) => watched.report())
      .sort((a, b) => (a.bundle < b.bundle ? -1 : a.bundle > b.bundle ? 1 : 0))
  }

  #keep(watched: Watched, out: (effect: MonitorEffect) => void): void {
    const entry = watched.entry()
    this.#journal.keep(entry)
    out({ type: 'journal', entry })
  }
}

class Watched {
  readonly bundle: string
  readonly version: number
  readonly monitor: WatchedMonitor
  #state: MonitorState
  #since: number
  #said: string
  /** The outcome of the last run, and how often in a row. */
  #run: { readonly outcome: MonitorOutcome; readonly times: number } | undefined
  #reactedAt: number | undefined
  #reactions: number
  checkAt: Instant | undefined
  isRunning = false
  isSteady = true

  constructor(
    { bundle, version, monitor }: { bundle: string; version: number; monitor: WatchedMonitor },
    entry: MonitorEntry | undefined,
    now: Instant,
  ) {
    this.bundle = bundle
    this.version = version
    this.monitor = monitor
    this.#state = entry?.state ?? 'unknown'
    this.#since = entry?.since ?? now
    this.#said = entry?.said ?? ''
    this.#reactedAt = entry?.reactedAt
    this.#reactions = entry?.reactions ?? 0
  }

  /** Whether a check is to begin; true once. */
  takeDue(now: Instant): boolean {
    if (!this.isSteady || this.isRunning || this.checkAt === undefined) return false
    // A clock that was set back must not put it off.
    if (this.checkAt > after(now, this.monitor.everyMs)) this.checkAt = now
    if (this.checkAt > now) return false
    this.isRunning = true
    this.checkAt = after(now, this.monitor.everyMs)
    return true
  }

  /** Counts a run; true where the state changed. */
  take({ outcome, said }: MonitorResult, now: Instant): boolean {
    const times = this.#run?.outcome === outcome ? this.#run.times + 1 : 1
    this.#run = { outcome, times }
    const state = this.#after(outcome, times)
    if (state === this.#state) return false
    this.#state = state
    this.#since = now
    this.#said = said
    return true
  }

  #after(outcome: MonitorOutcome, times: number): MonitorState {
    const { fails, passes } = this.monitor
    if (outcome === 'unknown') return 'unknown'
    if (outcome === 'fail') return times >= fails ? 'failing' : this.#state
    return this.#state === 'failing' && times < passes ? 'failing' : 'ok'
  }

  isToApply(now: Instant): boolean {
    const at = this.#reactAt
    return at !== undefined && at <= now
  }

  /** When it may ask for an apply; undefined where it does not. */
  get #reactAt(): Instant | undefined {
    if (this.monitor.react !== 'apply' || this.#state !== 'failing') return undefined
    return instant(this.#reactedAt === undefined ? this.#since : this.#reactedAt + this.#pauseMs)
  }

  get #pauseMs(): number {
    return Math.min(reactMsMax, reactMs * 2 ** Math.max(0, Math.min(this.#reactions - 1, 10)))
  }

  reacted(now: Instant): void {
    // Well for long since the last time: it begins anew.
    const isLongAgo = this.#reactedAt !== undefined && now - this.#reactedAt > 2 * this.#pauseMs
    this.#reactions = isLongAgo ? 1 : this.#reactions + 1
    this.#reactedAt = now
  }

  nextWake(now: Instant, isFree: boolean): Instant | undefined {
    if (!this.isSteady) return undefined
    const check = isFree && !this.isRunning ? this.checkAt : undefined
    const react = this.#reactAt
    // Once its time has come, it waits for the engine or the window, which wake the agent themselves.
    return earliest(check, react !== undefined && react > now ? react : undefined)
  }

  report(): MonitorReport {
    return {
      bundle: this.bundle,
      name: this.monitor.name,
      state: this.#state,
      since: this.#since,
      said: this.#said,
    }
  }

  entry(): MonitorEntry {
    return {
      type: 'monitor',
      version: this.version,
      ...this.report(),
      ...(this.#reactedAt !== undefined && { reactedAt: this.#reactedAt, reactions: this.#reactions }),
    }
  }
}

/**
 * The entries from which a restart goes on: what was prepared and applied, and the last report number. The newest entry of a
 * bundle is what counts. `applying` without a later entry means that the power failed during apply: it is done again, unless a trial
 * says more (probation.ts).
 */
import type { Finding, Repair } from '#facts/finding.ts'
import type { MonitorReport } from '#facts/monitor.ts'
import type { Pause } from '#facts/pause.ts'
import type { BundleState, MissedWindows, ResourceResult } from '#facts/report.ts'
import { isDigest, type Digest } from '#base/digest.ts'
import { isFields, own, type Fields } from '#base/guard.ts'
import { Told, type ToldEntry } from './told.ts'
import type { Watch } from './watch.ts'
import type { ApplyOutcome } from './outcome.ts'

export interface BundleEntry {
  readonly type: 'bundle'
  readonly name: string
  readonly version: number
  readonly state: BundleState
  readonly at: number
  /** Whether its prepared folder is there. */
  readonly prepared: boolean
  readonly reason?: string
  readonly engine?: string
  readonly appliedAt?: number
  readonly results: readonly ResourceResult[]
  /** What it changed went back. */
  readonly rolledBack?: boolean
  readonly missed?: MissedWindows
}

/** An apply that is on probation. The end of its bundle's apply, or `ended` where that bundle is not wanted any more, ends it. */
export interface TrialEntry {
  readonly type: 'trial'
  readonly name: string
  readonly version: number
  readonly phase: 'begun' | 'watching' | 'restoring' | 'ended'
  /** What held before the apply: a neighbour was reached; these monitors passed. */
  readonly connected: boolean
  readonly passing: readonly string[]
  /** What could not be kept. */
  readonly lacking: readonly string[]
  /** How the apply ended, once it has. */
  readonly outcome?: ApplyOutcome
  /** Why it goes back. */
  readonly reason?: string
}

export interface ReportEntry {
  readonly type: 'report'
  readonly seq: number
  /** Milliseconds since 1970. */
  readonly at?: number
  /** Digest of the state that it said; none where it said that nothing changed. */
  readonly said?: Digest
}

/** What is to be watched of a bundle once it is applied: known since it was prepared. */
export interface WatchEntry extends Watch {
  readonly type: 'watch'
  readonly name: string
  readonly version: number
}

/** What the last look at a bundle found, and what was mended since it is applied. */
export interface DriftEntry {
  readonly type: 'drift'
  readonly name: string
  readonly version: number
  readonly lookedAt: number
  readonly findings: readonly Finding[]
  readonly repaired: readonly Repair[]
}

/** A monitor that came into a state, or had its policy applied. */
export interface MonitorEntry extends MonitorReport {
  readonly type: 'monitor'
  readonly version: number
  /** When it had its policy applied last, and how often since it was well for long. */
  readonly reactedAt?: number
  readonly reactions?: number
}

export interface PauseEntry extends Pause {
  readonly type: 'pause'
}

/** The pause of a bundle, or of the machine, is over. */
export interface ResumeEntry {
  readonly type: 'resume'
  readonly bundle?: string
}

export type JournalEntry =
  | BundleEntry
  | ReportEntry
  | TrialEntry
  | PauseEntry
  | ResumeEntry
  | WatchEntry
  | DriftEntry
  | MonitorEntry
  | ToldEntry

/** What the journal says, newest entries winning. Lines of a newer program that we do not know are passed over. */
export class Journal {
  readonly bundles = new Map<string, BundleEntry>()
  readonly watches = new Map<string, WatchEntry>()
  readonly drifts = new Map<string, DriftEntry>()
  /** By `monitorKey`. */
  readonly monitors = new Map<string, MonitorEntry>()
  /** By the name of the bundle; undefined stands for all of the machine. */
  readonly pauses = new Map<string | undefined, PauseEntry>()
  /** Number and time of the last report. */
  seq = 0
  at: number | undefined
  /** The state that was said last, and the number of the report that said it. */
  said: Digest | undefined
  saidSeq = 0
  readonly told = new Told()
  /** The apply that is on probation. */
  trial: TrialEntry | undefined

  static replay(entries: readonly unknown[]): Journal {
    const journal = new Journal()
    for (const entry of entries) if (isFields(entry)) journal.#take(entry)
    return journal
  }

  /** The fewest entries that say the same: what a compacted journal holds. */
  entries(): JournalEntry[] {
    const said: ReportEntry[] = this.said ? [{ type: 'report', seq: this.saidSeq, said: this.said }] : []
    const report: ReportEntry = { type: 'report', seq: this.seq, ...(this.at !== undefined && { at: this.at }) }
    const isOfItsBundle = ({ version }: { version: number }, name: string): boolean =>
      this.bundles.get(name)?.version === version
    return [
      ...this.bundles.values(),
      ...[...this.watches.values()].filter((watch) => isOfItsBundle(watch, watch.name)),
      ...[...this.drifts.values()].filter((drift) => isOfItsBundle(drift, drift.name)),
      ...[...this.monitors.values()].filter((monitor) => isOfItsBundle(monitor, monitor.bundle)),
      ...this.pauses.values(),
      ...(this.trial ? [this.trial] : []),
      ...said,
      report,
      ...this.told.entries(),
    ]
  }

  /** An entry that is written is known from then on. */
  keep(entry: WatchEntry | DriftEntry | MonitorEntry): void {
    if (entry.type === 'watch') this.watches.set(entry.name, entry)
    else if (entry.type === 'drift') this.drifts.set(entry.name, entry)
    else this.monitors.set(monitorKey(entry.bundle, entry.name), entry)
  }

  /** An entry that is to be written is known from now on. */
  pause(entry: PauseEntry): PauseEntry {
    this.pauses.set(entry.bundle, entry)
    return entry
  }

  resume(entry: ResumeEntry): ResumeEntry {
    this.pauses.delete(entry.bundle)
    return entry
  }

  /** Takes in what becomes of a bundle or of its trial. */
  note(entry: BundleEntry | TrialEntry): void {
    if (entry.type === 'trial') {
      this.trial = entry.phase === 'ended' ? undefined : entry
      return
    }
    this.bundles.set(entry.name, entry)
    const isEnd = entry.state !== 'applying' && entry.name === this.trial?.name && entry.version === this.trial.version
    if (isEnd) this.trial = undefined
  }

  #take(entry: Fields): void {
    // The journal is our own and each line has a checksum: the shape of entries is not judged again.
    const type = own(entry, 'type')
    if (type === 'watch' || type === 'drift' || type === 'monitor')
      this.keep(entry as unknown as WatchEntry | DriftEntry | MonitorEntry)
    else if (type === 'report') {
      const seq = Number(own(entry, 'seq')) || 0
      const at = own(entry, 'at')
      const said = own(entry, 'said')
      this.seq = Math.max(this.seq, seq)
      if (typeof at === 'number') this.at = at
      if (isDigest(said)) {
        this.said = said
        this.saidSeq = seq
      }
    } else if (type === 'bundle' || type === 'trial') this.note(entry as unknown as BundleEntry | TrialEntry)
    else if (type === 'pause') this.pause(entry as unknown as PauseEntry)
    else if (type === 'resume') this.resume(entry as unknown as ResumeEntry)
    else {
      if (type === 'anew') this.said = undefined
      this.told.replay(entry)
    }
  }
}

/** A bundle's name holds no line break. */
export const monitorKey = (bundle: string, name: string): string => `${bundle}\n${name}`

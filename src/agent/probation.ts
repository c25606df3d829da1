/**
 * One apply on probation: what the bundle touches is kept before, and goes back where the machine reaches no neighbour any more, or
 * fails a monitor that it passed before, for the whole of a grace time. Only what held before the apply is asked for after it: a
 * machine that was offline is never put back for being offline. It decides; keeping, running and putting back are effects.
 *
 * | state        | what comes                       | then                                                                  |
 * |--------------|----------------------------------|-----------------------------------------------------------------------|
 * | `before`     | `kept`, `probed`, `reach`, time | `applying`, once all three are known or the time for `reach` is over    |
 * | `applying`   | `applied`                        | `watching`; or the end where nothing changed, or can be judged          |
 * | `watching`   | `reach`, `probed`               | the end, once all that held before holds again: `applied`               |
 * |              | time                             | `restoring`, after the last of the rounds                               |
 * | `restoring`  | `restored`                       | `recovering`; or the end where nobody was reached before                |
 * | `recovering` | `reach`, time                    | the end: `rolled-back`. The next apply must not take us for offline     |
 *
 * What a state does not name it passes over. Each step but the first is in the journal before it is taken (`TrialEntry`): a process
 * that is killed goes on in `watching` or `restoring`. An apply that was cut off is watched too, and done `again` where it did no harm.
 *
 * Time is counted in rounds, each with its own wake: a policy that sets the clock must not use up its grace by that.
 */
import { after, instant, type Instant } from '#base/time.ts'
import type { ResourceResult } from '#facts/report.ts'
import type { TrialEntry } from './journal.ts'
import type { ApplyOutcome } from './outcome.ts'

export type ProbationInput =
  /** What the bundle touches is kept; `lacking` says what of it could not be. */
  | { readonly type: 'kept'; readonly lacking: readonly string[] }
  /** The monitors of the bundle, each run once. */
  | {
      readonly type: 'probed'
      readonly name: string
      readonly version: number
      readonly checks: readonly MonitorCheck[]
    }
  /** A neighbour was reached since we asked; false where there is nobody to ask. */
  | { readonly type: 'reach'; readonly ok: boolean }
  /** `uncovered`: ids of resources that cannot be put back; `lacking`: what could not be. */
  | { readonly type: 'restored'; readonly uncovered: readonly string[]; readonly lacking: readonly string[] }

/** What the hands answer. */
export type AwayAnswer = Exclude<ProbationInput, { type: 'reach' }>

export interface MonitorCheck {
  readonly name: string
  readonly ok: boolean
}

/** What the hands of probation do. */
export type AwayEffect =
  /** → `kept` */
  | { readonly type: 'keep'; readonly name: string; readonly version: number }
  /** → `probed`; a monitor that takes longer does not pass */
  | { readonly type: 'probe'; readonly name: string; readonly version: number; readonly timeoutMs: number }
  /** → `restored`. Without results nobody knows which resources were applied. */
  | {
      readonly type: 'restore'
      readonly name: string
      readonly version: number
      readonly results: readonly ResourceResult[] | undefined
    }
  /** What was kept is no longer needed. */
  | { readonly type: 'forget'; readonly name: string }

export type ProbationEffect =
  | AwayEffect
  /** → `reach`. `anew`: only what is reached from now on counts */
  | { readonly type: 'reach'; readonly anew: boolean }
  /** → `applied` */
  | { readonly type: 'apply'; readonly name: string; readonly version: number }
  | { readonly type: 'journal'; readonly entry: TrialEntry }

export type Verdict =
  | { readonly type: 'applied'; readonly outcome: ApplyOutcome }
  /** The apply was cut off and did no harm: it is to be done again. */
  | { readonly type: 'again' }
  | RolledBack

interface RolledBack {
  readonly type: 'rolled-back'
  readonly reason: string
  readonly results: readonly ResourceResult[]
}

type Out = (effect: ProbationEffect) => void
type Applied = {
  readonly type: 'applied'
  readonly name: string
  readonly version: number
  readonly outcome: ApplyOutcome
}

/** Whether a neighbour is there is known within this, or it is taken as not reached before the apply. */
const beforeMs = 10_000
/** And is waited for at least this long after it went back. */
const recoverMsMin = 10_000
const roundMsMin = 250
const roundMsMax = 5_000
/** At least so many tries fit into a grace time. */
const roundsMin = 6
/** What was on its way when the engine ended says nothing of how it is now. */
const settleMs = 1_000
/** As long as a monitor may take. */
const checkMsMax = 30_000
/** After a restart the network itself has to come up first. */
const restartFactor = 2
const reasonLengthMax = 500

type State =
  | { readonly type: 'before'; kept: boolean; checked: boolean; reach: boolean | undefined; until: Instant | undefined }
  | { readonly type: 'applying' }
  | {
      readonly type: 'watching'
      reached: boolean
      failing: readonly string[]
      isAsked: boolean
      isChecking: boolean
      rounds: number
      next: Instant | undefined
    }
  | { readonly type: 'restoring'; readonly reason: string; isAsked: boolean }
  | { readonly type: 'recovering'; readonly verdict: RolledBack; rounds: number; next: Instant | undefined }

export interface Trial {
  readonly name: string
  readonly version: number
}

export class Probation {
  readonly #trial: Trial
  readonly #graceMs: number
  readonly #roundMs: number
  #state: State = { type: 'before', kept: false, checked: false, reach: undefined, until: undefined }
  #connected = false
  #passing: readonly string[] = []
  #lacking: readonly string[] = []
  #outcome: ApplyOutcome | undefined

  /** `graceMs` is how long the machine may take to be as well as it was. */
  constructor(trial: Trial, graceMs: number) {
    this.#trial = trial
    this.#graceMs = graceMs
    this.#roundMs = Math.max(roundMsMin, Math.min(roundMsMax, graceMs / roundsMin))
  }

  /** Goes on from what the journal says of an apply that was on probation when the process ended. */
  static resume(
    { name, version, phase, connected, passing, lacking, outcome, reason }: TrialEntry,
    graceMs: number,
  ): Probation {
    const probation = new Probation({ name, version }, graceMs)
    probation.#connected = connected
    probation.#passing = passing
    probation.#lacking = lacking
    probation.#outcome = outcome
    probation.#state =
      phase === 'restoring'
        ? { type: 'restoring', reason: reason ?? 'it was interrupted', isAsked: false }
        : probation.#watching(restartFactor)
    return probation
  }

  get name(): string {
    return this.#trial.name
  }

  get version(): number {
    return this.#trial.version
  }

  isOf(name: string, version: number): boolean {
    return this.#trial.name === name && this.#trial.version === version
  }

  /** The first call asks for what is to be done; inputs of others are only told the time by. The verdict comes once, and ends it. */
  handle(input: ProbationInput | Applied | { readonly type: string }, now: Instant, out: Out): Verdict | undefined {
    const state = this.#state
    switch (state.type) {
      case 'before':
        return this.#before(state, input as ProbationInput, now, out)
      case 'applying':
        return this.#applying(input as Applied, out)
      case 'watching':
        return this.#watch(state, input as ProbationInput, now, out)
      case 'restoring':
        return this.#restoring(state, input as ProbationInput, out)
      case 'recovering':
        return this.#recover(state, input as ProbationInput, now, out)
    }
  }

  nextWake(): Instant | undefined {
    const state = this.#state
    if (state.type === 'before') return state.reach === undefined ? (state.until ?? instant(0)) : undefined
    if (state.type === 'watching' || state.type === 'recovering') return state.next ?? instant(0)
    return state.type === 'restoring' && !state.isAsked ? instant(0) : undefined
  }

  #before(state: State & { type: 'before' }, input: ProbationInput, now: Instant, out: Out): undefined {
    const { name, version } = this.#trial
    if (state.until === undefined) {
      state.until = after(now, beforeMs)
      out({ type: 'keep', name, version })
      this.#check(out)
      out({ type: 'reach', anew: true })
      return
    }
    if (input.type === 'kept') {
      state.kept = true
      this.#lacking = input.lacking
    } else if (this.#isCheck(input)) {
      state.checked = true
      this.#passing = input.checks.filter(({ ok }) => ok).map((check) => check.name)
    } else if (input.type === 'reach') state.reach ??= input.ok
    if (isDue(state.until, now, beforeMs)) state.reach ??= false
    if (!state.kept || !state.checked || state.reach === undefined) return
    this.#connected = state.reach
    this.#state = { type: 'applying' }
    this.#note('begun', out)
    out({ type: 'apply', name, version })
  }

  #applying(input: Applied, out: Out): Verdict | undefined {
    if (input.type !== 'applied' || !this.isOf(input.name, input.version)) return undefined
    this.#outcome = input.outcome
    if (isHarmless(input.outcome) || (!this.#connected && this.#passing.length === 0)) return this.#end(out)
    this.#state = this.#watching(1)
    this.#note('watching', out)
    return undefined
  }

  #watching(factor: number): State {
    return {
      type: 'watching',
      reached: !this.#connected,
      failing: this.#passing,
      isAsked: false,
      isChecking: false,
      rounds: this.#rounds(factor),
      next: undefined,
    }
  }

  #watch(state: State & { type: 'watching' }, input: ProbationInput, now: Instant, out: Out): Verdict | undefined {
    if (input.type === 'reach' && input.ok) state.reached = true
    if (this.#isCheck(input)) {
      state.isChecking = false
      state.failing = state.failing.filter((name) => input.checks.some((check) => check.name === name && !check.ok))
    }
    if (state.reached && state.failing.length === 0) return this.#end(out)
    state.next ??= after(now, Math.min(settleMs, this.#roundMs))
    if (!isDue(state.next, now, this.#roundMs)) return undefined
    if (state.rounds === 0) {
      this.#rollBack(state, out)
      return undefined
    }
    state.rounds--
    state.next = after(now, this.#roundMs)
    if (!state.reached) out({ type: 'reach', anew: !state.isAsked })
    state.isAsked = true
    if (state.failing.length === 0 || state.isChecking) return undefined
    state.isChecking = true
    this.#check(out)
    return undefined
  }

  /** Twice in a grace time, so that one that hangs does not keep us from hearing of the others. */
  #check(out: Out): void {
    const { name, version } = this.#trial
    out({ type: 'probe', name, version, timeoutMs: Math.min(checkMsMax, this.#graceMs / 2) })
  }

  #rollBack({ reached, failing }: State & { type: 'watching' }, out: Out): void {
    const seconds = Math.round(this.#graceMs / 1000)
    const what = [
      ...(reached ? [] : ['no neighbour was reached']),
      ...(failing.length === 0 ? [] : [`${failing.map((name) => JSON.stringify(name)).join(', ')} did not pass`]),
    ]
    const reason = `${what.join(' and ')} within ${seconds} s`
    this.#state = { type: 'restoring', reason, isAsked: true }
    this.#note('restoring', out, reason)
    this.#restore(out)
  }

  #restore(out: Out): void {
    const { name, version } = this.#trial
    const results = this.#outcome?.type === 'results' ? this.#outcome.results : undefined
    out({ type: 'restore', name, version, results })
  }

  #restoring(state: State & { type: 'restoring' }, input: ProbationInput, out: Out): Verdict | undefined {
    if (!state.isAsked) {
      state.isAsked = true
      this.#restore(out)
      return undefined
    }
    if (input.type !== 'restored') return undefined
    const done = this.#outcome?.type === 'results' ? this.#outcome.results : []
    const isUndone = ({ outcome }: ResourceResult): boolean => outcome === 'repaired'
    const uncovered = new Set(input.uncovered)
    const open = done.filter((result) => isUndone(result) && uncovered.has(result.id)).map(({ id }) => id)
    const missing = [...new Set([...this.#lacking, ...input.lacking, ...open])]
    const verdict: RolledBack = {
      type: 'rolled-back',
      reason: cut(`rolled back: ${state.reason}${missing.length === 0 ? '' : `; not put back: ${missing.join(', ')}`}`),
      results: done.map((result) => {
        if (!isUndone(result)) return result
        if (uncovered.has(result.id)) return { ...result, reason: 'this cannot be put back' }
        return { ...result, outcome: 'failed', reason: 'rolled back' }
      }),
    }
    this.#state = { type: 'recovering', verdict, rounds: this.#rounds(recoverMsMin / this.#graceMs), next: undefined }
    return this.#connected ? undefined : this.#back(verdict, out)
  }

  #recover(state: State & { type: 'recovering' }, input: ProbationInput, now: Instant, out: Out): Verdict | undefined {
    if (input.type === 'reach' && input.ok) return this.#back(state.verdict, out)
    if (state.next !== undefined && !isDue(state.next, now, this.#roundMs)) return undefined
    if (state.rounds === 0) {
      const reason = cut(`${state.verdict.reason}; still no neighbour is reached`)
      return this.#back({ ...state.verdict, reason }, out)
    }
    out({ type: 'reach', anew: state.next === undefined })
    state.rounds--
    state.next = after(now, this.#roundMs)
    return undefined
  }

  #back(verdict: RolledBack, out: Out): Verdict {
    out({ type: 'forget', name: this.#trial.name })
    return verdict
  }

  #isCheck(input: ProbationInput): input is ProbationInput & { type: 'probed' } {
    return input.type === 'probed' && this.isOf(input.name, input.version)
  }

  #rounds(factor: number): number {
    return Math.ceil((this.#graceMs * Math.max(1, factor)) / this.#roundMs)
  }

  /** The machine is as well as it was, or was not to be judged. */
  #end(out: Out): Verdict {
    out({ type: 'forget', name: this.#trial.name })
    return this.#outcome ? { type: 'applied', outcome: this.#outcome } : { type: 'again' }
  }

  #note(phase: TrialEntry['phase'], out: Out, reason?: string): void {
    const { name, version } = this.#trial
    const entry: TrialEntry = {
      type: 'trial',
      name,
      version,
      phase,
      connected: this.#connected,
      passing: this.#passing,
      lacking: this.#lacking,
      ...(this.#outcome && { outcome: this.#outcome }),
      ...(reason !== undefined && { reason }),
    }
    out({ type: 'journal', entry })
  }
}

/** Nothing was changed, so nothing can have cut the machine off. What failed may have changed something all the same. */
const isHarmless = (outcome: ApplyOutcome): boolean =>
  outcome.type === 'results' &&
  outcome.results.every((result) => result.outcome === 'kept' || result.outcome === 'skipped')

/** Also where the clock was set back: nothing here is planned further ahead than `aheadMs`. */
const isDue = (at: Instant, now: Instant, aheadMs: number): boolean => at <= now || at > after(now, aheadMs)

const cut = (text: string): string => (text.length <= reasonLengthMax ? text : `${text.slice(0, reasonLengthMax - 1)}…`)

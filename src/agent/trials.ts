/** The one apply that is on probation (probation.ts), from its begin or from what the journal says of it, to its verdict. */
import type { Instant } from '#base/time.ts'
import type { Journal } from './journal.ts'
import { Probation, type ProbationEffect, type Trial, type Verdict } from './probation.ts'

/** Where probation was switched off while an apply was on it. */
const graceMsDefault = 60_000

export type Judged = Pick<Trial, 'name' | 'version'> & { readonly verdict: Verdict }

export class Trials {
  readonly #journal: Journal
  readonly #graceMs: number | undefined
  #trial: Probation | undefined

  /** Without `graceMs` nothing is on probation; what is under way is still brought to its end. */
  constructor(journal: Journal, graceMs: number | undefined) {
    this.#journal = journal
    this.#graceMs = graceMs
    this.#trial = journal.trial && Probation.resume(journal.trial, graceMs ?? graceMsDefault)
  }

  /** The bundle that is on probation. */
  get name(): string | undefined {
    return this.#trial?.name
  }

  isOf(name: string, version: number): boolean {
    return this.#trial?.isOf(name, version) ?? false
  }

  nextWake(): Instant | undefined {
    return this.#trial?.nextWake()
  }

  /** Asks for an apply, on probation where that is on. */
  begin({ name, version }: Trial, now: Instant, out: (effect: ProbationEffect) => void): void {
    if (this.#graceMs === undefined) {
      out({ type: 'apply', name, version })
      return
    }
    this.#trial = new Probation({ name, version }, this.#graceMs)
    this.handle({ type: 'wake' }, now, out)
  }

  /** What became of the bundle, once: it is on probation no longer. */
  handle(
    input: Parameters<Probation['handle']>[0],
    now: Instant,
    out: (effect: ProbationEffect) => void,
  ): Judged | undefined {
    const trial = this.#trial
    const verdict = trial?.handle(input, now, (effect) => {
      if (effect.type === 'journal') this.#journal.note(effect.entry)
      out(effect)
    })
    if (!trial || !verdict) return undefined
    this.#trial = undefined
    return { name: trial.name, version: trial.version, verdict }
  }

  /** Whoever is wanted in the place of the bundle has no end of its apply to tell, so that is told by itself. */
  close(out: (effect: ProbationEffect) => void): void {
    const { trial } = this.#journal
    if (!trial) return
    const entry = { ...trial, phase: 'ended' as const }
    this.#journal.note(entry)
    out({ type: 'journal', entry })
  }

  /** Without a daemon nothing is brought to its end. Whether there was something. */
  leave(): boolean {
    const had = this.#trial !== undefined
    this.#trial = undefined
    return had
  }
}

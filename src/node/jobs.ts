/**
 * Carries out what an agent asks for beside the network: prepares, applies, looks, keeps and puts back. Everything ends when the daemon
 * does, and then nobody is answered: the next start goes on from the journal.
 */
import { unreachable } from '#base/assert.ts'
import { codeOf, messageOf } from '#base/errors.ts'
import type { Digest } from '#base/digest.ts'
import type { PrepareOutcome } from '#agent/input.ts'
import type { ObserveOutcome } from '#agent/looked-bundle.ts'
import type { ApplyOutcome } from '#agent/outcome.ts'
import type { AwayAnswer, AwayEffect } from '#agent/probation.ts'
import type { MonitorResult } from '#facts/monitor.ts'
import type { MemberEffect, MemberInput } from '#member/member.ts'
import type { ApplySignals } from './workshop.ts'

/** Prepares and applies bundles, and looks at what was applied. */
export interface Works {
  prepare(name: string, version: number, manifest: Digest, signal: AbortSignal): Promise<PrepareOutcome>
  apply(name: string, version: number, signals: ApplySignals): Promise<ApplyOutcome>
  observe(name: string, version: number, signal: AbortSignal): Promise<ObserveOutcome>
  check(name: string, version: number, monitor: string, signal: AbortSignal): Promise<MonitorResult>
}

/** Keeps what a bundle touches, and puts it back. */
export interface Probations {
  /** The answer to an effect that has one. */
  carryOut(effect: AwayEffect, signal: AbortSignal): Promise<AwayAnswer | undefined>
}

export type JobEffect = Extract<MemberEffect, { type: 'prepare' | 'apply' | 'observe' | 'check' }> | AwayEffect

export interface JobsInit {
  readonly works: Works
  readonly probations: Probations
  readonly feed: (input: MemberInput) => void
  /** Resolves when what the journal was given so far is on disk; rejects where it could not be written. */
  readonly journaled: () => Promise<void>
}

export class Jobs {
  readonly #init: JobsInit
  readonly #ending = new AbortController()
  /** Of what is applied now, or next: its window may close before it begins. */
  #closing = new AbortController()

  constructor(init: JobsInit) {
    this.#init = init
  }

  /** Ends what runs. */
  end(): void {
    this.#ending.abort()
  }

  /** The window of what is applied, or about to be, closed: it finishes its resource, and begins none. */
  endApply(): void {
    this.#closing.abort()
  }

  async carryOut(effect: JobEffect): Promise<void> {
    const answer = await this.#answerTo(effect, this.#ending.signal)
    if (answer && !this.#ending.signal.aborted) this.#init.feed(answer)
  }

  async #answerTo(effect: JobEffect, signal: AbortSignal): Promise<MemberInput | undefined> {
    const { works, probations, journaled } = this.#init
    switch (effect.type) {
      case 'prepare': {
        const { name, version, manifest } = effect
        return { type: 'prepared', name, version, outcome: await works.prepare(name, version, manifest.digest, signal) }
      }
      case 'apply': {
        const { name, version } = effect
        return { type: 'applied', name, version, outcome: await this.#apply(name, version, signal) }
      }
      case 'observe': {
        const { name, version } = effect
        return { type: 'observed', name, version, outcome: await works.observe(name, version, signal) }
      }
      case 'check': {
        const { name, version, monitor } = effect
        return { type: 'checked', name, version, result: await works.check(name, version, monitor, signal) }
      }
      case 'restore':
        // That it goes back is on disk before it does: a restart goes on with it, and does not ask again whether it should.
        await journaled().catch(() => {})
        return probations.carryOut(effect, signal)
      case 'keep':
      case 'probe':
      case 'forget':
        return probations.carryOut(effect, signal)
      default:
        return unreachable(effect)
    }
  }

  async #apply(name: string, version: number, signal: AbortSignal): Promise<ApplyOutcome> {
    try {
      // `applying` is on disk before anything is changed, so that a power failure is noticed.
      await this.#init.journaled()
    } catch (error) {
      if (!codeOf(error)) throw error
      return { type: 'failed', reason: `nothing was changed: ${messageOf(error)}` }
    }
    try {
      return await this.#init.works.apply(name, version, { signal, closing: this.#closing.signal })
    } finally {
      this.#closing = new AbortController()
    }
  }
}

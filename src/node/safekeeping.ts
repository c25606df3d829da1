/**
 * The hands of probation: keeps what a bundle touches before it is applied, runs its monitors, and puts back what was kept. What is kept
 * lies in `kept/<bundle>/` of the home until the apply has come to its end. It decides nothing: agent/probation.ts does.
 *
 *   kept/<bundle>/files/          engines/kept-files.ts
 *   kept/<bundle>/machine.json    {touched, services}: what else there is to put back. Written last
 */
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { utf8 } from '#base/bytes.ts'
import { codeOf, messageOf } from '#base/errors.ts'
import type { Log } from '#base/log.ts'
import type { AwayAnswer, AwayEffect, MonitorCheck } from '#agent/probation.ts'
import { readIfThere, writeAtomic } from '#disk/atomic.ts'
import type { Home } from '#disk/home.ts'
import { runCommand } from '#engines/command.ts'
import { keepFiles, restoreFiles } from '#engines/kept-files.ts'
import { restoreService, serviceState, type ServiceState } from '#engines/daemons.ts'
import type { MonitorResult } from '#facts/monitor.ts'
import type { ResourceResult } from '#facts/report.ts'
import { touchedFile, type Touched } from '#policy/touched.ts'

export interface SafekeepingInit {
  readonly home: Home
  readonly log: Log
  /** All monitors of a prepared bundle, each once. */
  readonly checkMonitors: (
    name: string,
    version: number,
    limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ) => Promise<readonly MonitorResult[]>
  /** Where a prepared bundle lies compiled. */
  readonly opened: (name: string, version: number) => Promise<{ directory: string }>
}

type Answer<Type extends AwayAnswer['type']> = Omit<Extract<AwayAnswer, { type: Type }>, 'type'>

interface Machine {
  readonly touched: Touched
  readonly services: readonly ServiceState[]
}

const undoMs = 120_000
const outputBytesMax = 4096

export class Safekeeping {
  readonly #init: SafekeepingInit

  constructor(init: SafekeepingInit) {
    this.#init = init
  }

  /** Never throws for what can be wrong with this machine: that is part of the answer. */
  async carryOut(effect: AwayEffect, signal: AbortSignal): Promise<AwayAnswer | undefined> {
    switch (effect.type) {
      case 'keep':
        return { type: 'kept', ...(await this.#keep(effect.name, effect.version)) }
      case 'probe':
        return {
          type: 'probed',
          name: effect.name,
          version: effect.version,
          checks: await this.#probe(effect, signal),
        }
      case 'restore':
        return { type: 'restored', ...(await this.#restore(effect.name, effect.results, signal)) }
      case 'forget':
        await rm(this.#init.home.kept(effect.name), { recursive: true, force: true })
        return undefined
    }
  }

  async #keep(name: string, version: number): Promise<Answer<'kept'>> {
    const folder = this.#init.home.kept(name)
    try {
      const { directory } = await this.#init.opened(name, version)
      const bytes = await readIfThere(join(directory, touchedFile))
      if (!bytes) return { lacking: ['everything: an older program prepared this bundle'] }
      const touched = JSON.parse(new TextDecoder().decode(bytes)) as Touched
      await rm(folder, { recursive: true, force: true })
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const lacking = await keepFiles(join(folder, 'files'), touched)
      const services: ServiceState[] = []
      for (const service of touched.services) services.push(await serviceState(service))
      const machine: Machine = { touched, services }
      await writeAtomic(join(folder, 'machine.json'), utf8(JSON.stringify(machine)), 0o600)
      return { lacking }
    } catch (error) {
      this.#init.log.warn('probation.not-kept', { name, error })
      return { lacking: [`everything: ${messageOf(error)}`] }
    }
  }

  /** All monitors of the bundle, each once. */
  async #probe(
    { name, version, timeoutMs }: AwayEffect & { type: 'probe' },
    signal: AbortSignal,
  ): Promise<MonitorCheck[]> {
    try {
      const results = await this.#init.checkMonitors(name, version, { timeoutMs, signal })
      return results.map((result) => ({ name: result.name, ok: result.outcome === 'pass' }))
    } catch (error) {
      if (codeOf(error) === undefined) throw error
      // Gone with its prepared folder: nothing passes, so nothing is asked for where it was not before.
      return []
    }
  }

  /** Ended by `signal` it is done again from its beginning. Files first, then what undoes commands, the last one first, then services. Without results every command may have run. */
  async #restore(
    name: string,
    results: readonly ResourceResult[] | undefined,
    signal: AbortSignal,
  ): Promise<Answer<'restored'>> {
    const folder = this.#init.home.kept(name)
    let machine: Machine
    try {
      machine = JSON.parse(await readFile(join(folder, 'machine.json'), 'utf8')) as Machine
    } catch (error) {
      return { uncovered: [], lacking: [`everything: ${messageOf(error)}`] }
    }
    const { touched, services } = machine
    const lacking = await restoreFiles(join(folder, 'files'))
    for (const { id, command } of touched.undo.toReversed()) {
      const outcome = results?.find((result) => result.id === id)?.outcome
      if (outcome === 'kept' || outcome === 'skipped') continue
      const { exitCode, output } = await shell(command, undoMs, signal)
      if (exitCode !== 0) lacking.push(`${id}: undo ended with ${exitCode ?? 'a signal'}: ${output.trim().slice(-200)}`)
    }
    for (const service of services) {
      if (signal.aborted) break
      const fault = await restoreService(service)
      if (fault !== undefined) lacking.push(fault)
    }
    this.#init.log.warn('probation.restored', { name, files: touched.paths.length + touched.trees.length, lacking })
    return { uncovered: touched.uncovered, lacking }
  }
}

const shell = (command: string, timeoutMs: number, signal: AbortSignal): ReturnType<typeof runCommand> =>
  runCommand({ file: '/bin/sh', args: ['-c', command], timeoutMs, signal, cwd: '/', outputBytesMax })

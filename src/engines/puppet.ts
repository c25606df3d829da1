/**
 * Puppet 7 as an engine: `puppet apply` alone, with no server, no fact of its own and no network. It must leave nothing outside its run:
 * each has a work folder beside the bundle's versions that holds Puppet's configuration, cache, code and report (confdir, vardir, codedir,
 * publicdir, logdir, rundir), in place of /etc/puppet, /var/cache/puppet and ~/.puppetlabs.
 *
 * - A compiled policy needs no facts, so Puppet gets an empty list of them: to collect them takes as long as the rest of the run. A policy of
 *   Puppet's own has its facts, and its modules lie beside it.
 * - Results are what our report processor wrote (puppet-report.ts), and what the programs said (policy/compile/puppet.ts).
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Negative } from '#base/errors.ts'
import type { Finding } from '#facts/finding.ts'
import type { ResourceResult } from '#facts/report.ts'
import { puppetFile } from '#policy/compile/puppet.ts'
import type { ResourceList } from '#policy/compile/resource-list.ts'
import { programFolders, runCommand } from './command.ts'
import { findProgram, searchPath } from './program.ts'
import { compiledFinding, compiledResult, rawFindings, rawResults, type Told } from './puppet-results.ts'
import { PuppetRun, puppetFailed, puppetMissing } from './puppet-run.ts'
import { readList } from './resource-list.ts'
import { inWorkFolder, type Worker } from './work-folder.ts'
import type { Engine, EngineRun } from './engine.ts'

const versionTimeoutMs = 10_000
/** Where the packages of Debian, SUSE and Puppet's makers put it. */
const folders = [...programFolders, '/opt/puppetlabs/bin']

const worker: Worker = { name: 'puppet', leader: 'puppet', mark: (path) => `GRAPEVINE_SCRATCH=${path}` }

export class PuppetEngine implements Engine {
  readonly name = 'puppet'
  readonly #folders: readonly string[]
  /** The version, by the program and its time: to ask takes half a second, each time a bundle is prepared or applied. */
  #known: { readonly file: string; readonly version: string | undefined } | undefined

  /** `programs` are the folders to look for puppet in. */
  constructor(programs: readonly string[] = folders) {
    this.#folders = programs
  }

  async version(): Promise<string | undefined> {
    const program = await this.#find()
    if (program === undefined) return undefined
    const file = `${program} ${(await stat(program)).mtimeMs}`
    if (this.#known?.file !== file) {
      const { output } = await runCommand({
        file: program,
        args: ['--version'],
        env: { PATH: searchPath(this.#folders) },
        timeoutMs: versionTimeoutMs,
        outputBytesMax: 4096,
      })
      this.#known = { file, version: /^\d+\.\d+\S*/m.exec(output)?.[0] }
    }
    return this.#known.version
  }

  async check(run: EngineRun): Promise<void> {
    await this.#inWorkFolder(run, await readList(run), async (puppet) => {
      const fault = await puppet.syntaxFault()
      if (fault !== undefined)
        throw new Negative('ENGINE_SYNTAX', {
          message: `puppet does not accept the policy: ${fault}`,
          where: puppet.policy,
          next: 'Correct the policy; grapevine check finds what it can at the origin.',
        })
    })
  }

  async apply(run: EngineRun): Promise<ResourceResult[]> {
    const { list, told } = await this.#run(run, 'apply')
    if (list.raw !== null) return rawResults(told.report)
    return run.resources.map(({ id, kind }) => {
      const index = list.resources.findIndex((listed) => listed.id === id)
      return { id, kind, ...compiledResult(told, id, index) }
    })
  }

  async observe(run: EngineRun, now: number): Promise<Finding[]> {
    const { list, told } = await this.#run(run, 'observe')
    const finding = { bundle: run.name, since: now }
    if (list.raw !== null) return rawFindings(told.report).map((seen) => ({ ...finding, ...seen }))
    return list.resources.flatMap((listed, index) => {
      const seen = compiledFinding(told, listed.id, index)
      const place = listed.path === null ? {} : { path: listed.path }
      return seen === undefined ? [] : [{ ...finding, resource: listed.id, ...place, wanted: listed.wanted, seen }]
    })
  }

  #find(): Promise<string | undefined> {
    return findProgram('puppet', this.#folders)
  }

  async #run(run: EngineRun, mode: 'apply' | 'observe'): Promise<{ list: ResourceList; told: Told }> {
    const list = await readList(run)
    return { list, told: await this.#inWorkFolder(run, list, (puppet) => puppet.apply(mode)) }
  }

  async #inWorkFolder<T>(run: EngineRun, { raw }: ResourceList, act: (puppet: PuppetRun) => Promise<T>): Promise<T> {
    const program = await this.#find()
    if (program === undefined) throw puppetMissing()
    // Puppet finds variables, and other folders, in the paths of its settings.
    if (/[$:]/.test(run.bundle)) throw puppetFailed(run.bundle, 'Puppet takes no $ or : in the path of a policy')
    return inWorkFolder(worker, run, async (path) => {
      const policy = raw === null ? join(run.directory, puppetFile) : join(run.bundle, raw)
      const puppet = new PuppetRun({ path, policy, program, folders: this.#folders, run, isRaw: raw !== null })
      await puppet.furnish()
      return act(puppet)
    })
  }
}

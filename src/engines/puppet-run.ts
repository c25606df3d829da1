/**
 * One run of `puppet` in a work folder of its own (engines/puppet.ts), which the caller removes: its configuration, cache, code and report
 * are below it, so that nothing is read from or left in /etc/puppet, /var/cache/puppet or ~/.puppetlabs.
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { codeOf, Unavailable } from '#base/errors.ts'
import { runCommand, type CommandResult } from './command.ts'
import { readPuppetReport, reportFile, reporter, textAt } from './puppet-report.ts'
import { indexOf, type Told } from './puppet-results.ts'
import { searchPath } from './program.ts'
import { nodeName, noFacts, puppetSettings } from './puppet-settings.ts'
import { windowHook, windowLibrary } from './puppet-window.ts'
import { endOf, endedByUs } from './run-end.ts'
import { cut } from './script-output.ts'
import { isFull } from './work-folder.ts'
import type { EngineRun } from './engine.ts'

/** Of the console, which tells what went wrong where there is no report. */
const outputBytesMax = 1_048_576
const wordsBytesMax = 65_536
/** A run takes about 100 KiB for its cache and report. */
const roomBytesMin = 262_144

export interface PuppetRunInit {
  readonly path: string
  readonly policy: string
  readonly program: string
  /** Where it and the programs of the policy find theirs. */
  readonly folders: readonly string[]
  readonly run: EngineRun
  readonly isRaw: boolean
}

export class PuppetRun {
  readonly policy: string
  readonly #init: PuppetRunInit

  constructor(init: PuppetRunInit) {
    this.policy = init.policy
    this.#init = init
  }

  /** What Puppet finds in its folder before it begins. */
  async furnish(): Promise<void> {
    const { path, isRaw } = this.#init
    const files = {
      'conf/puppet.conf': puppetSettings({ isRaw }),
      'var/lib/puppet/reports/grapevine.rb': reporter,
      [`var/yaml/facts/${nodeName}.yaml`]: noFacts,
      [`ruby/${windowLibrary}.rb`]: windowHook,
    }
    try {
      for (const [name, text] of Object.entries(files)) {
        await mkdir(dirname(join(path, name)), { recursive: true })
        await writeFile(join(path, name), text)
      }
    } catch (error) {
      if (codeOf(error) !== 'ENOSPC') throw error
      throw this.#full('nothing was begun')
    }
  }

  /** What the parser says against the policy and its modules, or undefined. Nothing of them is evaluated. */
  async syntaxFault(): Promise<string | undefined> {
    const { isRaw } = this.#init
    const modules = isRaw ? await manifestsBelow(this.#modules()) : []
    const result = await this.#call(['parser', 'validate'], [this.policy, ...modules])
    if (result.exitCode === 0) return undefined
    await this.#requireRoom(result)
    return wordsOf(result)
  }

  /** Unavailable `ENGINE_FAILED` where Puppet did not run this policy. */
  async apply(mode: 'apply' | 'observe'): Promise<Told> {
    const { path } = this.#init
    const noop = mode === 'observe' ? ['--noop'] : []
    const result = await this.#call(['apply'], ['--detailed-exitcodes', ...noop, this.policy], mode)
    const report = await readPuppetReport(join(path, 'var', reportFile))
    // 0 none, 2 changes, 4 failures, 6 both; any other is Puppet's own fault, or that of the policy as a whole.
    if (report && [0, 2, 4, 6].includes(result.exitCode ?? -1)) return { report, words: await this.#words() }
    await this.#requireRoom(result)
    const words = report && report.errors.length > 0 ? report.errors.join(' | ') : wordsOf(result)
    throw puppetFailed(this.policy, `${endOf(result)}: ${words}`)
  }

  /** Beside the entry; a compiled policy has none. */
  #modules(): string {
    return join(dirname(this.policy), 'modules')
  }

  /** What the programs of the policy said, by the index of the resource. */
  async #words(): Promise<Map<number, readonly string[]>> {
    const { path } = this.#init
    const words = new Map<number, readonly string[]>()
    for (const name of await readdir(path)) {
      const index = indexOf(name)
      const text = index === undefined ? undefined : await textAt(join(path, name), wordsBytesMax)
      if (index !== undefined && text !== undefined) words.set(index, text.split('\n'))
    }
    return words
  }

  async #call(verb: readonly string[], args: readonly string[], mode = 'observe'): Promise<CommandResult> {
    const { path, run, program, folders } = this.#init
    const { timeoutMs, signal, closing, bundle } = run
    const isBound = mode === 'apply' && closing !== undefined
    const own = [
      '--confdir',
      join(path, 'conf'),
      '--vardir',
      join(path, 'var'),
      '--modulepath',
      this.#modules(),
      '--color',
      'false',
    ]
    const result = await runCommand({
      file: program,
      args: [...verb, ...own, ...args],
      timeoutMs,
      ...(signal ? { signal } : {}),
      cwd: '/',
      env: {
        PATH: searchPath(folders),
        GRAPEVINE_SCRATCH: path,
        GRAPEVINE_STATE: dirname(bundle),
        GRAPEVINE_MODE: mode,
        GRAPEVINE_HOME: homedir(),
        ...(isBound && { RUBYLIB: join(path, 'ruby'), RUBYOPT: `-r${windowLibrary}` }),
      },
      outputBytesMax,
    })
    if (result.missing) throw puppetMissing()
    const ended = endedByUs({ tool: 'puppet', policy: this.policy, timeoutMs }, result)
    if (ended) throw ended
    return result
  }

  /** Whatever Puppet says on a full disk: what is wrong is the disk. */
  async #requireRoom(result: CommandResult): Promise<void> {
    if (await isFull(this.#init.path, roomBytesMin)) throw this.#full(`${endOf(result)}: ${wordsOf(result)}`)
  }

  #full(words: string): Unavailable {
    return new Unavailable('ENGINE_FAILED', {
      message: cut(`The disk is full: puppet had no room to work, ${words}`),
      where: dirname(this.#init.run.bundle),
      next: 'Make room; it is tried again.',
    })
  }
}

/** Folders of manifests. A module has other files that are no manifests of a run, such as plans and examples. */
async function manifestsBelow(modules: string): Promise<string[]> {
  const found: string[] = []
  for (const name of await readdir(modules).catch(() => [])) {
    const manifests = join(modules, name, 'manifests')
    if ((await readdir(manifests).catch(() => [])).length > 0) found.push(manifests)
  }
  return found
}

/** The errors of the console; all of it where it names none. */
function wordsOf({ output }: CommandResult): string {
  const errors = output.split('\n').flatMap((line) => /^Error: (?!Facter: )(.*)$/.exec(line)?.[1] ?? [])
  return cut((errors.length > 0 ? [...new Set(errors)] : [output.trim()]).join(' | '))
}

export const puppetMissing = (): Unavailable =>
  new Unavailable('ENGINE_MISSING', {
    message: 'Puppet is not installed here.',
    next: 'Install it: apt-get install puppet-agent.',
  })

export const puppetFailed = (where: string, message: string): Unavailable =>
  new Unavailable('ENGINE_FAILED', {
    message: cut(`puppet did not run the policy: ${message}`),
    where,
    next: 'Publish the policy again; if it stays, run puppet parser validate on this file.',
  })

/**
 * CFEngine 3 as an engine: `cf-promises` checks, `cf-agent` applies. It must never run CFEngine's built-in *failsafe* policy, which
 * contacts a hub and starts servers, and which cf-agent (exit code 0) falls back to on any fault of the policy:
 *
 * - each run has a working folder of its own (CFENGINE_TEST_OVERRIDE_WORKDIR, honoured for root and others alike by 3.21, in place
 *   of /var/lib/cfengine3 and ~/.cfagent; the user must be able to read each folder above it), so members on one machine do not meet. It has no key, without which the failsafe
 *   policy stops at its first promise, and it holds the programs that cf-agent looks for in its `bin`. It lies beside the bundle's
 *   versions, as does what a policy must remember longer than a version lives (GRAPEVINE_STATE: a reboot that was made).
 * - `apply` and `observe` pass the policy through cf-promises first, and a run that names the failsafe policy is no result.
 */
import { mkdir, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Negative, Unavailable } from '#base/errors.ts'
import type { Finding } from '#facts/finding.ts'
import { windowClosed, type ResourceResult } from '#facts/report.ts'
import type { ListedResource, ResourceList } from '#policy/compile/resource-list.ts'
import { errorsIn, failureOf, readRun, type ResourceRun } from './cfengine-output.ts'
import { programFolders, runCommand, type CommandResult } from './command.ts'
import { KnownVersion } from './known-version.ts'
import { findProgram } from './program.ts'
import { readList } from './resource-list.ts'
import { endOf, endedByUs } from './run-end.ts'
import { cut, lastWord } from './script-output.ts'
import { inWorkFolder, isFull, type Worker } from './work-folder.ts'
import type { Engine, EngineRun } from './engine.ts'

const outputBytesMax = 8_388_608
const versionTimeoutMs = 10_000
/** A run takes about 64 KiB for its databases; with less than this they are the first to fail. */
const roomBytesMin = 262_144
/** A fault of the policy itself, with its place. */
const syntaxError = /:\d+:\d+: error: /
/** Where the packages of Debian, SUSE and CFEngine's makers put the programs. */
const folders = [...programFolders, '/var/lib/cfengine3/bin', '/var/cfengine/bin']

const worker: Worker = {
  name: 'cfengine',
  leader: 'cf-agent',
  mark: (path) => `CFENGINE_TEST_OVERRIDE_WORKDIR=${path}`,
}

export class CfengineEngine implements Engine {
  readonly name = 'cfengine'
  readonly #folders: readonly string[]
  readonly #version = new KnownVersion()

  /** `programs` are the folders to look for cf-agent and cf-promises in. */
  constructor(programs: readonly string[] = folders) {
    this.#folders = programs
  }

  async version(): Promise<string | undefined> {
    const programs = await this.#find()
    if (!programs) return undefined
    return this.#version.of(programs.agent, async () => {
      const { output } = await runCommand({
        file: programs.agent,
        args: ['--version'],
        timeoutMs: versionTimeoutMs,
        outputBytesMax: 4096,
      })
      return /CFEngine Core (\S+)/.exec(output)?.[1]
    })
  }

  async check(run: EngineRun): Promise<void> {
    await this.#inWorkFolder(run, async (work) => {
      const fault = await work.syntaxFault()
      if (fault !== undefined)
        throw new Negative('ENGINE_SYNTAX', {
          message: `cf-promises does not accept the policy: ${fault}`,
          where: work.policy,
          next: 'Correct the policy; grapevine check finds what it can at the origin.',
        })
    })
  }

  async apply(run: EngineRun): Promise<ResourceResult[]> {
    const list = await readList(run)
    const output = await this.#inWorkFolder(run, (work) => work.agent([]), list)
    if (list.raw !== null) return [rawResult(list.raw, output)]
    const runs = readRun(output, list.resources.length)
    return run.resources.map(({ id, kind }) => {
      const told = runs[list.resources.findIndex((listed) => listed.id === id)]
      return { id, kind, ...resultOf(told) }
    })
  }

  async observe(run: EngineRun, now: number): Promise<Finding[]> {
    const list = await readList(run)
    const observing = list.raw === null ? ['-D', 'grapevine_observe'] : ['--dry-run']
    const output = await this.#inWorkFolder(run, (work) => work.agent(observing), list)
    const finding = { bundle: run.name, since: now }
    if (list.raw !== null) {
      const [first] = [...output.matchAll(/^ *warning: (.*)$/gm)].map((match) => match[1] ?? '')
      if (first === undefined) return []
      return [{ ...finding, resource: rawId(list.raw), wanted: 'every promise kept', seen: cut(first) }]
    }
    const runs = readRun(output, list.resources.length)
    return list.resources.flatMap((listed, index) => {
      const told = runs[index]
      if (!told || told.outcome === 'kept') return []
      const place = listed.path === null ? {} : { path: listed.path }
      return [{ ...finding, resource: listed.id, ...place, wanted: listed.wanted, seen: cut(seenOf(listed, told)) }]
    })
  }

  async #find(): Promise<Programs | undefined> {
    const [agent, promises] = [
      await findProgram('cf-agent', this.#folders),
      await findProgram('cf-promises', this.#folders),
    ]
    return agent !== undefined && promises !== undefined ? { agent, promises } : undefined
  }

  async #inWorkFolder<T>(run: EngineRun, act: (work: WorkFolder) => Promise<T>, list?: ResourceList): Promise<T> {
    const programs = await this.#find()
    if (!programs) throw missing()
    const { raw } = list ?? (await readList(run))
    const policy = raw === null ? join(run.directory, 'policy.cf') : join(run.bundle, raw)
    const beside = dirname(run.bundle)
    // cf-agent has its policy validated through a shell; where that fails it goes on with the failsafe policy.
    if (/["$`]/.test(beside + policy)) throw failed(policy, 'CFEngine takes no " $ or ` in the path of a policy')
    return inWorkFolder(worker, run, async (path) => {
      await mkdir(join(path, 'bin'))
      await symlink(programs.agent, join(path, 'bin', 'cf-agent'))
      await symlink(programs.promises, join(path, 'bin', 'cf-promises'))
      return act(new WorkFolder(path, policy, programs, run))
    })
  }
}

interface Programs {
  readonly agent: string
  readonly promises: string
}

/** One run of CFEngine in a folder of its own, which the caller removes. */
class WorkFolder {
  readonly policy: string
  readonly #path: string
  readonly #programs: Programs
  readonly #run: EngineRun

  constructor(path: string, policy: string, programs: Programs, run: EngineRun) {
    this.#path = path
    this.policy = policy
    this.#programs = programs
    this.#run = run
  }

  /** What cf-promises says against the policy, or undefined. Functions are not evaluated: in a raw policy they may run programs. */
  async syntaxFault(): Promise<string | undefined> {
    const result = await this.#call(this.#programs.promises, ['--eval-functions=no', '-f', this.policy])
    if (result.exitCode === 0) return undefined
    const words = result.output.split('\n').filter((line) => /error: /.test(line))
    return cut((words.length > 0 ? words : [result.output]).map((line) => line.trim()).join(' | '))
  }

  /** The output of cf-agent. Unavailable `ENGINE_FAILED` where it did not run this policy. */
  async agent(args: readonly string[]): Promise<string> {
    const fault = await this.syntaxFault()
    if (fault !== undefined) throw failed(this.policy, fault)
    const { output, exitCode, killedBy } = await this.#call(this.#programs.agent, [
      '-K',
      '-I',
      ...args,
      '-f',
      this.policy,
    ])
    if (/going to failsafe|CFEngine failsafe\.cf/.test(output)) throw failed(this.policy, errorsIn(output).join(' | '))
    if (exitCode !== 0) throw failed(this.policy, `${endOf({ exitCode, killedBy })}: ${errorsIn(output).join(' | ')}`)
    return output
  }

  async #call(file: string, args: readonly string[]): Promise<CommandResult> {
    const { timeoutMs, signal, bundle } = this.#run
    const result = await runCommand({
      file,
      args: ['--color=never', ...args],
      timeoutMs,
      ...(signal ? { signal } : {}),
      cwd: '/',
      env: {
        CFENGINE_TEST_OVERRIDE_WORKDIR: this.#path,
        GRAPEVINE_SCRATCH: this.#path,
        GRAPEVINE_STATE: dirname(bundle),
      },
      outputBytesMax,
    })
    if (result.missing) throw missing()
    const ended = endedByUs({ tool: 'cf-agent', policy: this.policy, timeoutMs }, result)
    if (ended) throw ended
    if (result.exitCode !== 0 && !syntaxError.test(result.output)) await this.#requireRoom(result)
    return result
  }

  /** On a full disk CFEngine dies of its databases (SIGBUS), calls them damaged, or ends without a word: what is wrong is the disk. */
  async #requireRoom(result: CommandResult): Promise<void> {
    if (!(await isFull(this.#path, roomBytesMin))) return
    const words = errorsIn(result.output)
    throw new Unavailable('ENGINE_FAILED', {
      message: cut(`The disk is full: cf-agent had no room to work, ${endOf(result)}: ${words.join(' | ')}`),
      where: dirname(this.#run.bundle),
      next: 'Make room; it is tried again.',
    })
  }
}

function resultOf(told: ResourceRun | undefined): Pick<ResourceResult, 'outcome' | 'reason'> {
  if (told?.isClosed) return { outcome: 'skipped', reason: windowClosed }
  if (!told?.outcome) return { outcome: 'failed', reason: told ? `no result: ${failureOf(told)}` : 'not compiled' }
  if (told.outcome === 'failed') return { outcome: 'failed', reason: failureOf(told) }
  const skipped = told.outcome === 'kept' ? lastWord(told.printed, 'skipped') : undefined
  return skipped === undefined ? { outcome: told.outcome } : { outcome: 'skipped', reason: skipped }
}

const rawId = (entry: string): string => `0:raw:${entry}`

function rawResult(entry: string, output: string): ResourceResult {
  const errors = errorsIn(output)
  const base = { id: rawId(entry), kind: 'raw' }
  if (errors.length > 0) return { ...base, outcome: 'failed', reason: cut(errors.join(' | ')) }
  return { ...base, outcome: /^ *info: /m.test(output) ? 'repaired' : 'kept' }
}

/** What cf-agent warns of, in fewer words. */
function seenOf({ kind }: ListedResource, told: ResourceRun): string {
  const seen = lastWord(told.printed, 'seen')
  if (seen !== undefined) return seen
  const warnings = told.warnings.join('\n')
  if (told.because !== undefined || warnings === '') return failureOf(told)
  if (/Should delete/.test(warnings)) return 'present'
  if (/Should (?:create|make directory|copy) /.test(warnings)) return 'missing'
  const mode = /Should change permissions of .* from (\d+) to/.exec(warnings)?.[1]
  const parts = [
    ...(/Should (?:update|remove old symbolic link)/.test(warnings) ? ['other content'] : []),
    ...(kind === 'line' && /Should edit/.test(warnings) ? ['the line is not there, or others match'] : []),
    ...(mode === undefined ? [] : [`mode ${mode}`]),
    ...(/(?:owner|chown)/i.test(warnings) ? ['another owner'] : []),
    ...(/(?:group|chgrp)/i.test(warnings) ? ['another group'] : []),
  ]
  return parts.length > 0 ? parts.join(', ') : (told.warnings[0] ?? 'different')
}

const missing = (): Unavailable =>
  new Unavailable('ENGINE_MISSING', {
    message: 'CFEngine is not installed here.',
    next: 'Install it: apt-get install cfengine3.',
  })

const failed = (where: string, message: string, cause?: unknown): Unavailable =>
  new Unavailable('ENGINE_FAILED', {
    message: cut(`cf-agent did not run the policy: ${message}`),
    where,
    next: 'Publish the policy again; if it stays, run cf-promises -f on this file.',
    cause,
  })

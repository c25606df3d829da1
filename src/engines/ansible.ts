/**
 * Ansible as an engine: ansible-playbook on this machine alone, `--syntax-check` checks, `--check --diff` observes. It must never touch a
 * configuration that is not ours: each run has a work folder with a configuration of its own, in place of /etc/ansible, ~/.ansible.cfg
 * and one beside the playbook; what Ansible would keep in ~/.ansible goes there too.
 *
 * Results come through a plugin (ansible-callback.ts) in a file, so that nothing that is printed can be taken for one. Without the
 * plugin's last line there are no results.
 */
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Negative, Unavailable, messageOf } from '#base/errors.ts'
import type { Finding } from '#facts/finding.ts'
import { windowClosed, type ResourceResult } from '#facts/report.ts'
import { ansibleFile } from '#policy/compile/ansible.ts'
import { callbackName, callbackText, readEvents, type RunEvents } from './ansible-callback.ts'
import { byResource, errorsIn, outcomeOf, rawDrift, rawResults, seenOf } from './ansible-output.ts'
import { programFolders, runCommand, type CommandResult } from './command.ts'
import { findProgram, searchPath } from './program.ts'
import { readList } from './resource-list.ts'
import { endOf, endedByUs } from './run-end.ts'
import { cut } from './script-output.ts'
import { inWorkFolder, isFull, type Worker } from './work-folder.ts'
import type { Engine, EngineRun } from './engine.ts'

const outputBytesMax = 1_048_576
const versionTimeoutMs = 20_000
/** A run takes about 40 KiB for its plugin and results; modules that transfer files need more. */
const roomBytesMin = 262_144
/** A fault of the policy itself. */
const syntaxError = /The error appears to be in|playbook must be a list|could not be found/
/**
 * Ansible puts these paths into shell command lines of its own, into templates and into an INI file, where more signs than these mean
 * something; two spaces become one.
 */
const pathFault = /[^\p{L}\p{M}\p{N} _@+=:,./-]| {2}/u

const worker: Worker = {
  name: 'ansible',
  leader: 'ansible-playboo',
  mark: (path) => `GRAPEVINE_SCRATCH=${path}`,
}

/** Paths are relative to the file. */
const configuration = `[defaults]
home = .
local_tmp = local
callback_plugins = callbacks
stdout_callback = ${callbackName}
callbacks_enabled =
retry_files_enabled = False
nocows = True
localhost_warning = False
deprecation_warnings = False
interpreter_python = auto_silent
[connection]
pipelining = True
`

export class AnsibleEngine implements Engine {
  readonly name = 'ansible'
  readonly #folders: readonly string[]
  /** It takes Ansible a third of a second to tell; the same program tells the same. */
  #known: { readonly program: string; readonly version: string } | undefined

  /** `programs` are the folders to look for ansible-playbook in, and for what it calls. */
  constructor(programs: readonly string[] = programFolders) {
    this.#folders = programs
  }

  async version(): Promise<string | undefined> {
    const file = await findProgram('ansible-playbook', this.#folders)
    if (file === undefined) return undefined
    const { ino, mtimeMs } = await stat(file)
    const program = `${file} ${ino} ${mtimeMs}`
    if (this.#known?.program === program) return this.#known.version
    const output = await this.#versionText(file)
    const version = /^ansible-playbook (?:\[core )?([^\]\s]+)/m.exec(output)?.[1]
    if (version !== undefined) this.#known = { program, version }
    return version
  }

  async check(run: EngineRun): Promise<void> {
    const { raw } = await readList(run)
    const policy = policyOf(run, raw)
    const fault = await this.#inWorkFolder(run, policy, (work) => work.syntaxFault())
    if (fault === undefined) return
    throw new Negative('ENGINE_SYNTAX', {
      message: `ansible-playbook does not accept the policy: ${fault}`,
      where: policy,
      next: 'Correct the policy; grapevine check finds what it can at the origin.',
    })
  }

  async apply(run: EngineRun): Promise<ResourceResult[]> {
    const { raw, resources } = await readList(run)
    const events = await this.#inWorkFolder(run, policyOf(run, raw), (work) => work.events([]))
    if (raw !== null) return rawResults(events)
    const tasks = byResource(events.tasks, resources.length)
    return run.resources.map(({ id, kind }) => {
      const index = resources.findIndex((listed) => listed.id === id)
      if (events.closed.has(index)) return { id, kind, outcome: 'skipped', reason: windowClosed }
      return { id, kind, ...outcomeOf(tasks[index]) }
    })
  }

  async observe(run: EngineRun, now: number): Promise<Finding[]> {
    const { raw, resources } = await readList(run)
    const events = await this.#inWorkFolder(run, policyOf(run, raw), (work) => work.events(['--check', '--diff']))
    const finding = { bundle: run.name, since: now }
    if (raw !== null) return rawDrift(events).map((drift) => ({ ...finding, ...drift, wanted: 'nothing to change' }))
    const tasks = byResource(events.tasks, resources.length)
    return resources.flatMap(({ id, path, wanted }, index) => {
      const seen = seenOf(tasks[index] ?? [])
      if (seen === undefined) return []
      return [{ ...finding, resource: id, ...(path === null ? {} : { path }), wanted, seen }]
    })
  }

  /** In a folder for itself: Ansible makes ~/.ansible wherever it is asked anything, and stops at a faulty /etc/ansible/ansible.cfg. */
  async #versionText(file: string): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'grapevine-ansible-'))
    try {
      const config = join(folder, 'ansible.cfg')
      await writeFile(config, '[defaults]\nhome = .\nlocal_tmp = local\n')
      const env = { ANSIBLE_CONFIG: config, PATH: searchPath(this.#folders) }
      return (await runCommand({ file, args: ['--version'], timeoutMs: versionTimeoutMs, env, outputBytesMax: 4096 }))
        .output
    } catch {
      // A full disk: what is installed will be seen when there is room.
      return ''
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  async #inWorkFolder<T>(run: EngineRun, policy: string, act: (work: WorkFolder) => Promise<T>): Promise<T> {
    const program = await findProgram('ansible-playbook', this.#folders)
    if (program === undefined) throw missing()
    if (pathFault.test(dirname(run.bundle) + policy))
      throw failed(policy, 'Ansible takes no signs but letters, digits and " _@+=:,./-" in the path of a policy')
    return inWorkFolder(worker, run, async (path) => {
      const work = new WorkFolder({ path, policy, program, folders: this.#folders, run })
      await work.furnish()
      return act(work)
    })
  }
}

const policyOf = (run: EngineRun, raw: string | null): string =>
  raw === null ? join(run.directory, ansibleFile) : join(run.bundle, raw)

interface WorkInit {
  readonly path: string
  readonly policy: string
  readonly program: string
  readonly folders: readonly string[]
  readonly run: EngineRun
}

/** One run of Ansible in a folder of its own, which the caller removes. */
class WorkFolder {
  readonly #init: WorkInit
  readonly #results: string

  constructor(init: WorkInit) {
    this.#init = init
    this.#results = join(init.path, 'results.jsonl')
  }

  async furnish(): Promise<void> {
    const { path } = this.#init
    try {
      await mkdir(join(path, 'callbacks'))
      await writeFile(join(path, 'ansible.cfg'), configuration)
      await writeFile(join(path, 'callbacks', `${callbackName}.py`), callbackText)
    } catch (cause) {
      throw (await this.#fullDisk('its work folder could not be written')) ?? failed(path, messageOf(cause), cause)
    }
  }

  /** What Ansible says against the policy, or undefined. No plugin or task of it is run. */
  async syntaxFault(): Promise<string | undefined> {
    const result = await this.#call(['--syntax-check'])
    if (result.exitCode === 0) return undefined
    const words = errorsIn(result.output)
    const full = syntaxError.test(result.output) ? undefined : await this.#fullDisk(`${endOf(result)}: ${words}`)
    if (full) throw full
    return words
  }

  /** What became of the tasks. Unavailable `ENGINE_FAILED` where it did not run this policy to the end. */
  async events(args: readonly string[]): Promise<RunEvents> {
    const { policy } = this.#init
    const result = await this.#call(args)
    const events = readEvents(await readFile(this.#results, 'utf8').catch(() => ''))
    const words = `${endOf(result)}: ${errorsIn(result.output)}`
    if (events.failures === undefined) throw (await this.#fullDisk(words)) ?? failed(policy, words)
    if (events.unmatched > 0 && events.tasks.length === 0)
      throw failed(policy, 'none of its plays is for this machine; write hosts: localhost, or hosts: all')
    return events
  }

  async #call(args: readonly string[]): Promise<CommandResult> {
    const { path, policy, program, folders, run } = this.#init
    const isObserving = args.includes('--check')
    const result = await runCommand({
      file: program,
      args: ['-i', 'localhost,', '-c', 'local', ...args, policy],
      timeoutMs: run.timeoutMs,
      ...(run.signal ? { signal: run.signal } : {}),
      cwd: '/',
      env: {
        PATH: searchPath(folders),
        ANSIBLE_CONFIG: join(path, 'ansible.cfg'),
        ANSIBLE_REMOTE_TEMP: join(path, 'remote'),
        ANSIBLE_ASYNC_DIR: join(path, 'async'),
        // Plugins and modules of a playbook lie in the bundle, which nobody writes to.
        PYTHONDONTWRITEBYTECODE: '1',
        GRAPEVINE_COMPILED: run.directory,
        GRAPEVINE_MODE: isObserving ? 'observe' : 'apply',
        GRAPEVINE_RESULTS: this.#results,
        GRAPEVINE_SCRATCH: path,
        GRAPEVINE_STATE: dirname(run.bundle),
      },
      outputBytesMax,
    })
    if (result.missing) throw missing()
    const ended = endedByUs({ tool: 'ansible-playbook', policy, timeoutMs: run.timeoutMs }, result)
    if (ended) throw ended
    return result
  }

  async #fullDisk(words: string): Promise<Unavailable | undefined> {
    if (!(await isFull(this.#init.path, roomBytesMin))) return undefined
    return new Unavailable('ENGINE_FAILED', {
      message: cut(`The disk is full: ansible-playbook had no room to work, ${words}`),
      where: dirname(this.#init.run.bundle),
      next: 'Make room; it is tried again.',
    })
  }
}

const missing = (): Unavailable =>
  new Unavailable('ENGINE_MISSING', {
    message: 'Ansible is not installed here.',
    next: 'Install it: apt-get install ansible-core.',
  })

const failed = (where: string, message: string, cause?: unknown): Unavailable =>
  new Unavailable('ENGINE_FAILED', {
    message: cut(`ansible-playbook did not run the policy: ${message}`),
    where,
    next: 'Publish the policy again; if it stays, run ansible-playbook --syntax-check on this file.',
    cause,
  })

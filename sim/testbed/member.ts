/**
 * One real member of the test bed: its home folder, and the process `grapevine run` in its namespace. Never asked more than it takes to
 * look at a link in its folder while the clock runs; its own account of its bytes is asked for at the end.
 */
import { execa } from 'execa'
import { spawn, type ChildProcess } from 'node:child_process'
import { openSync, closeSync, readFileSync, readlinkSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Unavailable } from '#base/errors.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = join(root, 'src/cli/grapevine.js')
/** Runs the same member with a patched store; it lies outside the product. */
const hostileProgram = join(root, 'test/support/hostile-member.ts')
const answerMs = 5_000
const endMs = 10_000

export type Behaviour = 'corrupt_chunks' | 'never_answers'

export interface MemberPlace {
  readonly name: string
  /** Words before a command that bring it into its namespace. */
  readonly enter: readonly string[]
  /** A folder for homes and logs. */
  readonly folder: string
  readonly behaviour?: Behaviour | undefined
}

/** What a process used so far. */
export interface Cost {
  readonly rssBytes: number
  readonly peakRssBytes: number
  readonly cpuMs: number
}

export class BedMember {
  readonly name: string
  readonly home: string
  readonly logFile: string
  readonly #place: MemberPlace
  #child: ChildProcess | undefined
  #exited: Promise<unknown> = Promise.resolve()
  /** On the clock of `performance.now()`. */
  startedAt: number | undefined
  readyAt: number | undefined
  /** It was ended on purpose; else its end is a fault. */
  isMeantToRun = false

  constructor(place: MemberPlace) {
    this.#place = place
    this.name = place.name
    const file = place.name.replaceAll('/', '-')
    this.home = join(place.folder, 'homes', file)
    this.logFile = join(place.folder, 'logs', `${file}.log`)
  }

  get isRunning(): boolean {
    const child = this.#child
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  /** Starts the daemon; `readyAt` is set once it says so. */
  start(): void {
    const { enter, behaviour } = this.#place
    const which = behaviour === undefined ? [program, 'run'] : [hostileProgram, behaviour]
    const log = openSync(this.logFile, 'a')
    const [file, ...args] = [...enter, process.execPath, ...which, '--home', this.home, '--json', '--log', 'info']
    this.startedAt = performance.now()
    this.readyAt = undefined
    this.isMeantToRun = true
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', log], env: environment(this.#place.folder) })
    closeSync(log)
    this.#child = child
    this.#exited = new Promise((resolve) => child.once('exit', resolve))
    child.stdout?.on('data', (data: Buffer) => {
      if (data.includes('"ready"')) this.readyAt ??= performance.now()
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  async kill(): Promise<void> {
    this.isMeantToRun = false
    this.#child?.kill('SIGKILL')
    await this.#exited
  }

  /** Ends it as a service would be ended. */
  async stop(): Promise<void> {
    this.isMeantToRun = false
    if (!this.isRunning) return
    this.#child?.kill('SIGTERM')
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), endMs)
    await this.#exited
    clearTimeout(timer)
  }

  /** The version of a bundle that is prepared here, 0 before any: the target of a link that a member moves when all is in place. */
  preparedVersion(bundle: string): number {
    try {
      return Number(readlinkSync(join(this.home, 'bundles', bundle, 'current')))
    } catch {
      return 0
    }
  }

  /** Undefined where it does not run. */
  cost(): Cost | undefined {
    if (!this.isRunning) return undefined
    try {
      const status = readFileSync(`/proc/${this.#child?.pid}/status`, 'utf8')
      const fields = readFileSync(`/proc/${this.#child?.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      const kib = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * 1024
      const ticks = Number(fields[11]) + Number(fields[12])
      return { rssBytes: kib('VmRSS'), peakRssBytes: kib('VmHWM'), cpuMs: ticks * 10 }
    } catch {
      return undefined // It ended in this moment.
    }
  }

  /** What the daemon answers to a command over its socket; undefined where it does not. */
  async ask(command: string): Promise<unknown> {
    if (!this.isRunning) return undefined
    const socket = connect(join(this.home, 'control.sock'))
    const timer = setTimeout(() => socket.destroy(), answerMs)
    try {
      socket.write(`${JSON.stringify({ command, args: {} })}\n`)
      let text = ''
      for await (const data of socket) {
        text += String(data)
        const line = text.split('\n').find((part) => part.startsWith('{"result"'))
        if (line !== undefined && text.includes(`${line}\n`)) return (JSON.parse(line) as { result: unknown }).result
      }
    } catch {
      // No answer is an answer: it was killed, or never came up.
    } finally {
      clearTimeout(timer)
      socket.destroy()
    }
    return undefined
  }

  /**
   * Lets it apply to a scratch folder: no tool is started, which two cores could not do for twenty at once, and a bundle comes to rest as
   * `applied`. Without any engine it would be tried again each minute, and each time reported.
   */
  async pretend(): Promise<void> {
    await appendFile(join(this.home, 'config.yaml'), `\nengine: { pretendRoot: ${join(this.home, 'scratch')} }\n`)
  }

  /** Lets it trade with the relays of other sites. */
  async trade(): Promise<void> {
    await appendFile(join(this.home, 'config.yaml'), 'trade: true\n')
  }

  /** Runs one command on this home to its end; its last line as JSON. Unavailable `TESTBED_COMMAND_FAILED` where it says no. */
  async run(...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
    const words = [program, ...args, '--home', this.home, '--json']
    const { failed, stdout, stderr } = await execa(process.execPath, words, {
      env: environment(this.#place.folder),
      reject: false,
      timeout: 60_000,
    })
    if (!failed) return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Record<string, unknown>
    throw new Unavailable('TESTBED_COMMAND_FAILED', {
      message: `grapevine ${args[0]} failed for ${this.name}: ${stdout.trim()} ${stderr.trim()}`.trim(),
    })
  }
}

/** What the machine of the test bed has installed is no part of it. */
const environment = (folder: string): NodeJS.ProcessEnv => ({
  ...process.env,
  GRAPEVINE_ENGINE_PATH: join(folder, 'no-engine'),
})

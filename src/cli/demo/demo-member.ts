/** One member of the demo as a real process: `grapevine run` on its own home, watched over its control socket. */
import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Unavailable } from '#base/errors.ts'
import { callDaemon, noDaemon } from '#node/control-client.ts'
import { controlSocketOf } from '#disk/home.ts'
import type { FleetDocument, StatusDocument } from '#node/status.ts'

/** As a daemon starts itself over (grapevine.js), which one below a channel cannot. */
const youngGeneration = '--max-semi-space-size=1'
const program = fileURLToPath(new URL('../grapevine.js', import.meta.url))

/** A process that does not end on SIGTERM within this long is killed; the promise for daemons is 5 s. */
const stopMs = 6_000

export class DemoMember {
  readonly name: string
  readonly home: string
  readonly site: string
  #process: ChildProcess | undefined
  #words = ''
  status: StatusDocument | undefined
  /** It ended although nobody asked it to. */
  failure: Unavailable | undefined
  #stopping = false

  constructor(name: string, site: string, home: string) {
    this.name = name
    this.site = site
    this.home = home
  }

  /** Starts it; resolves with its addresses once it is ready. */
  async start(): Promise<readonly string[]> {
    const child = spawn(
      process.execPath,
      [youngGeneration, program, 'run', '--home', this.home, '--json', '--log', 'warn'],
      {
        // The channel ends with us, and the daemon with the channel: no process is left behind, however we end.
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      },
    )
    this.#process = child
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>()
    child.stdout?.on('data', (data: Buffer) => {
      const [, line] = /^(\{"ready".*)\n/m.exec(data.toString()) ?? []
      if (line !== undefined) resolve((JSON.parse(line) as { addresses: string[] }).addresses)
      else this.#hear(data)
    })
    child.stderr?.on('data', (data: Buffer) => this.#hear(data))
    child.on('exit', (code) => {
      const ended = new Unavailable('DEMO_MEMBER_ENDED', {
        message: `${this.name} ended with ${code ?? 'a signal'}: ${this.#words.trim() || 'it said nothing'}.`,
        where: this.home,
        next: 'Run `grapevine doctor`, or the demo again with --keep to look at its folders.',
      })
      if (!this.#stopping) this.failure = ended
      reject(ended)
    })
    return promise
  }

  /** Asks for its status; the last known one where it does not answer. */
  async look(): Promise<void> {
    const status = await this.#ask('status')
    if (status !== undefined) this.status = status as StatusDocument
  }

  async fleet(): Promise<FleetDocument | undefined> {
    return (await this.#ask('fleet')) as FleetDocument | undefined
  }

  /** The last it said, for when it ends. */
  #hear(data: Buffer): void {
    this.#words = (this.#words + data.toString()).slice(-4_000)
  }

  async #ask(command: string): Promise<unknown> {
    const answer = await callDaemon({ socket: controlSocketOf(this.home), command }).catch(() => noDaemon)
    return answer === noDaemon ? undefined : answer
  }

  async stop(): Promise<void> {
    const child = this.#process
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    this.#stopping = true
    const { promise, resolve } = Promise.withResolvers<void>()
    child.on('exit', () => resolve())
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), stopMs)
    await promise
    clearTimeout(timer)
  }
}

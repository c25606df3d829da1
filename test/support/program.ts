/**
 * The program as its users run it: real processes, real sockets on loopback, real folders below a temporary one. Everything that was
 * started is stopped and removed at the end of a test, also when it fails.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { StatusDocument } from '#node/status.ts'

export const entry = fileURLToPath(new URL('../../src/cli/grapevine.js', import.meta.url))

export interface Answer {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** The last line of stdout as JSON. */
  readonly json: Record<string, never>
}

/** Loopback and any free port: tests run beside each other, and beside a real member. */
const loopback = ['--listen', '/ip4/127.0.0.1/tcp/0']

export class Bench {
  readonly folder: string
  readonly #daemons = new Set<RunningDaemon>()

  private constructor(folder: string) {
    this.folder = folder
  }

  static async make(): Promise<Bench> {
    return new Bench(await mkdtemp(join(tmpdir(), 'grapevine-test-')))
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts)
  }

  /** Runs one command to its end. */
  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        [entry, ...args],
        { env: { ...process.env, ...env }, timeout: 60_000, maxBuffer: 16 * 1_048_576 },
        (error, stdout, stderr) => {
          const last = stdout.trim().split('\n').at(-1) ?? ''
          const json = last.startsWith('{') ? (JSON.parse(last) as Record<string, never>) : {}
          resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr, json })
        },
      )
    })
  }

  /** Runs one command with `--json`, which must succeed. */
  async ask(home: string, args: readonly string[]): Promise<Answer['json']> {
    const answer = await this.run([...args, '--home', this.path(home), '--json'])
    if (answer.code !== 0)
      throw new TypeError(`grapevine ${args.join(' ')}: ${answer.code}: ${answer.stdout}${answer.stderr}`)
    return answer.json
  }

  async status(home: string): Promise<StatusDocument> {
    return (await this.ask(home, ['status'])) as unknown as StatusDocument
  }

  /** Starts a daemon; resolves once it is ready. `within`: a program that becomes it, such as one that enters a namespace. */
  async daemon(home: string, args: readonly string[] = [], within: readonly string[] = []): Promise<RunningDaemon> {
    const command = [process.execPath, entry, 'run', '--home', this.path(home), '--json', ...args]
    const daemon = new RunningDaemon([...within, ...command])
    this.#daemons.add(daemon)
    await daemon.ready
    return daemon
  }

  /** Makes a home of a fleet's origin. */
  async origin(home: string = 'origin', extra: readonly string[] = []): Promise<void> {
    await this.ask(home, ['init', '--fleet', 'acme', '--name', home, ...loopback, ...extra])
  }

  /** Makes a home of a member; addresses are what its token carries. */
  async member(
    home: string,
    site: string,
    options: {
      role?: 'client' | 'relay'
      addresses?: readonly string[]
      labels?: readonly string[]
      join?: readonly string[]
      config?: string
    } = {},
  ): Promise<void> {
    const addresses = (options.addresses ?? []).flatMap((address) => ['--address', address])
    const labels = (options.labels ?? []).flatMap((label) => ['--label', label])
    const made = await this.ask('origin', [
      'token',
      'create',
      '--site',
      site,
      '--role',
      options.role ?? 'client',
      ...addresses,
      ...labels,
    ])
    await this.ask(home, ['join', String(made['token']), '--name', home, ...loopback, ...(options.join ?? [])])
    if (options.config !== undefined) await writeFile(this.path(home, 'config.yaml'), options.config)
  }

  /** Writes a policy folder: text by path. */
  async policy(name: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
    const folder = this.path('policies', name)
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), content)
    }
    return folder
  }

  async copy(from: string, to: string): Promise<void> {
    await cp(this.path(from), this.path(to), { recursive: true })
  }

  async end(): Promise<void> {
    await Promise.all([...this.#daemons].map((daemon) => daemon.stop()))
    await rm(this.folder, { recursive: true, force: true })
  }
}

export class RunningDaemon {
  readonly ready: Promise<void>
  readonly exited: Promise<number | null>
  addresses: readonly string[] = []
  words = ''
  readonly #child: ChildProcess

  constructor([file = '', ...args]: readonly string[]) {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    child.stderr.on('data', (data: Buffer) => (this.words = (this.words + data.toString()).slice(-20_000)))
    this.exited = new Promise((resolve) => child.once('exit', (code) => resolve(code)))
    this.ready = new Promise((resolve, reject) => {
      child.stdout.on('data', (data: Buffer) => {
        const line = /^\{"ready".*$/m.exec(data.toString())?.[0]
        if (line === undefined) return
        this.addresses = (JSON.parse(line) as { addresses: string[] }).addresses
        resolve()
      })
      void this.exited.then((code) => reject(new TypeError(`the daemon ended with ${code}: ${this.words}`)))
    })
    this.ready.catch(() => {})
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** An address that others can dial. */
  get address(): string {
    return this.addresses[0] ?? ''
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Asks it to end; the milliseconds that took. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    const startedAt = performance.now()
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal)
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000)
    await this.exited
    clearTimeout(timer)
    return performance.now() - startedAt
  }
}

/** Looks again and again until `look` gives something; fails with the last thing seen. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  limitMs: number = 20_000,
): Promise<T> {
  const deadline = Date.now() + limitMs
  for (;;) {
    const seen = await look()
    if (seen) return seen
    if (Date.now() > deadline) throw new TypeError(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
}

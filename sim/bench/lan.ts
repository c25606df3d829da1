/**
 * What the LAN carries, and what it costs: a package of 1 GiB from one member to another on loopback, real processes of this checkout, and the same
 * bytes over a link without disks and over a plain TLS stream of Node, alternating in one run; then the memory of a member
 * that serves eight neighbours at once. Run it with `npm run bench -- lan [link | package | memory] [repetitions]`.
 */
import { execFile, fork, spawn, type ChildProcess } from 'node:child_process'
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { writeFile } from 'node:fs/promises'

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = join(root, 'src/cli/grapevine.js')
const endProgram = join(root, 'test/support/lan-end.ts')
/** As the daemon starts itself (src/cli/grapevine.js), so that an end of a link is measured as the member that it stands for. */
const memberFlags = ['--max-semi-space-size=1']
const gib = 1_073_741_824
const neighbours = 8
const run = promisify(execFile)

interface Cost {
  readonly cpuSeconds: number
  readonly peakMiB: number
}

interface Transfer {
  readonly megabytesPerSecond: number
  readonly sender: Cost
  readonly receiver: Cost
}

export async function lan(words: readonly string[], signal: AbortSignal): Promise<void> {
  const [what = 'all', repetitions = '3'] = words
  const folder = mkdtempSync(join(tmpdir(), 'grapevine-lan-'))
  const bench = new Bench(folder)
  const end = (): void => bench.end()
  signal.addEventListener('abort', end)
  try {
    const { stdout: commit } = await run('git', ['rev-parse', '--short', 'HEAD'], { cwd: root })
    console.log(
      `commit ${commit.trim()}, ${cpus().length} x ${cpus()[0]?.model ?? ''}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1)}`,
    )
    if (what !== 'memory') await compare(bench, what, Number(repetitions))
    if (what === 'memory' || what === 'all') await memory(bench)
  } finally {
    signal.removeEventListener('abort', end)
    bench.end()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function compare(bench: Bench, what: string, repetitions: number): Promise<void> {
  const kinds = ['tls', ...(what === 'package' ? [] : ['link']), ...(what === 'link' ? [] : ['package'])]
  if (kinds.includes('package')) await bench.publish('large', gib)
  const results = new Map<string, Transfer[]>(kinds.map((kind) => [kind, []]))
  for (let turn = 0; turn < repetitions; turn++)
    for (const [kind, list] of results)
      list.push(kind === 'package' ? await bench.fetchPackage(`client${turn}`) : await bench.stream(kind))
  const plain = median((results.get('tls') ?? []).map((transfer) => transfer.megabytesPerSecond))
  for (const [kind, list] of results) {
    const rates = list.map((transfer) => transfer.megabytesPerSecond)
    const of = (pick: (transfer: Transfer) => number): number => median(list.map(pick))
    console.log(
      `${kind}: ${median(rates).toFixed(0)} MB/s (${rates.map((rate) => rate.toFixed(0)).join(', ')}), ${(median(rates) / plain).toFixed(2)} of plain TLS; ` +
        `CPU s/GB ${of(({ sender }) => sender.cpuSeconds / (gib / 1e9)).toFixed(2)} send, ${of(({ receiver }) => receiver.cpuSeconds / (gib / 1e9)).toFixed(2)} receive; ` +
        `peak MiB ${of(({ sender }) => sender.peakMiB).toFixed(0)}, ${of(({ receiver }) => receiver.peakMiB).toFixed(0)}`,
    )
  }
}

async function memory(bench: Bench): Promise<void> {
  const bytes = gib / 4
  const server = await bench.publish('shared', bytes)
  const publishing = costOf(server.pid).peakMiB
  // From here on the peak counts anew: what publishing took is told beside it.
  writeFileSync(`/proc/${server.pid}/clear_refs`, '5')
  const before = costOf(server.pid)
  const startedAt = performance.now()
  const names = Array.from({ length: neighbours }, (_, index) => `neighbour${index}`)
  const members = await Promise.all(names.map((name) => bench.join(name)))
  await Promise.all(names.map((name) => bench.arrived(name, bytes)))
  const seconds = (performance.now() - startedAt) / 1000
  const after = costOf(server.pid)
  const peaks = members.map(({ pid }) => costOf(pid).peakMiB)
  console.log(
    `memory: one member and ${neighbours} neighbours that fetch ${bytes / 1_048_576} MiB at once, ${seconds.toFixed(1)} s in all: ` +
      `peak ${after.peakMiB.toFixed(0)} MiB (${(after.cpuSeconds - before.cpuSeconds).toFixed(1)} s CPU; ${publishing.toFixed(0)} MiB while it published), neighbours ${Math.min(...peaks).toFixed(0)}-${Math.max(...peaks).toFixed(0)} MiB`,
  )
}

/** Starts members and ends of streams, and ends them all. */
class Bench {
  readonly #folder: string
  readonly #children = new Set<ChildProcess>()
  #origin: { readonly pid: number; readonly address: string } | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  end(): void {
    for (const child of this.#children) child.kill('SIGKILL')
  }

  /** An origin that has published a package of random bytes: no compression and no earlier bundle saves any of it. */
  async publish(name: string, bytes: number): Promise<{ readonly pid: number }> {
    const policy = join(this.#folder, name)
    mkdirSync(join(policy, 'packages'), { recursive: true })
    const file = createWriteStream(join(policy, 'packages', `${name}.deb`))
    for (let left = bytes; left > 0; left -= 1_048_576)
      if (!file.write(randomBytes(1_048_576))) await once(file, 'drain')
    file.end()
    await once(file, 'close')
    const resource = `directory: { path: ${join(this.#folder, 'applied')} }`
    await writeFile(join(policy, 'policy.yaml'), `policy: ${name}\nresources:\n  - ${resource}\n`)
    if (!this.#origin) {
      await this.#ask('origin', 'init', '--fleet', 'bench', '--site', 'lan', '--listen', '/ip4/127.0.0.1/tcp/0')
      this.#origin = await this.#start('origin')
    }
    await this.#ask('origin', 'publish', policy)
    rmSync(policy, { recursive: true })
    return this.#origin
  }

  /** A new member of the origin's site, which then fetches what was published. */
  async join(home: string): Promise<{ readonly pid: number; readonly address: string }> {
    const token = await this.#ask(
      'origin',
      'token',
      'create',
      '--site',
      'lan',
      '--address',
      this.#origin?.address ?? '',
    )
    await this.#ask(home, 'join', token, '--listen', '/ip4/127.0.0.1/tcp/0')
    return this.#start(home)
  }

  /** One package from the origin's process to that of a new member, from its first chunk on disk until it is complete under its name. */
  async fetchPackage(home: string): Promise<Transfer> {
    const origin = this.#origin?.pid ?? 0
    const sender = costOf(origin)
    const { pid } = await this.join(home)
    await this.#look(home, (name) => name.endsWith('.part'))
    const [startedAt, receiver] = [performance.now(), costOf(pid)]
    await this.arrived(home, gib)
    const seconds = (performance.now() - startedAt) / 1000
    const transfer = {
      megabytesPerSecond: gib / 1e6 / seconds,
      sender: since(sender, costOf(origin)),
      receiver: since(receiver, costOf(pid)),
    }
    for (const child of this.#children) if (child.pid === pid) await ended(child)
    rmSync(join(this.#folder, home), { recursive: true })
    return transfer
  }

  /** Resolves when a file of at least this many bytes is complete in a member's store. */
  async arrived(home: string, bytes: number): Promise<void> {
    await this.#look(home, (name, size) => !name.endsWith('.part') && size() >= bytes)
  }

  async stream(kind: string): Promise<Transfer> {
    const server = this.#fork(`${kind}-serve`)
    const { address } = await told<{ address: string }>(server)
    server.send('cost')
    const before = await told<Cost>(server)
    const client = this.#fork(`${kind}-fetch`, address, String(gib))
    const { seconds, ...receiver } = await told<Cost & { seconds: number }>(client)
    server.send('cost')
    const sender = since(before, await told<Cost>(server))
    await Promise.all([server, client].map((child) => ended(child)))
    return { megabytesPerSecond: gib / 1e6 / seconds, sender, receiver }
  }

  async #ask(home: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await run(process.execPath, [program, ...args, '--home', join(this.#folder, home)])
    return stdout.trim()
  }

  async #start(home: string): Promise<{ readonly pid: number; readonly address: string }> {
    const child = spawn(process.execPath, [program, 'run', '--home', join(this.#folder, home)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#children.add(child)
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    return { pid: child.pid ?? 0, address: line.toString().split(' ')[1]?.trim() ?? '' }
  }

  #fork(...args: readonly string[]): ChildProcess {
    const child = fork(endProgram, args, { execArgv: memberFlags })
    this.#children.add(child)
    return child
  }

  /** Looks into a member's store until a file holds what is asked for. */
  async #look(home: string, holds: (name: string, size: () => number) => boolean): Promise<void> {
    const contents = join(this.#folder, home, 'contents')
    for (;;) {
      for (const name of existsSync(contents) ? readdirSync(contents, { recursive: true, encoding: 'utf8' }) : [])
        if (name.length > 60 && holds(name, () => statSync(join(contents, name)).size)) return
      await sleep(10)
    }
  }
}

async function told<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, 'message')) as [T]
  return message
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}

function costOf(pid: number): Cost {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')
  return {
    cpuSeconds: (Number(fields[13]) + Number(fields[14])) / 100,
    peakMiB: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024,
  }
}

const since = (before: Cost, after: Cost): Cost => ({ ...after, cpuSeconds: after.cpuSeconds - before.cpuSeconds })

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0

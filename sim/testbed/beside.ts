/**
 * Lets another tool copy what a scenario publishes: a fresh bed with the same lines and the same bytes, every client at once, the same
 * counters. It measures and judges nothing. A tool that is not installed is named as missing.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Unavailable } from '#base/errors.ts'
import { Random } from '#base/random.ts'
import { bundleBytes, nodesOf, type Scenario } from '../scenario.ts'
import { outside } from './namespaces.ts'
import { BedNetwork } from './network.ts'
import { Phase, type PhaseResult } from './phase.ts'
import { writePolicy } from './policy-folder.ts'
import type { Ground, Rival } from './rival.ts'

export interface BesideResult {
  readonly tool: string
  /** What the tool says of itself; undefined where it is not installed, and then nothing was measured. */
  readonly version: string | undefined
  readonly setting: string
  readonly phase?: PhaseResult
  /** CPU seconds of all its processes, those at the origin too. */
  readonly cpuS?: number
  readonly drops?: { readonly down: number; readonly up: number }
  /** What ended that should not have, and copies with wrong bytes. */
  readonly faults: readonly string[]
}

const lookMs = 20
const readyMs = 20_000

/** Whether a tool that copies once could do what the scenario asks for: no fault, no later release, nobody late. */
export function isPlain({ bundles, faults = [], sites, probes = [], general }: Scenario): boolean {
  return (
    faults.length + probes.length === 0 &&
    general.idle_time === undefined &&
    bundles.every((plan) => plan.publish === undefined && plan.revisions === undefined) &&
    sites.every((site) => site.groups.every((group) => group.start === undefined))
  )
}

/** Unavailable `TESTBED_UNAVAILABLE` where the bed cannot be built, or the tool does not serve. Nothing runs or lies there afterwards. */
export async function runBeside(
  rival: Rival,
  scenario: Scenario,
  { signal, say }: { readonly signal: AbortSignal; readonly say: (text: string) => void },
): Promise<BesideResult> {
  const version = await versionOf(rival.program)
  const about = { tool: rival.name, version, setting: rival.setting }
  if (version === undefined) return { ...about, faults: [] }
  say(`${scenario.name}: ${version} copies the same, ${rival.setting}`)
  const network = await BedNetwork.build(scenario)
  const folder = mkdtempSync(join(tmpdir(), `gvbed-${process.pid}-`))
  const copying = new Copying(rival, scenario, network, folder)
  try {
    const before = reapedCpuMs()
    await copying.serve(signal)
    const phase = await copying.copy(signal)
    await copying.end()
    const cpuS = (reapedCpuMs() - before) / 1000
    return { ...about, phase, cpuS, drops: await copying.drops(), faults: copying.faults }
  } finally {
    await copying.end()
    await network.remove()
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Client {
  readonly name: string
  readonly site: string
  readonly own: string
}

/** One tool at work. */
class Copying {
  readonly faults: string[] = []
  readonly #rival: Rival
  readonly #scenario: Scenario
  readonly #network: BedNetwork
  readonly #ground: Ground
  readonly #clients: readonly Client[]
  readonly #children: { readonly child: ChildProcess; readonly exited: Promise<unknown> }[] = []
  readonly #finished = new Set<Client>()

  constructor(rival: Rival, scenario: Scenario, network: BedNetwork, folder: string) {
    this.#rival = rival
    this.#scenario = scenario
    this.#network = network
    const office = join(folder, 'origin')
    this.#ground = { own: office, office, files: writeContent(join(office, 'copy'), scenario) }
    this.#clients = scenario.sites.flatMap((site) =>
      nodesOf(site)
        .filter(({ group }) => group.role === 'client')
        .map(({ name }) => ({ name, site: site.id, own: join(folder, name.replaceAll('/', '-')) })),
    )
    for (const { own } of this.#clients) mkdirSync(own)
  }

  async serve(signal: AbortSignal): Promise<void> {
    const origin = this.#scenario.origins[0]?.id ?? ''
    const deadline = performance.now() + readyMs
    for (const { words, port, mark } of this.#rival.servers(this.#ground)) {
      const child = this.#start(origin, this.#ground.own, words)
      const isReady = (): boolean => listens(child, port) && (mark === undefined || existsSync(mark))
      while (!isReady()) {
        if (child.exitCode !== null || performance.now() > deadline)
          throw new Unavailable('TESTBED_UNAVAILABLE', {
            message: `${this.#rival.name} does not serve: ${logOf(this.#ground.own)}`,
            where: words.join(' '),
          })
        await sleep(lookMs, undefined, { signal })
      }
    }
  }

  /** From the start of all clients until the last has its copy, or the time of the scenario is over. */
  async copy(signal: AbortSignal): Promise<PhaseResult> {
    const { sites, origins, bundles, general } = this.#scenario
    const phase = new Phase({
      name: this.#rival.name,
      uniqueBytes: bundles.reduce((sum, plan) => sum + bundleBytes(plan), 0),
      sites,
      originBps: origins[0]?.bandwidth_up ?? 0,
      network: this.#network,
    })
    const deadline = performance.now() + general.stop_time
    for (const client of this.#clients) {
      phase.waits(client.name)
      this.#startClient(client, phase)
    }
    let waiting: readonly Client[] = this.#clients
    while (waiting.length > 0 && performance.now() < deadline) {
      await sleep(lookMs, undefined, { signal })
      phase.sample()
      for (const client of waiting) if (this.#isMarked(client)) this.#finish(client, phase)
      waiting = this.#clients.filter((client) => !this.#finished.has(client))
    }
    const wrong = this.#clients.filter((client) => this.#finished.has(client) && !this.#isRight(client))
    for (const { name } of wrong) this.faults.push(`${name} has wrong bytes`)
    return phase.end([...waiting, ...wrong].map(({ name }) => name))
  }

  drops(): Promise<{ down: number; up: number }> {
    return Promise.all(this.#scenario.sites.map((site) => this.#network.drops(site.id))).then((each) => ({
      down: each.reduce((sum, { down }) => sum + down, 0),
      up: each.reduce((sum, { up }) => sum + up, 0),
    }))
  }

  /** Ends all that runs. */
  async end(): Promise<void> {
    for (const { child } of this.#children) child.kill('SIGKILL')
    await Promise.all(this.#children.map(({ exited }) => exited))
  }

  #startClient(client: Client, phase: Phase): void {
    const words = this.#rival.client({ ...this.#ground, own: client.own })
    const child = this.#start(client.name, client.own, words)
    child.once('exit', (code, ended) => {
      if (code === 0 && this.#rival.completeMark === undefined) this.#finish(client, phase)
      else if (ended !== 'SIGKILL') this.faults.push(`${client.name} ended with ${code ?? ended}: ${logOf(client.own)}`)
    })
  }

  #start(node: string, own: string, words: readonly string[]): ChildProcess {
    const log = openSync(join(own, 'log.txt'), 'a')
    const [file = '', ...args] = [...this.#network.enter(node), ...words]
    const child = spawn(file, args, { cwd: own, stdio: ['ignore', log, log] })
    closeSync(log)
    this.#children.push({ child, exited: new Promise((resolve) => child.once('close', resolve)) })
    return child
  }

  #isMarked({ own }: Client): boolean {
    return this.#rival.completeMark !== undefined && existsSync(join(own, this.#rival.completeMark))
  }

  #finish(client: Client, phase: Phase): void {
    if (this.#finished.has(client)) return
    this.#finished.add(client)
    phase.prepared(client.name, client.site)
  }

  #isRight({ own }: Client): boolean {
    return this.#ground.files.every((file) => digestOf(own, file) === digestOf(this.#ground.own, file))
  }
}

/** The first line of what it says of itself; undefined where it is not installed. */
async function versionOf(program: string): Promise<string | undefined> {
  try {
    return (await outside(program, ['--version'])).split('\n')[0]?.trim()
  } catch {
    return undefined
  }
}

/** The same bytes as the bed publishes to members; the paths of the files. */
function writeContent(folder: string, scenario: Scenario): string[] {
  const random = new Random(`testbed ${scenario.general.seed ?? 1}`)
  for (const plan of scenario.bundles) {
    writePolicy(join(folder, plan.id), plan, random.stream(plan.id))
    rmSync(join(folder, plan.id, 'policy.yaml'))
  }
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
}

/** Undefined where there is no such file. */
function digestOf(own: string, file: string): string | undefined {
  const path = join(own, 'copy', file)
  return existsSync(path) ? createHash('sha256').update(readFileSync(path)).digest('hex') : undefined
}

const logOf = (own: string): string => readFileSync(join(own, 'log.txt'), 'utf8').trim().slice(-500)

/** Whether anything in the namespace of a process listens at a TCP port. */
function listens({ pid }: ChildProcess, port: number): boolean {
  // Until `ip` has gone over, it shows what listens on this machine.
  if (pid === undefined || !existsSync(`/proc/${pid}`) || networkOf(String(pid)) === networkOf('self')) return false
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return ['tcp', 'tcp6'].some((table) => {
    const path = `/proc/${pid}/net/${table}`
    if (!existsSync(path)) return false
    const rows = readFileSync(path, 'utf8')
      .split('\n')
      .map((row) => row.trim().split(/\s+/))
    return rows.some(([, local, , state]) => local?.endsWith(end) && state === '0A')
  })
}

const networkOf = (pid: string): string => readlinkSync(`/proc/${pid}/ns/net`)

/** CPU time of all processes that this one has started and seen end, and of theirs, in ms; a tick is 10 ms. */
function reapedCpuMs(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[13]) + Number(fields[14])) * 10
}

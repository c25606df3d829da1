/**
 * What Grapevine itself costs in a run of an engine: a policy of 50 resources on a machine where nothing has to change, applied again and
 * again by a real daemon. Beside the time and CPU of the engine (every process below the daemon) stands what is left: the daemon's own.
 * `npm run bench -- apply [cfengine | ansible | puppet …] [RUNS]`; the policy touches a temporary folder alone.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = join(root, 'src/cli/grapevine.js')
const run = promisify(execFile)
const resources = 50
const tickMs = 10
/** After an apply: until its report is sealed and sent, which is a cost of the run too. */
const settleMs = 1_500
const engines = ['cfengine', 'ansible', 'puppet']

interface Cost {
  readonly wallMs: number
  readonly cpuMs: number
}

interface Run {
  readonly engine: Cost
  /** The daemon's own, with the report; without what it costs while idle for as long. */
  readonly own: Cost
}

export async function apply(words: readonly string[], signal: AbortSignal): Promise<void> {
  const chosen = engines.filter((name) => words.includes(name))
  const runs = Number(words.find((word) => /^\d+$/.test(word)) ?? 10)
  const { stdout: commit } = await run('git', ['rev-parse', '--short', 'HEAD'], { cwd: root })
  console.log(
    `commit ${commit.trim()}, ${cpus().length} x ${cpus()[0]?.model ?? ''}, load ${loadavg()[0]?.toFixed(1)}, ${runs} runs`,
  )
  for (const engine of chosen.length > 0 ? chosen : ['cfengine']) {
    const bench = new Bench()
    const end = (): void => bench.end()
    signal.addEventListener('abort', end)
    try {
      await bench.start(engine)
      const found: Run[] = []
      for (let turn = 0; turn < runs; turn++) found.push(await bench.apply())
      const of = (pick: (one: Run) => number): number => median(found.map(pick))
      const sum = (pick: (one: Run) => number): number => found.reduce((total, one) => total + pick(one), 0) / runs
      const [wall, ownWall] = [of((one) => one.engine.wallMs), of((one) => one.own.wallMs)]
      // Ticks are coarse, so CPU is that of all runs.
      const [cpu, ownCpu] = [sum((one) => one.engine.cpuMs), sum((one) => one.own.cpuMs)]
      console.log(
        `${engine}: ${wall.toFixed(0)} ms of engine and ${ownWall.toFixed(0)} ms more (${percent(ownWall / wall)}); ` +
          `CPU ${cpu.toFixed(0)} ms of engine, ${ownCpu.toFixed(0)} ms of the daemon with its report (${percent(ownCpu / cpu)})`,
      )
    } finally {
      signal.removeEventListener('abort', end)
      bench.end()
    }
  }
}

class Bench {
  readonly #folder = mkdtempSync(join(tmpdir(), 'grapevine-apply-'))
  readonly #children: ChildProcess[] = []
  #pid = 0
  #idleCpuPerMs = 0

  async start(engine: string): Promise<void> {
    await this.#ask('origin', 'init', '--fleet', 'bench', '--listen', '/ip4/127.0.0.1/tcp/0')
    const address = await this.#daemon('origin')
    const token = (await this.#ask('origin', 'token', 'create', '--site', 'one', '--address', address)).trim()
    await this.#ask('member', 'join', token, '--listen', '/ip4/127.0.0.1/tcp/0')
    await this.#daemon('member')
    this.#pid = this.#children.at(-1)?.pid ?? 0
    await this.#ask('origin', 'publish', this.#policy(engine))
    await this.#ask('member', 'wait', '--state', 'applied', '--timeout', '120s')
    await sleep(3_000)
    const [before, from] = [ownCpuMs(this.#pid), performance.now()]
    await sleep(10_000)
    this.#idleCpuPerMs = (ownCpuMs(this.#pid) - before) / (performance.now() - from)
  }

  /** One apply, from the wish to the journal's word that it is done. */
  async apply(): Promise<Run> {
    const cpu = [ownCpuMs(this.#pid), childCpuMs(this.#pid)] as const
    const applied = this.#appliedAt()
    const startedAt = performance.now()
    await ask(join(this.#folder, 'member', 'control.sock'))
    let engineMs = 0
    let seenAt: number | undefined
    while (this.#appliedAt() === applied) {
      await sleep(2)
      const now = performance.now()
      const isRunning = childrenOf(this.#pid) > 0
      if (seenAt !== undefined) engineMs += now - seenAt
      seenAt = isRunning ? now : undefined
      if (now - startedAt > 120_000) throw new TypeError('the apply does not end')
    }
    const wallMs = performance.now() - startedAt
    await sleep(settleMs)
    const ownMs = ownCpuMs(this.#pid) - cpu[0] - (wallMs + settleMs) * this.#idleCpuPerMs
    return {
      engine: { wallMs: engineMs, cpuMs: childCpuMs(this.#pid) - cpu[1] },
      own: { wallMs: wallMs - engineMs, cpuMs: Math.max(0, ownMs) },
    }
  }

  end(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  /** What the journal says of the last apply, from its end: it is appended to. */
  #appliedAt(): string | undefined {
    const text = readFileSync(join(this.#folder, 'member', 'journal', 'agent.journal'), 'latin1')
    return (
      [...text.matchAll(/"appliedAt":(\d+)[^\n]*"state":"applied"/g)].at(-1)?.[1] ??
      text.match(/.*"appliedAt":(\d+)/s)?.[1]
    )
  }

  #policy(engine: string): string {
    const folder = join(this.#folder, 'policy')
    const on = join(this.#folder, 'managed')
    mkdirSync(folder)
    const lines = Array.from({ length: resources }, (_, index) => {
      switch (index % 5) {
        case 0:
          return `directory: { path: ${on}/d${index}, mode: "0755" }`
        case 1:
          return `line: { path: ${on}/lines${index}, match: "^key${index}=", line: "key${index}=1" }`
        case 2:
          return `command: { run: "touch ${on}/c${index}", unless: "test -e ${on}/c${index}" }`
        default:
          return `file: { path: ${on}/f${index}, content: "text ${index}\\n", mode: "0644" }`
      }
    })
    writeFileSync(
      join(folder, 'policy.yaml'),
      `policy: bench\nengine: ${engine}\nresources:\n${lines.map((line) => `  - ${line}\n`).join('')}`,
    )
    return folder
  }

  async #ask(home: string, ...args: readonly string[]): Promise<string> {
    return (await run(process.execPath, [program, ...args, '--home', join(this.#folder, home)])).stdout
  }

  /** An address of the daemon, once it serves. */
  async #daemon(home: string): Promise<string> {
    const child = spawn(process.execPath, [program, 'run', '--home', join(this.#folder, home), '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#children.push(child)
    const [data] = (await once(child.stdout, 'data')) as [Buffer]
    return (JSON.parse(data.toString().split('\n')[0] ?? '{}') as { addresses: string[] }).addresses[0] ?? ''
  }
}

/** Asks the daemon to apply now, without the cost of a command. */
async function ask(socket: string): Promise<void> {
  const client = connect(socket)
  client.write(`${JSON.stringify({ command: 'apply', args: { now: true } })}\n`)
  await once(client, 'data')
  client.destroy()
}

/** Fields of /proc/PID/stat after the name, which may hold spaces. */
const statOf = (pid: number): string[] => {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}
const ticksAt = (pid: number, first: number): number => {
  const fields = statOf(pid)
  return (Number(fields[first]) + Number(fields[first + 1])) * tickMs
}
const ownCpuMs = (pid: number): number => ticksAt(pid, 11)
/** Of every process below it that has ended. */
const childCpuMs = (pid: number): number => ticksAt(pid, 13)
const childrenOf = (pid: number): number =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean).length

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

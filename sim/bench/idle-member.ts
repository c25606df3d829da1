/**
 * What a member costs while it has nothing to do: time from `run` to `ready`, memory (also after a large package), CPU, and time to
 * end. Real processes of this checkout on loopback: an origin and a client that has applied a policy. Run it with `npm run bench -- idle`;
 * docs/measurements.md keeps results with command, commit and machine.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = join(root, 'src/cli/grapevine.js')
const idleSeconds = 30
const packageBytes = 30 * 1_048_576
let folder = ''
const listen = ['--listen', '/ip4/127.0.0.1/tcp/0']

interface Running {
  readonly child: ChildProcess
  readonly readyMs: number
  readonly address: string
}

const children: ChildProcess[] = []

const ask = (home: string, ...args: readonly string[]): string =>
  execFileSync(process.execPath, [program, ...args, '--home', join(folder, home)], { encoding: 'utf8' }).trim()

function start(home: string): Promise<Running> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [program, 'run', '--home', join(folder, home)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  return new Promise((resolve) =>
    child.stdout.once('data', (data: Buffer) =>
      resolve({ child, readyMs: performance.now() - startedAt, address: data.toString().split(' ')[1]?.trim() ?? '' }),
    ),
  )
}

function costOf({ child }: Running): { rssKiB: number; ticks: number } {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(' ')
  return { rssKiB: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]), ticks: Number(fields[13]) + Number(fields[14]) }
}

/** A policy that makes one folder; its package is random, so no compression and no earlier bundle saves it. */
function policy(name: string, packageSize: number): string {
  const made = join(folder, name)
  mkdirSync(join(made, 'packages'), { recursive: true })
  writeFileSync(join(made, 'packages', `${name}.deb`), randomBytes(packageSize))
  const resource = `directory: { path: ${join(folder, 'applied')} }`
  writeFileSync(join(made, 'policy.yaml'), `policy: ${name}\nresources:\n  - ${resource}\n`)
  return made
}

async function stop({ child }: Running): Promise<number> {
  const startedAt = performance.now()
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exited
  return performance.now() - startedAt
}

export async function idleMember(): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'grapevine-bench-'))
  try {
    ask('origin', 'init', '--fleet', 'bench', ...listen)
    const origin = await start('origin')
    const token = ask('origin', 'token', 'create', '--site', 'berlin', '--address', origin.address)
    ask('client', 'join', token, ...listen)
    const client = await start('client')
    ask('origin', 'publish', policy('small', 1_024))
    await sleep(10_000)
    const before = [origin, client].map(costOf)
    await sleep(idleSeconds * 1000)
    const after = [origin, client].map(costOf)
    ask('origin', 'publish', policy('large', packageBytes))
    ask('client', 'wait', '--state', 'applied', '--release', '3')
    await sleep(5_000)
    const used = [origin, client].map(costOf)
    const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
    console.log(`commit ${commit}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`)
    for (const [index, name] of ['origin', 'client'].entries()) {
      const running = [origin, client][index] as Running
      const ticks = (after[index]?.ticks ?? 0) - (before[index]?.ticks ?? 0)
      const [rss, usedRss] = [after, used].map((costs) => ((costs[index]?.rssKiB ?? 0) / 1024).toFixed(0))
      const endMs = (await stop(running)).toFixed(0)
      console.log(
        `${name}: ready after ${running.readyMs.toFixed(0)} ms, ${rss} MiB RSS (${usedRss} MiB after ${packageBytes / 1_048_576} MiB more), ${((ticks * 10) / idleSeconds / 10).toFixed(2)} % CPU idle, ended in ${endMs} ms`,
      )
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * What a member costs while it has nothing to do: time from `run` to `ready`, memory, CPU, and time to end. Real processes of this
 * checkout on loopback: an origin and a client that has applied a policy. Run it with `npm run bench`; docs/measurements.md keeps
 * results with command, commit and machine.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = join(root, 'src/cli/grapevine.js')
const policy = join(root, 'src/cli/demo/policy')
const idleSeconds = 30
const folder = mkdtempSync(join(tmpdir(), 'grapevine-bench-'))
const listen = ['--listen', '/ip4/127.0.0.1/tcp/0']

interface Running {
  readonly child: ChildProcess
  readonly readyMs: number
  readonly address: string
}

const ask = (home: string, ...args: readonly string[]): string =>
  execFileSync(process.execPath, [program, ...args, '--home', join(folder, home)], { encoding: 'utf8' }).trim()

function start(home: string): Promise<Running> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [program, 'run', '--home', join(folder, home)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
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

async function stop({ child }: Running): Promise<number> {
  const startedAt = performance.now()
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exited
  return performance.now() - startedAt
}

try {
  ask('origin', 'init', '--fleet', 'bench', ...listen)
  const origin = await start('origin')
  const token = ask('origin', 'token', 'create', '--site', 'berlin', '--address', origin.address)
  ask('client', 'join', token, ...listen)
  const client = await start('client')
  ask('origin', 'publish', policy)
  await sleep(10_000)
  const before = [origin, client].map(costOf)
  await sleep(idleSeconds * 1000)
  const after = [origin, client].map(costOf)
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
  console.log(`commit ${commit}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`)
  for (const [index, name] of ['origin', 'client'].entries()) {
    const running = [origin, client][index] as Running
    const ticks = (after[index]?.ticks ?? 0) - (before[index]?.ticks ?? 0)
    const rss = ((after[index]?.rssKiB ?? 0) / 1024).toFixed(0)
    const endMs = (await stop(running)).toFixed(0)
    console.log(
      `${name}: ready after ${running.readyMs.toFixed(0)} ms, ${rss} MiB RSS, ${((ticks * 10) / idleSeconds / 10).toFixed(2)} % CPU idle, ended in ${endMs} ms`,
    )
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

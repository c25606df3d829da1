/**
 * What reports take on the line, every header included: the first one of a device with so many packages, and one on a day without news. An
 * origin and a client, real processes, each in a network namespace, one cable between them. The client's `dpkg-query` is a file bound over the real
 * one: real packages of this machine's distribution. As root: `npm run bench -- reports [COUNT…]`; needs `apt-get install iproute2 ethtool`.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Random } from '#base/random.ts'
import { Namespaces, script } from '../testbed/namespaces.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = join(root, 'src/cli/grapevine.js')
const dayMs = 86_400_000
const settleMs = 15_000
/** From the second start of the client to its daily report. */
const quietMs = 45_000
const spanMs = 6_000

interface Bed {
  readonly folder: string
  readonly origin: string
  readonly client: string
}

export async function reports(words: readonly string[], signal: AbortSignal): Promise<void> {
  const counts = words.length > 0 ? words.map(Number) : [0, 863, 3_000]
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
  console.log(`commit ${commit}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`)
  for (const count of counts) await measured(count, signal)
}

async function measured(count: number, signal: AbortSignal): Promise<void> {
  const namespaces = new Namespaces()
  const folder = mkdtempSync(join(tmpdir(), 'grapevine-reports-'))
  const children: ChildProcess[] = []
  try {
    const bed = { folder, origin: await namespaces.add('o'), client: await namespaces.add('c') }
    await wire(bed)
    const { list, real } = packageList(count)
    fakeDpkg(folder, list)
    grapevine(bed, 'origin', 'init', '--fleet', 'bench', '--listen', '/ip4/10.9.0.1/tcp/47100')
    children.push(run(bed, 'origin'))
    await sleep(3_000, undefined, { signal })
    const token = grapevine(
      bed,
      'origin',
      'token',
      'create',
      '--site',
      'berlin',
      '--address',
      '/ip4/10.9.0.1/tcp/47100',
    )
    grapevine(bed, 'client', 'join', token, '--name', 'till', '--listen', '/ip4/10.9.0.2/tcp/47100')
    const before = counted(bed)
    const client = run(bed, 'client')
    children.push(client)
    await sleep(settleMs, undefined, { signal })
    const first = counted(bed) - before
    const [device] = devicesOf(bed)
    const messages = why(bed)
    console.log(
      `${count} packages (${real} of them installed here): ${first} bytes both ways from start to receipt, of them ${messages} of reports; the origin lists ${device?.packages?.length ?? 0}`,
    )
    await stopped(client)
    // The clock of the daemon is that of the machine, so the last report is made to be a day old soon.
    const due = Date.now() + quietMs
    writeFileSync(join(folder, 'client/journal/agent.journal'), dayOld(folder, due - dayMs), { flag: 'a' })
    children.push(run(bed, 'client'))
    const spans: number[] = []
    // Of the spans beside it the least is the one without a beat of the protocol.
    for (const start of [-2, -1, 0, 1, 2].map((span) => due - 500 + span * spanMs)) {
      await sleep(start - Date.now(), undefined, { signal })
      const bytes = counted(bed)
      await sleep(start + spanMs - 500 - Date.now(), undefined, { signal })
      spans.push(counted(bed) - bytes)
    }
    const [seq] = devicesOf(bed).map(({ lastReport }) => lastReport)
    console.log(
      `spans of ${(spanMs - 500) / 1000} s, the third with the daily report and its receipt: ${spans.join(', ')} bytes both ways; last report ${seq}`,
    )
  } finally {
    for (const child of children) if (child.exitCode === null) await stopped(child)
    await namespaces.remove()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function wire({ origin, client }: Bed): Promise<void> {
  await script(
    origin,
    `ip link add cable type veth peer name cable netns ${client}
    ip addr add 10.9.0.1/24 dev cable; ip link set cable up; ethtool -K cable tso off gso off gro off`,
  )
  await script(
    client,
    'ip addr add 10.9.0.2/24 dev cable; ip link set cable up; ethtool -K cable tso off gso off gro off',
  )
}

/** Bytes that crossed the cable, both ways. */
function counted({ client }: Bed): number {
  const read = (which: string): number =>
    Number(execFileSync('ip', ['netns', 'exec', client, 'cat', `/sys/class/net/cable/statistics/${which}_bytes`]))
  return read('rx') + read('tx')
}

function inside({ folder, origin, client }: Bed, who: 'origin' | 'client', args: readonly string[]): string[] {
  const line = `mount --bind ${join(folder, 'dpkg-query')} "$(command -v dpkg-query)"; exec "$0" "$@"`
  return [
    'netns',
    'exec',
    who === 'origin' ? origin : client,
    'unshare',
    '-m',
    'sh',
    '-ec',
    line,
    process.execPath,
    program,
    ...args,
    '--home',
    join(folder, who),
  ]
}

const grapevine = (bed: Bed, who: 'origin' | 'client', ...args: readonly string[]): string =>
  execFileSync('ip', inside(bed, who, args), { encoding: 'utf8' }).trim()

const run = (bed: Bed, who: 'origin' | 'client'): ChildProcess =>
  spawn('ip', inside(bed, who, ['run']), { stdio: ['ignore', 'ignore', 'inherit'] })

const devicesOf = (bed: Bed): { packages: unknown[] | null; lastReport: string }[] =>
  (JSON.parse(grapevine(bed, 'origin', 'fleet', 'till', '--json')) as { devices: ReturnType<typeof devicesOf> }).devices

async function stopped(child: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exited
}

/** Stream payload of reports and receipts, as the client's ledger counts it. */
function why(bed: Bed): number {
  const { control } = JSON.parse(grapevine(bed, 'client', 'why', '--json')) as {
    control: readonly { kind: string; downBytes: number; upBytes: number }[]
  }
  return control
    .filter(({ kind }) => kind === 'reports')
    .reduce((sum, { downBytes, upBytes }) => sum + downBytes + upBytes, 0)
}

/** A journal entry that says that the last report was made then. */
function dayOld(folder: string, at: number): string {
  const lines = readFileSync(join(folder, 'client/journal/agent.journal'), 'utf8').trim().split('\n')
  const entries = lines.map((line) => JSON.parse(line.slice(9)) as { type: string; seq: number })
  const seq = Math.max(...entries.filter(({ type }) => type === 'report').map((entry) => entry.seq))
  const json = JSON.stringify({ type: 'report', seq, at })
  return `${sha256(utf8(json)).slice(0, 8)} ${json}\n`
}

/** Packages of this machine, and as many of its distribution as are lacking; the same draw each time. */
function packageList(count: number): { list: string; real: number } {
  const format = '${db:Status-Abbrev}\\t${Package}\\t${Architecture}\\t${Version}\\n'
  const installed = execFileSync('dpkg-query', ['-W', '-f', format], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line[1] === 'i')
  const lines = new Map(installed.slice(0, count).map((line) => [line.split('\t')[1] ?? '', line]))
  const real = lines.size
  if (lines.size < count) {
    const random = new Random('packages')
    const available = execFileSync('apt-cache', ['dumpavail'], { encoding: 'utf8', maxBuffer: 1e9 }).split('\n\n')
    while (lines.size < count) {
      const text = available[random.below(available.length)] ?? ''
      const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1] ?? ''
      if (field('Package'))
        lines.set(field('Package'), ['ii ', field('Package'), field('Architecture'), field('Version')].join('\t'))
    }
  }
  return { list: [...lines.values()].join('\n'), real }
}

function fakeDpkg(folder: string, list: string): void {
  writeFileSync(join(folder, 'packages'), `${list}\n`)
  writeFileSync(join(folder, 'dpkg-query'), `#!/bin/sh\nexec cat ${join(folder, 'packages')}\n`)
  chmodSync(join(folder, 'dpkg-query'), 0o755)
}

/**
 * Makes the checks of monitors: commands as engines are run, the rest by asking the kernel. A check changes nothing, and always answers
 * within its time; what it is that makes a monitor failing is not decided here.
 */
import { stat, statfs, access } from 'node:fs/promises'
import { connect } from 'node:net'
import { loadavg } from 'node:os'
import { unreachable } from '#base/assert.ts'
import { codeOf, messageOf } from '#base/errors.ts'
import { monitorSaidMax, type MonitorOutcome, type MonitorResult } from '#facts/monitor.ts'
import type { DiskFree, Monitor, MonitorCheck } from '#policy/model.ts'
import { runCommand } from './command.ts'

/** So many checks at a time: a policy with many must not take the machine for itself. */
const atOnceMax = 4
const outputBytesMax = 4096
/** `service NAME status`: its script is not there (LSB). */
const notInstalled = 4

export interface CheckTime {
  /** Milliseconds since 1970. */
  readonly now: number
  /** Ends checks early; they are then `unknown`. */
  readonly signal?: AbortSignal
}

interface Seen {
  readonly outcome: MonitorOutcome
  readonly said: string
}

/** All of them once, now, a few at a time; one result each, in their order. Never throws for what a check finds. */
export async function checkMonitors(monitors: readonly Monitor[], at: CheckTime): Promise<MonitorResult[]> {
  const results: MonitorResult[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let index = next++; index < monitors.length; index = next++) {
      const monitor = monitors[index]
      if (monitor) results[index] = await checkMonitor(monitor, at)
    }
  }
  await Promise.all(Array.from({ length: atOnceMax }, work))
  return results
}

/** One run of one check. */
export async function checkMonitor({ name, check, timeoutMs }: Monitor, at: CheckTime): Promise<MonitorResult> {
  // A program is waited for until it has ended, also when it is ended by us.
  const isProgram = check.type === 'command' || check.type === 'service'
  try {
    const seen = look(check, timeoutMs, at)
    const { outcome, said } = await (isProgram ? seen : within(timeoutMs, at.signal, seen))
    return { name, outcome, said: shortened(said) }
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return { name, outcome: 'unknown', said: shortened(messageOf(error)) }
  }
}

function look(check: MonitorCheck, timeoutMs: number, { now, signal }: CheckTime): Promise<Seen> {
  switch (check.type) {
    case 'command':
      return command('/bin/sh', ['-c', check.run], timeoutMs, signal)
    case 'disk':
      return disk(check.path, check.free)
    case 'load':
      return Promise.resolve(load(check.max))
    case 'service':
      return service(check.name, timeoutMs, signal)
    case 'port':
      return port(check.host, check.port, timeoutMs)
    case 'file':
      return file(check.path, check.youngerThanMs, now)
    default:
      return unreachable(check)
  }
}

async function command(
  program: string,
  args: readonly string[],
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Seen & { readonly exitCode?: number | undefined }> {
  const result = await runCommand({
    file: program,
    args,
    timeoutMs,
    ...(signal && { signal }),
    cwd: '/',
    outputBytesMax,
  })
  const { exitCode } = result
  if (result.missing) return { outcome: 'unknown', said: `${program} is not here` }
  if (result.cancelled) return { outcome: 'unknown', said: 'stopped before its end' }
  if (result.timedOut) return { outcome: 'fail', said: late(timeoutMs) }
  const words = result.output.trim().split('\n').at(-1) ?? ''
  if (exitCode === 0) return { outcome: 'pass', said: words, exitCode }
  const end = exitCode === undefined ? `ended by ${result.killedBy ?? 'a signal'}` : `exit code ${exitCode}`
  return { outcome: 'fail', said: words === '' ? end : `${end}: ${words}`, exitCode }
}

/** Free as df counts it: of what programs may use. */
async function disk(path: string, free: DiskFree): Promise<Seen> {
  let system
  try {
    system = await statfs(path)
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return { outcome: 'fail', said: `${path}: ${messageOf(error)}` }
  }
  const { bavail, bsize, blocks, bfree } = system
  const freeBytes = bavail * bsize
  const usable = blocks - bfree + bavail
  const percent = usable === 0 ? 100 : (100 * bavail) / usable
  const isEnough = free.type === 'percent' ? percent >= free.least : freeBytes >= free.least
  const said = `${percent.toFixed(1)} % of ${path} free, ${(freeBytes / 2 ** 30).toFixed(1)} GiB`
  return { outcome: isEnough ? 'pass' : 'fail', said }
}

function load(max: number): Seen {
  const [, five = 0] = loadavg()
  return { outcome: five <= max ? 'pass' : 'fail', said: `load ${five.toFixed(2)}` }
}

/** As the compiled policy asks it (policy/compile/script.ts). */
async function service(name: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<Seen> {
  const hasSystemd = await isThere('/run/systemd/system')
  const seen = hasSystemd
    ? await command('systemctl', ['is-active', '--', name], timeoutMs, signal)
    : await command('service', [name, 'status'], timeoutMs, signal)
  if (seen.outcome === 'pass') return { outcome: 'pass', said: 'running' }
  if (seen.outcome === 'unknown') return seen
  const isAbsent = seen.exitCode === notInstalled || /unrecognized service/.test(seen.said)
  return { outcome: 'fail', said: isAbsent ? 'there is no such service' : `not running, ${seen.said}` }
}

function port(host: string, number: number, timeoutMs: number): Promise<Seen> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: number, timeout: timeoutMs })
    const done = (outcome: MonitorOutcome, said: string): void => {
      socket.destroy()
      resolve({ outcome, said })
    }
    socket.on('connect', () => done('pass', `${host}:${number} answers`))
    socket.on('timeout', () => done('fail', late(timeoutMs)))
    // Two addresses of one name are two errors in one, without a message.
    socket.on('error', (error) => done('fail', error.message === '' ? `no answer: ${codeOf(error)}` : error.message))
  })
}

async function file(path: string, youngerThanMs: number, now: number): Promise<Seen> {
  try {
    const ageMs = now - (await stat(path)).mtimeMs
    const said = `written ${ageText(ageMs)} ago`
    return { outcome: ageMs < youngerThanMs ? 'pass' : 'fail', said }
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return { outcome: 'fail', said: codeOf(error) === 'ENOENT' ? `${path} is not there` : messageOf(error) }
  }
}

/** A network file system that is gone lets no look end; what hangs then is one thread of few, and the answer comes all the same. */
async function within(ms: number, signal: AbortSignal | undefined, seen: Promise<Seen>): Promise<Seen> {
  const { promise, resolve } = Promise.withResolvers<Seen>()
  const stop = (): void => resolve({ outcome: 'unknown', said: 'stopped before its end' })
  if (signal?.aborted) stop()
  signal?.addEventListener('abort', stop, { once: true })
  const timer = setTimeout(() => resolve({ outcome: 'fail', said: late(ms) }), ms)
  try {
    return await Promise.race([promise, seen])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}

const late = (ms: number): string => `no answer within ${ms / 1000} s`

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

function ageText(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  return minutes < 120
    ? `${minutes} min`
    : minutes < 2880
      ? `${Math.round(minutes / 60)} h`
      : `${Math.round(minutes / 1440)} d`
}

/** One line, without what would steer a terminal. */
function shortened(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim()
  return line.length <= monitorSaidMax ? line : `${line.slice(0, monitorSaidMax - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}

/**
 * Runs one program: the only call of execa in the house. It has a clean environment, nothing on stdin, a process group of its own and a
 * bounded output; at its time or at the caller's signal its group and those of its descendants are ended (SIGTERM, two seconds later
 * SIGKILL).
 */
import { execa } from 'execa'
import { homedir } from 'node:os'
import { endGroup, groupsBelow } from './process-tree.ts'

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  /** Beside PATH, LANG and HOME. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Of stdout and stderr together; beyond it the middle is left out. */
  readonly outputBytesMax: number
}

export interface CommandResult {
  /** Undefined where a signal ended it, or it never began. */
  readonly exitCode: number | undefined
  /** The signal that ended it, if one did: `SIGBUS`. */
  readonly killedBy: string | undefined
  /** stdout and stderr as they came. */
  readonly output: string
  readonly timedOut: boolean
  readonly cancelled: boolean
  /** There is no such program, or it may not be executed. */
  readonly missing: boolean
}

/** Folders that a daemon's PATH may lack. */
export const programFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

const killDelayMs = 2000

/** Never throws for what the program does. Resolves when the program has ended and, if it was ended by us, its descendants too. */
export async function runCommand(command: Command): Promise<CommandResult> {
  // execa starts the program before it looks at the signal, and a quick one is done before it is ended.
  if (command.signal?.aborted)
    return { exitCode: undefined, killedBy: undefined, output: '', timedOut: false, cancelled: true, missing: false }
  const kept = new BoundedOutput(command.outputBytesMax)
  const stop = new AbortController()
  const subprocess = execa(command.file, [...command.args], {
    reject: false,
    buffer: false,
    all: true,
    stdin: 'ignore',
    extendEnv: false,
    env: { PATH: programFolders.join(':'), LANG: 'C.UTF-8', HOME: homedir(), ...command.env },
    cancelSignal: stop.signal,
    killDescendants: true,
    forceKillAfterDelay: killDelayMs,
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
  })
  let endings: Promise<void>[] = []
  let endedBy: 'time' | 'caller' | undefined
  const end = (why: 'time' | 'caller'): void => {
    if (endedBy) return
    endedBy = why
    // At once: who holds the pipe of its output holds up its end.
    endings = subprocess.pid === undefined ? [] : groupsBelow(subprocess.pid).map((group) => endGroup(group))
    stop.abort()
  }
  const endForCaller = (): void => end('caller')
  const timer = setTimeout(() => end('time'), command.timeoutMs)
  command.signal?.addEventListener('abort', endForCaller, { once: true })
  subprocess.all.on('data', (chunk: Buffer) => kept.add(chunk))
  const result = await subprocess
  clearTimeout(timer)
  command.signal?.removeEventListener('abort', endForCaller)
  // A descendant that ignores SIGTERM outlives its leader, and execa stops at the leader's end.
  if (result.isCanceled && subprocess.pid !== undefined) killGroup(subprocess.pid)
  await Promise.all(endings)
  return {
    exitCode: result.exitCode,
    killedBy: result.signal,
    output: kept.text(),
    timedOut: result.isCanceled && endedBy === 'time',
    cancelled: result.isCanceled && endedBy === 'caller',
    missing: result.code === 'ENOENT' || result.code === 'EACCES',
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nobody of the group is left.
  }
}

/** The first and the last half of what comes, so that neither the cause nor the end is lost. */
class BoundedOutput {
  readonly #halfMax: number
  readonly #head: Buffer[] = []
  #headBytes = 0
  #tail: Buffer[] = []
  #tailBytes = 0
  #leftOut = 0

  constructor(bytesMax: number) {
    this.#halfMax = Math.ceil(bytesMax / 2)
  }

  add(chunk: Buffer): void {
    const room = Math.min(chunk.length, this.#halfMax - this.#headBytes)
    if (room > 0) {
      this.#head.push(chunk.subarray(0, room))
      this.#headBytes += room
    }
    if (room < chunk.length) this.#addToTail(chunk.subarray(room))
  }

  text(): string {
    const note = this.#leftOut > 0 ? [Buffer.from(`\n[${this.#leftOut} bytes left out]\n`)] : []
    return Buffer.concat([...this.#head, ...note, ...this.#tail]).toString('utf8')
  }

  #addToTail(chunk: Buffer): void {
    this.#tail.push(chunk)
    this.#tailBytes += chunk.length
    // Joined only at twice the size: each byte is copied a bounded number of times.
    if (this.#tailBytes <= this.#halfMax * 2) return
    const whole = Buffer.concat(this.#tail)
    this.#leftOut += whole.length - this.#halfMax
    this.#tail = [Buffer.from(whole.subarray(whole.length - this.#halfMax))]
    this.#tailBytes = this.#halfMax
  }
}

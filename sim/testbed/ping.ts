/** A ping beside a transfer: what the line costs somebody else who uses it. Round trips before, under load and after, in ms. */
import { spawn, type ChildProcess } from 'node:child_process'
import { originIp } from './network.ts'

export interface PingResult {
  readonly before: Spread
  readonly loaded: Spread
  readonly lost: number
}

interface Spread {
  readonly count: number
  readonly medianMs: number
  readonly p95Ms: number
  readonly maxMs: number
}

type Stretch = 'before' | 'loaded' | 'after'

export class Ping {
  readonly #child: ChildProcess
  readonly #times = new Map<Stretch, number[]>()
  #stretch: Stretch = 'before'
  #sent = 0

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.on('data', (data: Buffer) => {
      for (const [, sequence, ms] of data.toString().matchAll(/icmp_seq=(\d+).*time=([\d.]+) ms/g)) {
        this.#sent = Math.max(this.#sent, Number(sequence))
        this.#times.set(this.#stretch, [...(this.#times.get(this.#stretch) ?? []), Number(ms)])
      }
    })
  }

  /** From a router to the origin's machine. */
  static start(enter: readonly string[], { interval }: { readonly interval: number }): Ping {
    const [file, ...args] = [...enter, 'ping', '-i', String(interval / 1000), originIp]
    return new Ping(spawn(file, args, { stdio: ['ignore', 'pipe', 'ignore'] }))
  }

  mark(stretch: Stretch): void {
    this.#stretch = stretch
  }

  async end(): Promise<PingResult> {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGINT')
    await exited
    const received = [...this.#times.values()].reduce((sum, times) => sum + times.length, 0)
    return { before: this.#spread('before'), loaded: this.#spread('loaded'), lost: this.#sent - received }
  }

  #spread(stretch: Stretch): Spread {
    const times = [...(this.#times.get(stretch) ?? [])].sort((a, b) => a - b)
    const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? NaN
    return { count: times.length, medianMs: at(0.5), p95Ms: at(0.95), maxMs: at(1) }
  }
}

/**
 * Virtual time: one queue of events and the only scheduler of a simulated run. Time is in whole microseconds. Two events of one
 * instant are ordered by (receiver, sender, the sender's own count), never by who was inserted first, so that an added trace or
 * member does not shift the others.
 */
import { instant, type Instant } from '#base/time.ts'

interface Event {
  readonly atUs: number
  readonly to: number
  readonly from: number
  readonly count: number
  readonly run: () => void
}

export class World {
  readonly #startMs: number
  readonly #heap: Event[] = []
  readonly #counts = new Map<number, number>()
  #nowUs = 0
  /** Events that have happened. */
  events = 0

  constructor(start: Instant) {
    this.#startMs = start
  }

  /** Microseconds since the start of the run. */
  get nowUs(): number {
    return this.#nowUs
  }

  /** The time as members see it. */
  get now(): Instant {
    return instant(this.#startMs + Math.floor(this.#nowUs / 1000))
  }

  /** When a member's time of waking comes, in microseconds of the run; never before now. */
  usOf(time: Instant): number {
    return Math.max(this.#nowUs, (time - this.#startMs) * 1000)
  }

  /** Lets `run` happen at a time, from member `from` to member `to` (their numbers). */
  at(atUs: number, from: number, to: number, run: () => void): void {
    const count = (this.#counts.get(from) ?? 0) + 1
    this.#counts.set(from, count)
    this.#push({ atUs: Math.max(this.#nowUs, Math.ceil(atUs)), to, from, count, run })
  }

  /** Runs until nothing is left, `untilUs` is reached, or `done` says so; true where `done` said so. */
  run(untilUs: number, done: () => boolean = () => false): boolean {
    while (this.#heap.length > 0) {
      if (done()) return true
      const next = this.#heap[0]
      if (!next || next.atUs > untilUs) break
      this.#pop()
      this.#nowUs = next.atUs
      this.events++
      next.run()
    }
    // What was waited for came with the last event: time stands where it happened.
    if (done()) return true
    this.#nowUs = Math.max(this.#nowUs, Math.min(untilUs, Number.MAX_SAFE_INTEGER))
    return false
  }

  #push(event: Event): void {
    const heap = this.#heap
    let index = heap.push(event) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (isBefore(heap[parent] as Event, event)) break
      heap[index] = heap[parent] as Event
      index = parent
    }
    heap[index] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (!last || heap.length === 0) return
    let index = 0
    for (let child = 1; child < heap.length; child = 2 * index + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++
      if (isBefore(last, heap[child] as Event)) break
      heap[index] = heap[child] as Event
      index = child
    }
    heap[index] = last
  }
}

function isBefore(a: Event, b: Event): boolean {
  if (a.atUs !== b.atUs) return a.atUs < b.atUs
  if (a.to !== b.to) return a.to < b.to
  if (a.from !== b.from) return a.from < b.from
  return a.count < b.count
}

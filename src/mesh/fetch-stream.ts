/**
 * Bulk: chunks asked for and answered on one long-lived stream per link and direction, so that control messages never wait behind them.
 * This is the asking side; `serve-stream.ts` is the other one. A frame begins with its kind and the asker's number:
 *
 *   asker    1 ask     number u32be, content 32 bytes, first u32be, count u16be, sketch (none: 0 bytes)
 *            2 cancel  number u32be
 *   server   3 chunk   number u32be, index u32be, bytes
 *            4 end     number u32be, code (empty: done)
 *            5 patch   number u32be, index u32be, bytes; in place of a chunk, where the ask had a sketch
 */
import type { Stream } from '@libp2p/interface'
import { fromHex } from '#base/bytes.ts'
import type { ChunkForm, ChunkRun, FetchEnd, OnChunk } from '#protocol/link.ts'
import { FrameSplitter, frameOf } from './frames.ts'
import { openWindowByHalves } from './window.ts'

export const kinds = { ask: 1, cancel: 2, chunk: 3, end: 4, patch: 5 } as const
/** Asks of one neighbour that are not answered yet; more wait here, and a neighbour that sends more loses the link. */
export const asksMax = 64
/** A chunk of 64 KiB with its head. */
const frameBytesMax = 65_536 + 64
/** Chunks that came and are not stored yet: beyond this the stream is paused, and the sender stops. */
const backlogBytesMax = 1_048_576
/** No chunk of an outstanding ask for this long: the neighbour has stalled. */
const stallMs = 30_000

interface Fetch {
  readonly number: number
  readonly run: ChunkRun
  readonly sketch: Uint8Array | undefined
  readonly onChunk: OnChunk
  readonly end: (end: FetchEnd) => void
  /** All that came so far is stored. */
  stored: Promise<void>
  /** The lowest index that may come now: chunks come in order. */
  next: number
  alive: number
  /** How it ended, where it did. */
  over: FetchEnd | undefined
}

export class Asker {
  readonly #stream: Stream
  readonly #closed: () => void
  /** Asked, and not ended yet. */
  readonly #asked = new Map<number, Fetch>()
  /** Not asked yet, in order. */
  readonly #waiting = new Set<Fetch>()
  readonly #watch: NodeJS.Timeout
  #next = 1
  #backlog = 0
  #isPaused = false
  #isClosed = false

  /** `breach` is told of what no honest neighbour sends, `closed` once when this stream is of no use any more. */
  constructor(stream: Stream, breach: (what: string) => void, closed: () => void) {
    this.#stream = stream
    this.#closed = closed
    openWindowByHalves(stream)
    const splitter = new FrameSplitter(frameBytesMax)
    stream.addEventListener('message', (event) => {
      const frames = splitter.push(event.data)
      if (!frames) return breach('FRAME_TOO_LARGE')
      for (const frame of frames) if (!this.#isClosed && !this.#take(frame)) return breach('FETCH_FRAME_INVALID')
    })
    stream.addEventListener('close', () => this.close())
    this.#watch = setInterval(() => this.#dropStalled(), stallMs / 3).unref()
    if (stream.status !== 'open') this.close()
  }

  fetch(run: ChunkRun, onChunk: OnChunk, signal: AbortSignal, sketch?: Uint8Array): Promise<FetchEnd> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve('cancelled')
      if (this.#isClosed) return resolve('failed')
      const cancel = (): void => this.#giveUp(fetch, 'cancelled')
      const fetch: Fetch = {
        number: this.#next++,
        run,
        sketch,
        onChunk,
        stored: Promise.resolve(),
        next: run.first,
        alive: performance.now(),
        over: undefined,
        end: (end) => {
          if (fetch.over) return
          fetch.over = end
          this.#asked.delete(fetch.number)
          this.#waiting.delete(fetch)
          signal.removeEventListener('abort', cancel)
          // The chunks that came before the end are stored before it is told.
          void fetch.stored.then(
            () => resolve(end),
            () => resolve(end === 'cancelled' ? end : 'failed'),
          )
          this.#askNext()
        },
      }
      signal.addEventListener('abort', cancel, { once: true })
      this.#waiting.add(fetch)
      this.#askNext()
    })
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    clearInterval(this.#watch)
    for (const fetch of [...this.#asked.values(), ...this.#waiting]) fetch.end('failed')
    this.#closed()
  }

  #askNext(): void {
    for (const fetch of this.#waiting) {
      if (this.#isClosed || this.#asked.size >= asksMax) return
      this.#waiting.delete(fetch)
      this.#asked.set(fetch.number, fetch)
      fetch.alive = performance.now()
      const place = new Uint8Array(6)
      const view = new DataView(place.buffer)
      view.setUint32(0, fetch.run.first)
      view.setUint16(4, fetch.run.count)
      const content = fromHex(fetch.run.content) ?? new Uint8Array()
      const sketch = fetch.sketch ?? new Uint8Array()
      if (!sendFrame(this.#stream, kinds.ask, fetch.number, content, place, sketch)) fetch.end('failed')
    }
  }

  #take(frame: Uint8Array): boolean {
    if (frame.byteLength < 5) return false
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    const fetch = this.#asked.get(view.getUint32(1))
    if (frame[0] === kinds.end) {
      fetch?.end(frame.byteLength === 5 ? 'done' : 'denied')
      return true
    }
    const isPatch = frame[0] === kinds.patch
    if ((!isPatch && frame[0] !== kinds.chunk) || frame.byteLength < 9) return false
    if (!fetch) return true // Given up: what was on its way is dropped.
    const index = view.getUint32(5)
    if (index < fetch.next || index >= fetch.run.first + fetch.run.count) return false
    if (isPatch && !fetch.sketch) return false
    fetch.next = index + 1
    fetch.alive = performance.now()
    this.#handOver(fetch, index, frame.subarray(9), isPatch ? 'patch' : 'whole')
    return true
  }

  /** At once: whoever stores chunks gathers what comes while a write runs. How many may wait is said by `#hold`. */
  #handOver(fetch: Fetch, index: number, bytes: Uint8Array, form: ChunkForm): void {
    this.#hold(bytes.byteLength)
    const stored = fetch.onChunk(index, bytes, form).finally(() => this.#hold(-bytes.byteLength))
    stored.catch(() => this.#giveUp(fetch, 'failed'))
    fetch.stored = fetch.stored.then(() => stored)
    fetch.stored.catch(() => {})
  }

  /** Ends a fetch of ours before its end came, and lets the server know. */
  #giveUp(fetch: Fetch, end: FetchEnd): void {
    if (this.#asked.has(fetch.number)) sendFrame(this.#stream, kinds.cancel, fetch.number)
    fetch.end(end)
  }

  /**
   * Back-pressure: while much waits to be stored, nothing more is read, and the window of the muxer stops the sender. Applied in a
   * task of its own: `resume()` hands over bytes before it opens the window, and would undo a `pause()` made meanwhile (libp2p 3.3).
   */
  #hold(bytes: number): void {
    this.#backlog += bytes
    const isFull = this.#backlog > (this.#isPaused ? backlogBytesMax / 2 : backlogBytesMax)
    if (isFull === this.#isPaused) return
    this.#isPaused = isFull
    queueMicrotask(() => {
      if (this.#isClosed || this.#stream.readStatus === 'closing' || this.#stream.readStatus === 'closed') return
      if (this.#isPaused) this.#stream.pause()
      else this.#stream.resume()
    })
  }

  #dropStalled(): void {
    const now = performance.now()
    for (const fetch of this.#asked.values()) {
      // While we ourselves do not read, nobody stalls but us.
      if (this.#isPaused) fetch.alive = now
      else if (fetch.alive < now - stallMs) this.#giveUp(fetch, 'failed')
    }
  }
}

export function headOf(kind: number, number: number): Uint8Array {
  const head = new Uint8Array(5)
  head[0] = kind
  new DataView(head.buffer).setUint32(1, number)
  return head
}

/** False where the stream is closed already. */
export function sendFrame(stream: Stream, kind: number, number: number, ...parts: readonly Uint8Array[]): boolean {
  if (stream.status !== 'open' || stream.writeStatus !== 'writable') return false
  stream.send(frameOf(headOf(kind, number), ...parts))
  return true
}

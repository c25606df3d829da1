/**
 * Bulk: chunks asked for and answered on one long-lived stream per link and direction, so that control messages never wait behind them.
 * A frame begins with its kind and the asker's number:
 *
 *   asker    1 ask     number u32be, content 32 bytes, first u32be, count u16be
 *            2 cancel  number u32be
 *   server   3 chunk   number u32be, index u32be, bytes
 *            4 end     number u32be, code (empty: done)
 */
import { setImmediate as immediate } from 'node:timers/promises'
import { once } from 'node:events'
import type { Stream } from '@libp2p/interface'
import { concatBytes, fromHex, toHex, utf8 } from '#base/bytes.ts'
import type { Digest } from '#base/digest.ts'
import type { ChunkRun, FetchEnd } from '#protocol/link.ts'
import { runChunksMax } from '#protocol/params.ts'
import { FrameSplitter, frameOf } from './frames.ts'

const kinds = { ask: 1, cancel: 2, chunk: 3, end: 4 } as const
/** A chunk of 64 KiB with its head. */
const frameBytesMax = 65_536 + 64
/** Asks of one neighbour that are not answered yet. */
const asksMax = 64
/** Chunks that came and are not stored yet: beyond this the stream is paused, and the sender stops. */
const backlogBytesMax = 1_048_576
/** No byte of an outstanding ask for this long: the neighbour has stalled. */
const stallMs = 30_000

interface Fetch {
  readonly onChunk: (index: number, bytes: Uint8Array) => Promise<void>
  readonly end: (end: FetchEnd) => void
  queue: Promise<void>
  alive: number
}

/** The asking side of a link. */
export class Asker {
  readonly #stream: Stream
  readonly #fetches = new Map<number, Fetch>()
  readonly #watch: NodeJS.Timeout
  #next = 1
  #backlog = 0

  constructor(stream: Stream, breach: (what: string) => void) {
    this.#stream = stream
    const splitter = new FrameSplitter(frameBytesMax)
    stream.addEventListener('message', (event) => {
      const frames = splitter.push(event.data.subarray())
      if (!frames) return breach('FRAME_TOO_LARGE')
      for (const frame of frames) if (!this.#take(frame)) return breach('FETCH_FRAME_INVALID')
    })
    stream.addEventListener('close', () => this.close())
    this.#watch = setInterval(() => this.#dropStalled(), stallMs / 3).unref()
  }

  fetch(run: ChunkRun, onChunk: Fetch['onChunk'], signal: AbortSignal): Promise<FetchEnd> {
    const number = this.#next++
    return new Promise((resolve) => {
      const fetch: Fetch = {
        onChunk,
        queue: Promise.resolve(),
        alive: performance.now(),
        end: (end) => {
          if (!this.#fetches.delete(number)) return
          signal.removeEventListener('abort', cancel)
          // The chunks that came before the end are handed over before it.
          void fetch.queue.then(
            () => resolve(end),
            () => resolve('failed'),
          )
        },
      }
      const cancel = (): void => {
        this.#send(kinds.cancel, number)
        fetch.end('cancelled')
      }
      this.#fetches.set(number, fetch)
      if (signal.aborted) return cancel()
      signal.addEventListener('abort', cancel, { once: true })
      const place = new Uint8Array(6)
      const view = new DataView(place.buffer)
      view.setUint32(0, run.first)
      view.setUint16(4, run.count)
      if (!this.#send(kinds.ask, number, fromHex(run.content) ?? new Uint8Array(), place)) fetch.end('failed')
    })
  }

  close(): void {
    clearInterval(this.#watch)
    for (const fetch of this.#fetches.values()) fetch.end('failed')
  }

  #take(frame: Uint8Array): boolean {
    if (frame.byteLength < 5) return false
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    const fetch = this.#fetches.get(view.getUint32(1))
    if (frame[0] === kinds.end) {
      fetch?.end(frame.byteLength === 5 ? 'done' : 'denied')
      return true
    }
    if (frame[0] !== kinds.chunk || frame.byteLength < 9) return false
    if (!fetch) return true // Cancelled: what was on its way is dropped.
    fetch.alive = performance.now()
    const index = view.getUint32(5)
    // A copy: a stored chunk must not keep the whole network buffer alive.
    const bytes = frame.slice(9)
    this.#hold(bytes.byteLength)
    fetch.queue = fetch.queue.then(() => fetch.onChunk(index, bytes)).finally(() => this.#hold(-bytes.byteLength))
    fetch.queue.catch(() => fetch.end('failed'))
    return true
  }

  /** Back-pressure: while much waits to be stored, nothing more is read, and the window of the muxer stops the sender. */
  #hold(bytes: number): void {
    const wasFull = this.#backlog > backlogBytesMax
    this.#backlog += bytes
    const isFull = this.#backlog > backlogBytesMax
    if (isFull !== wasFull && this.#stream.status === 'open') {
      if (isFull) this.#stream.pause()
      else this.#stream.resume()
    }
  }

  #dropStalled(): void {
    const oldest = performance.now() - stallMs
    for (const fetch of this.#fetches.values()) if (fetch.alive < oldest) fetch.end('failed')
  }

  #send(kind: number, number: number, ...parts: readonly Uint8Array[]): boolean {
    return sendFrame(this.#stream, kind, number, ...parts)
  }
}

/** The serving side of a link. */
export class Server {
  readonly #stream: Stream
  /** Our ask number by the asker's number. */
  readonly #open = new Map<number, number>()

  constructor(
    stream: Stream,
    asked: (run: ChunkRun, number: number) => number,
    breach: (what: string) => void,
    isAdmitted: () => boolean,
  ) {
    this.#stream = stream
    const splitter = new FrameSplitter(256)
    stream.addEventListener('message', (event) => {
      const frames = splitter.push(event.data.subarray())
      if (!frames) return breach('FRAME_TOO_LARGE')
      for (const frame of frames) {
        const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
        if (frame.byteLength === 5 && frame[0] === kinds.cancel) this.#open.delete(view.getUint32(1))
        else if (frame.byteLength !== 43 || frame[0] !== kinds.ask) return breach('FETCH_FRAME_INVALID')
        else {
          const number = view.getUint32(1)
          const run = {
            content: toHex(frame.subarray(5, 37)) as Digest,
            first: view.getUint32(37),
            count: view.getUint16(41),
          }
          if (run.count < 1 || run.count > runChunksMax || this.#open.size >= asksMax || this.#open.has(number))
            return breach('FETCH_FRAME_INVALID')
          if (!isAdmitted()) sendFrame(stream, kinds.end, number, utf8('NOT_ADMITTED'))
          else {
            this.#open.set(number, 0)
            this.#open.set(number, asked(run, number))
          }
        }
      }
    })
    stream.addEventListener('close', () => this.#open.clear())
  }

  /** Sends one chunk; resolves when there is room for the next one, rejects when nobody waits for it any more. */
  async answer(number: number, index: number, bytes: Uint8Array): Promise<void> {
    if (!this.#open.has(number) || this.#stream.status !== 'open') throw new TypeError('the asker is gone')
    const place = new Uint8Array(4)
    new DataView(place.buffer).setUint32(0, index)
    if (this.#stream.send(chunkFrame(number, place, bytes))) return
    // The `drain` event, not `onDrain()`: that one resolves at once after its first time (libp2p 3.3). And a breath after it, or
    // this stream would starve all others of the connection.
    await Promise.race([once(this.#stream as never, 'drain'), once(this.#stream as never, 'close')])
    await immediate()
  }

  finish(number: number, denied?: string): void {
    if (!this.#open.delete(number)) return
    sendFrame(this.#stream, kinds.end, number, ...(denied === undefined ? [] : [utf8(denied)]))
  }
}

function chunkFrame(number: number, place: Uint8Array, bytes: Uint8Array): Uint8Array {
  return frameOf(headOf(kinds.chunk, number), place, bytes)
}

function headOf(kind: number, number: number): Uint8Array {
  const head = new Uint8Array(5)
  head[0] = kind
  new DataView(head.buffer).setUint32(1, number)
  return head
}

/** False where the stream is closed already. */
function sendFrame(stream: Stream, kind: number, number: number, ...parts: readonly Uint8Array[]): boolean {
  if (stream.status !== 'open') return false
  stream.send(frameOf(headOf(kind, number), concatBytes(...parts)))
  return true
}

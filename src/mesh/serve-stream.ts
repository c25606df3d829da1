/**
 * The serving side of a fetch stream (frames: fetch-stream.ts). It reads asks of an admitted neighbour, and sends chunks no faster than
 * the neighbour reads them; it never holds more than a few chunks in memory.
 */
import { setImmediate as immediate } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'
import { toHex, utf8 } from '#base/bytes.ts'
import type { Digest } from '#base/digest.ts'
import { Unavailable } from '#base/errors.ts'
import type { ChunkForm, ChunkRun } from '#protocol/link.ts'
import { runChunksMax, sketchBytesMax } from '#protocol/params.ts'
import { asksMax, headOf, kinds, sendFrame } from './fetch-stream.ts'
import { FrameSplitter, frameOf } from './frames.ts'

export interface ServerInit {
  readonly stream: Stream
  /** Where the neighbour stands with us now. */
  readonly standing: () => 'stranger' | 'admitted' | 'ended'
  /** Gives an ask its number in this process. */
  readonly enter: (server: Server, number: number) => number
  readonly asked: (ask: number, run: ChunkRun, sketch: Uint8Array | undefined) => void
  /** Cancelled, finished or cut off: nobody waits for this ask any more. */
  readonly left: (ask: number) => void
  readonly breach: (what: string) => void
}

/** An ask without a sketch, from its kind on. */
const askBytes = 43
const askBytesMax = askBytes + sketchBytesMax
/** With this much unsent, the next chunk waits. */
const unsentBytesMax = 262_144

export class Server {
  readonly #init: ServerInit
  /** Our number of an ask by the asker's. */
  readonly #open = new Map<number, number>()
  #drain: PromiseWithResolvers<void> | undefined

  constructor(init: ServerInit) {
    this.#init = init
    const { stream, breach, standing } = init
    const splitter = new FrameSplitter(askBytesMax)
    stream.addEventListener('message', (event) => {
      const frames = splitter.push(event.data)
      if (!frames) return breach('FRAME_TOO_LARGE')
      for (const frame of frames) if (standing() !== 'ended' && !this.#take(frame)) return breach('FETCH_FRAME_INVALID')
    })
    stream.addEventListener('drain', () => this.#wake())
    stream.addEventListener('close', () => this.close())
    // Who asks no more waits for no more: the stream is closed as a whole.
    stream.addEventListener('remoteCloseWrite', () => stream.abort(new TypeError('half a fetch stream')))
  }

  /** Sends one chunk; resolves when there is room for the next one, Unavailable ASKER_GONE when nobody waits for it any more. */
  async answer(number: number, index: number, bytes: Uint8Array, form: ChunkForm): Promise<void> {
    const { stream } = this.#init
    while (this.#isOpen(number) && stream.writeBufferLength >= unsentBytesMax) await this.#drained()
    if (!this.#isOpen(number)) throw askerGone()
    const place = new Uint8Array(4)
    new DataView(place.buffer).setUint32(0, index)
    if (stream.send(frameOf(headOf(form === 'patch' ? kinds.patch : kinds.chunk, number), place, bytes))) return
    await this.#drained()
    if (!this.#isOpen(number)) throw askerGone()
  }

  finish(number: number, denied?: string): void {
    if (!this.#open.has(number)) return
    this.#leave(number)
    sendFrame(this.#init.stream, kinds.end, number, ...(denied === undefined ? [] : [utf8(denied)]))
  }

  close(): void {
    for (const number of this.#open.keys()) this.#leave(number)
    this.#wake()
  }

  #take(frame: Uint8Array): boolean {
    const { stream, standing, enter, asked } = this.#init
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    if (frame.byteLength === 5 && frame[0] === kinds.cancel) {
      this.#leave(view.getUint32(1))
      return true
    }
    if (frame.byteLength < askBytes || frame[0] !== kinds.ask) return false
    const number = view.getUint32(1)
    const content = toHex(frame.subarray(5, 37)) as Digest
    const run = { content, first: view.getUint32(37), count: view.getUint16(41) }
    if (run.count < 1 || run.count > runChunksMax || this.#open.size >= asksMax || this.#open.has(number)) return false
    if (standing() !== 'admitted') {
      sendFrame(stream, kinds.end, number, utf8('NOT_ADMITTED'))
      return true
    }
    const ask = enter(this, number)
    this.#open.set(number, ask)
    // A copy: a sketch that waits must not keep the whole network buffer alive.
    asked(ask, run, frame.byteLength > askBytes ? new Uint8Array(frame.subarray(askBytes)) : undefined)
    return true
  }

  #leave(number: number): void {
    const ask = this.#open.get(number)
    if (ask === undefined) return
    this.#open.delete(number)
    this.#init.left(ask)
  }

  #isOpen(number: number): boolean {
    const { status, writeStatus } = this.#init.stream
    return this.#open.has(number) && status === 'open' && writeStatus === 'writable'
  }

  /**
   * The `drain` event, not `onDrain()`: that one resolves at once after its first time (libp2p 3.3). And a breath after it, or this
   * stream would starve all others of the connection.
   */
  async #drained(): Promise<void> {
    this.#drain ??= Promise.withResolvers<void>()
    await this.#drain.promise
    await immediate()
  }

  #wake(): void {
    this.#drain?.resolve()
    this.#drain = undefined
  }
}

export function askerGone(): Unavailable {
  return new Unavailable('ASKER_GONE', { message: 'Nobody waits for this chunk any more.' })
}

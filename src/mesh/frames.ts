/**
 * Frames on a stream: u32be length, then that many bytes. Splits what arrives, in whatever pieces; a length over the limit is told as a
 * breach before anything is kept of it. A frame is copied once, out of the network's buffers into one of its own.
 */
import { Uint8ArrayList } from 'uint8arraylist'

/** A frame of these parts, which are not copied: nobody may change them afterwards. */
export function frameOf(...parts: readonly Uint8Array[]): Uint8ArrayList {
  const head = new Uint8Array(4)
  const frame = new Uint8ArrayList(head, ...parts)
  new DataView(head.buffer).setUint32(0, frame.byteLength - 4)
  return frame
}

/** Pieces of one frame that are kept apart: each may keep a whole network buffer alive. */
const piecesMax = 64

export class FrameSplitter {
  readonly #bytesMax: number
  #pieces: Uint8Array[] = []
  #held = 0
  #wanted: number | undefined

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** The frames that are whole now, each in a buffer of its own; undefined where one announced more than the limit: the stream is of no use any more. */
  push(bytes: Uint8Array | Uint8ArrayList): Uint8Array[] | undefined {
    for (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) {
      this.#pieces.push(piece)
      this.#held += piece.byteLength
    }
    const frames: Uint8Array[] = []
    for (;;) {
      if (this.#wanted === undefined) {
        if (this.#held < 4) return frames
        const head = this.#take(4)
        this.#wanted = new DataView(head.buffer, head.byteOffset, 4).getUint32(0)
        if (this.#wanted > this.#bytesMax) return undefined
      }
      if (this.#held < this.#wanted) {
        if (this.#pieces.length > piecesMax) {
          const held = this.#held
          this.#pieces = [this.#take(held)]
          this.#held = held
        }
        return frames
      }
      frames.push(this.#take(this.#wanted))
      this.#wanted = undefined
    }
  }

  /** Takes `length` bytes from the front, as a copy. */
  #take(length: number): Uint8Array {
    this.#held -= length
    // Not zeroed first: all of it is written below.
    const taken = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
    let done = 0
    let used = 0
    for (const piece of this.#pieces) {
      if (done === length) break
      const part = piece.subarray(0, length - done)
      taken.set(part, done)
      done += part.byteLength
      if (part.byteLength === piece.byteLength) used++
      else this.#pieces[used] = piece.subarray(part.byteLength)
    }
    this.#pieces.splice(0, used)
    return taken
  }
}

/**
 * Frames on a stream: u32be length, then that many bytes. Splits what arrives, in whatever pieces; a length over the limit is told as a
 * breach before anything is kept of it.
 */
import { concatBytes } from '#base/bytes.ts'

export function frameOf(...parts: readonly Uint8Array[]): Uint8Array {
  const head = new Uint8Array(4)
  new DataView(head.buffer).setUint32(
    0,
    parts.reduce((sum, part) => sum + part.byteLength, 0),
  )
  return concatBytes(head, ...parts)
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

  /** The frames that are whole now; undefined where one announced more than the limit: the stream is of no use any more. */
  push(piece: Uint8Array): Uint8Array[] | undefined {
    this.#pieces.push(piece)
    this.#held += piece.byteLength
    const frames: Uint8Array[] = []
    for (;;) {
      if (this.#wanted === undefined) {
        if (this.#held < 4) return frames
        const head = this.#take(4)
        this.#wanted = new DataView(head.buffer, head.byteOffset, 4).getUint32(0)
        if (this.#wanted > this.#bytesMax) return undefined
      }
      if (this.#held < this.#wanted) {
        if (this.#pieces.length > piecesMax) this.#pieces = [concatBytes(...this.#pieces)]
        return frames
      }
      frames.push(this.#take(this.#wanted))
      this.#wanted = undefined
    }
  }

  /** Takes `length` bytes from the front; copies only where they lie in several pieces. */
  #take(length: number): Uint8Array {
    this.#held -= length
    const [first] = this.#pieces
    if (first && first.byteLength >= length) {
      if (first.byteLength === length) this.#pieces.shift()
      else this.#pieces[0] = first.subarray(length)
      return first.subarray(0, length)
    }
    const taken: Uint8Array[] = []
    for (let left = length; left > 0;) {
      const piece = this.#pieces.shift() ?? new Uint8Array(left)
      const part = piece.subarray(0, left)
      if (part.byteLength < piece.byteLength) this.#pieces.unshift(piece.subarray(left))
      taken.push(part)
      left -= part.byteLength
    }
    return concatBytes(...taken)
  }
}

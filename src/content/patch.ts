/**
 * A chunk told as its difference to older bytes that the asker has: the asker sends a *sketch* of those, and gets a *patch* in place of
 * the chunk. Neither is trusted: what a patch makes is a chunk only once the store has found it under its full digest, as any other.
 *
 *   sketch   8 bytes for each block of the older bytes, in order: the first of its SHA-256. At most `sketchBlocksMax` blocks
 *   patch    pieces in order, each begun by a number u32be:
 *              n < 2^31      n bytes follow, and are taken as they are
 *              else          15 bits count, 16 bits first: that many blocks of the older bytes, one after the other
 *
 * A patch is valid if and only if its pieces end where it ends, each piece is of at least one byte or block, the blocks are there, and
 * what it makes has at most `chunkBytesMax` bytes.
 *
 * Blocks are cut where the bytes say so, as chunks are, but much shorter, so that both sides find the same ones. Nobody stores their
 * names: they exist for one ask. So they may be short: a list of chunks as small as these would cost every member 7 % (decision 0007).
 */
import { concatBytes, fromHex, toHex } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import { Chunker, type Cuts } from './chunker.ts'
import { chunkBytesMax } from './content-ref.ts'

/** 512 bytes on average: at 256 the sketch outgrows what it saves, at 2,048 a change of a line costs four times as much. */
const blockCuts: Cuts = { min: 128, average: 512, max: 2_048 }
/** Bytes of one name in a sketch: 16 digits of the digest. A name that two blocks share spoils one patch, and the chunk is asked for whole. */
const nameBytes = 8
/** About 2.4 MB of older bytes. */
export const sketchBlocksMax = 4_096
/** A patch that saves less than an eighth is not worth what it costs to make and to follow. */
const worthwhile = 7 / 8

const copyFlag = 0x8000_0000
const copyBlocksMax = 0x7fff

/** Bytes that are here already, and probably like the chunks that are asked for. */
export class OlderBytes {
  /** What goes along with the ask. */
  readonly sketch: Uint8Array
  readonly #bytes: Uint8Array
  /** Where each block begins, and where the last one ends. */
  readonly #offsets: readonly number[]

  /** Keeps `bytes`, which nobody may change afterwards. Both sides must cut blocks alike; measurements try other lengths. */
  constructor(bytes: Uint8Array, cuts: Cuts = blockCuts) {
    const blocks = blocksOf(bytes, cuts).slice(0, sketchBlocksMax)
    const offsets = [0]
    for (const block of blocks) offsets.push((offsets.at(-1) ?? 0) + block.byteLength)
    this.sketch = fromHex(blocks.map(nameOf).join('')) ?? new Uint8Array()
    this.#bytes = bytes
    this.#offsets = offsets
  }

  get length(): number {
    return this.#bytes.byteLength
  }

  /** What a patch makes of them: to be verified before it is anything. Refused `PATCH_INVALID`. */
  apply(patch: Uint8Array): Uint8Array {
    const view = new DataView(patch.buffer, patch.byteOffset, patch.byteLength)
    const pieces: Uint8Array[] = []
    let length = 0
    for (let at = 0; at < patch.byteLength;) {
      if (at + 4 > patch.byteLength) throw invalid('it ends within a piece')
      const number = view.getUint32(at)
      at += 4
      const piece = number < copyFlag ? patch.subarray(at, at + number) : this.#blocks(number)
      if (number < copyFlag) at += number
      length += piece.byteLength
      if (at > patch.byteLength || piece.byteLength === 0) throw invalid('a piece is not there')
      if (length > chunkBytesMax) throw invalid('it makes more than a chunk')
      pieces.push(piece)
    }
    return concatBytes(...pieces)
  }

  #blocks(number: number): Uint8Array {
    const [count, first] = [(number >>> 16) & copyBlocksMax, number & 0xffff]
    const [start, end] = [this.#offsets[first], this.#offsets[first + count]]
    if (start === undefined || end === undefined) throw invalid('it names blocks that are not in the sketch')
    return this.#bytes.subarray(start, end)
  }
}

/** Somebody's older bytes, as the sketch in an ask tells of them. */
export class Sketch {
  readonly #cuts: Cuts
  readonly #names: string
  /** The first place of each name. */
  readonly #places = new Map<string, number>()

  /** Any bytes are a sketch: those that are none name nothing. */
  constructor(bytes: Uint8Array, cuts: Cuts = blockCuts) {
    this.#cuts = cuts
    this.#names = toHex(bytes.subarray(0, sketchBlocksMax * nameBytes))
    const places = Math.floor(this.#names.length / (2 * nameBytes))
    for (let place = 0; place < places; place++) {
      const name = this.#nameAt(place)
      if (!this.#places.has(name)) this.#places.set(name, place)
    }
  }

  /** The chunk as a patch, undefined where that is hardly shorter. */
  patchFor(chunk: Uint8Array): Uint8Array | undefined {
    const pieces: Uint8Array[] = []
    let taken = 0
    let copied: { first: number; count: number } | undefined
    const literals: Uint8Array[] = []
    const end = (): void => {
      if (copied) pieces.push(numberBytes(copyFlag + copied.count * 0x1_0000 + copied.first))
      const bytes = concatBytes(...literals.splice(0))
      if (bytes.byteLength > 0) pieces.push(numberBytes(bytes.byteLength), bytes)
      copied = undefined
    }
    for (const block of blocksOf(chunk, this.#cuts)) {
      const name = nameOf(block)
      const isNext = copied && this.#nameAt(copied.first + copied.count) === name && copied.count < copyBlocksMax
      if (copied && isNext) {
        copied.count++
        continue
      }
      const place = this.#places.get(name)
      if (place === undefined && copied) end()
      if (place === undefined) {
        literals.push(block)
        taken += block.byteLength
        if (taken > chunk.byteLength * worthwhile) return undefined
        continue
      }
      end()
      copied = { first: place, count: 1 }
    }
    end()
    const patch = concatBytes(...pieces)
    return patch.byteLength <= chunk.byteLength * worthwhile ? patch : undefined
  }

  #nameAt(place: number): string {
    return this.#names.slice(place * 2 * nameBytes, (place + 1) * 2 * nameBytes)
  }
}

function blocksOf(bytes: Uint8Array, cuts: Cuts): Uint8Array[] {
  const chunker = new Chunker(cuts)
  const blocks = chunker.push(bytes)
  const rest = chunker.end()
  return rest ? [...blocks, rest] : blocks
}

const nameOf = (block: Uint8Array): string => sha256(block).slice(0, 2 * nameBytes)

function numberBytes(number: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}

function invalid(fault: string): Refused {
  return new Refused('PATCH_INVALID', {
    message: `A chunk came as a difference that cannot be followed: ${fault}. Nothing was kept.`,
  })
}

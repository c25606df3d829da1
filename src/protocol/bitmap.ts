/** One bit per chunk: bit i is byte i >> 3, mask 1 << (i & 7). Indexes outside are false, never a throw. */
export class Bitmap {
  readonly size: number
  readonly bytes: Uint8Array
  #count: number

  constructor(size: number, bytes?: Uint8Array) {
    this.size = size
    this.bytes = new Uint8Array(Math.ceil(size / 8))
    if (bytes) this.bytes.set(bytes.subarray(0, this.bytes.length))
    // Bits behind the end would be counted as chunks that nobody has.
    if (size % 8 !== 0 && this.bytes.length > 0) this.bytes[this.bytes.length - 1]! &= (1 << (size % 8)) - 1
    this.#count = countBits(this.bytes)
  }

  static full(size: number): Bitmap {
    return new Bitmap(size, new Uint8Array(Math.ceil(size / 8)).fill(0xff))
  }

  /** How many bits are set. */
  get count(): number {
    return this.#count
  }

  get isFull(): boolean {
    return this.#count === this.size
  }

  has(index: number): boolean {
    return ((this.bytes[index >> 3] ?? 0) & (1 << (index & 7))) !== 0
  }

  /** Sets a bit; true where it was not set before. */
  add(index: number): boolean {
    if (index < 0 || index >= this.size || this.has(index)) return false
    this.bytes[index >> 3]! |= 1 << (index & 7)
    this.#count++
    return true
  }

  /** As `nextWithout` with two others: what the LAN asks for at every chunk. */
  nextBeside(from: number, first: Bitmap, second: Bitmap): number | undefined {
    const { bytes } = this
    const { length } = bytes
    for (let step = 0, at = from >> 3; step <= length; step++, at = at + 1 === length ? 0 : at + 1) {
      let bits = bytes[at]! & ~first.bytes[at]! & ~second.bytes[at]!
      if (step === 0) bits &= 0xff << (from & 7)
      if (bits !== 0) return at * 8 + (31 - Math.clz32(bits & -bits))
    }
    return undefined
  }

  /** Sets every bit that is set in another of the same size. */
  addAll(other: Bitmap): void {
    for (let at = 0; at < this.bytes.length; at++) this.bytes[at]! |= other.bytes[at] ?? 0
    this.#count = countBits(this.bytes)
  }

  /** The first bit at or behind `from`, going round, that is set here and in none of the others; whole bytes are skipped at once. */
  nextWithout(from: number, ...others: readonly Bitmap[]): number | undefined {
    const length = this.bytes.length
    // The byte of `from` is looked at twice: its upper bits first, its lower bits last.
    for (let step = 0, at = from >> 3; step <= length; step++, at = at + 1 === length ? 0 : at + 1) {
      let bits = this.bytes[at] ?? 0
      for (const other of others) bits &= ~(other.bytes[at] ?? 0)
      if (step === 0) bits &= 0xff << (from & 7)
      if (bits !== 0) return at * 8 + (31 - Math.clz32(bits & -bits))
    }
    return undefined
  }

  delete(index: number): void {
    if (!this.has(index)) return
    this.bytes[index >> 3]! &= ~(1 << (index & 7))
    this.#count--
  }
}

function countBits(bytes: Uint8Array): number {
  let count = 0
  for (const byte of bytes) for (let bits = byte; bits !== 0; bits &= bits - 1) count++
  return count
}

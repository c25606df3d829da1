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
    this.#count = 0
    for (let index = 0; index < size; index++) if (this.has(index)) this.#count++
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

  delete(index: number): void {
    if (!this.has(index)) return
    this.bytes[index >> 3]! &= ~(1 << (index & 7))
    this.#count--
  }
}

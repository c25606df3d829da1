/** Bitmaps of chunks: bit i is byte i >> 3, bit i & 7, as the ChunkStore contract hands them out. Bits beyond the end read as unset. */

export const hasBit = (bits: Uint8Array, index: number): boolean => ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0

export function setBit(bits: Uint8Array, index: number): void {
  bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7))
}

export function clearBit(bits: Uint8Array, index: number): void {
  bits[index >> 3] = (bits[index >> 3] ?? 0) & ~(1 << (index & 7))
}

/** How many of the first `size` bits are set. */
export function countBits(bits: Uint8Array, size: number): number {
  let count = 0
  for (let index = 0; index < size; index++) if (hasBit(bits, index)) count++
  return count
}

export function fullBits(size: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(size / 8))
  for (let index = 0; index < size; index++) setBit(bits, index)
  return bits
}

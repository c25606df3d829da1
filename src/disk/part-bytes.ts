/**
 * Bytes of a content's file, read and written in place, on the spot while the disk is quick (pace.ts). A file is opened and closed at once:
 * that takes microseconds for one that is in use. No file stays open from one call to the next.
 */
import { closeSync, constants, mkdirSync, openSync, read, readSync, writev, writevSync } from 'node:fs'
import { dirname } from 'node:path'
import { Pace } from './pace.ts'
import { isAbsent } from './system-error.ts'

/** Fills `bytes` from `position`; false where the file is not there, is a link, or is too short. */
export async function readAt(path: string, bytes: Uint8Array, position: number): Promise<boolean> {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (isAbsent(error) || (error as { code?: unknown }).code === 'ELOOP') return false
    throw error
  }
  try {
    for (let done = 0; done < bytes.byteLength;) {
      const count = await readSome(file, bytes.subarray(done), position + done)
      if (count === 0) return false
      done += count
    }
    return true
  } finally {
    closeSync(file)
  }
}

/** Pieces of a file that go one behind the other from `position`. */
export interface Stretch {
  readonly position: number
  readonly pieces: readonly Uint8Array[]
}

/** Writes all of it, into a file that is made, with its folder, where it is not there. */
export async function writeAt(path: string, stretches: readonly Stretch[]): Promise<void> {
  const file = openPart(path)
  try {
    for (const { position, pieces } of stretches) {
      let at = position
      // One call may write less, near the end of a disk.
      for (let left = pieces; left.length > 0;) {
        const count = await writeSome(file, left, at)
        at += count
        left = behind(left, count)
      }
    }
  } finally {
    closeSync(file)
  }
}

function openPart(path: string): number {
  const flags = constants.O_WRONLY | constants.O_CREAT
  try {
    return openSync(path, flags, 0o600)
  } catch (error) {
    if (!isAbsent(error)) throw error
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    return openSync(path, flags, 0o600)
  }
}

function behind(pieces: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skipped = 0
  for (const [index, piece] of pieces.entries()) {
    if (skipped + piece.byteLength > count) return [piece.subarray(count - skipped), ...pieces.slice(index + 1)]
    skipped += piece.byteLength
  }
  return []
}

const reads = new Pace()
const writes = new Pace()

const readSome = (file: number, bytes: Uint8Array, position: number): Promise<number> =>
  reads.take(
    () => readSync(file, bytes, 0, bytes.byteLength, position),
    () =>
      new Promise((resolve, reject) =>
        read(file, bytes, 0, bytes.byteLength, position, (error, count) => (error ? reject(error) : resolve(count))),
      ),
  )

const writeSome = (file: number, pieces: readonly Uint8Array[], position: number): Promise<number> =>
  writes.take(
    () => writevSync(file, pieces, position),
    () =>
      new Promise((resolve, reject) =>
        writev(file, pieces, position, (error, count) => (error ? reject(error) : resolve(count))),
      ),
  )

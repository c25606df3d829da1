/**
 * Reads a file of a policy folder exactly as it was when the folder was looked at. A file that changed since, or changes while it is
 * read, must never be published half old and half new.
 */
import { constants, type BigIntStats } from 'node:fs'
import { open } from 'node:fs/promises'
import { codeOf, Negative } from '#base/errors.ts'
import { isAbsent, systemError } from './system-error.ts'

/** What tells one state of a file from another. */
export interface FileState {
  readonly size: number
  readonly device: bigint
  readonly inode: bigint
  /** Nanoseconds since 1970, of the bytes and of the inode. */
  readonly modified: bigint
  readonly changed: bigint
}

const pieceBytes = 262_144

export const stateOf = (found: BigIntStats): FileState => ({
  size: Number(found.size),
  device: found.dev,
  inode: found.ino,
  modified: found.mtimeNs,
  changed: found.ctimeNs,
})

/** The bytes in pieces, each only until the next is asked for: they share a buffer. Negative `TREE_CHANGED`, `TREE_UNREADABLE`, naming `where`; what was read before must be thrown away then. */
export async function* readUnchanged(path: string, state: FileState, where: string): AsyncGenerator<Uint8Array> {
  // Neither through a link that was put in its place, nor waiting for the writer of a fifo.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(path, flags).catch((error: unknown) => {
    throw isAbsent(error) || codeOf(error) === 'ELOOP' ? changed(where) : unreadable(error, where)
  })
  try {
    if (!isSame(stateOf(await file.stat({ bigint: true })), state)) throw changed(where)
    const buffer = new Uint8Array(Math.min(pieceBytes, state.size))
    for (let at = 0; at < state.size;) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.byteLength, state.size - at), at)
      if (bytesRead === 0) throw changed(where)
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
    if (!isSame(stateOf(await file.stat({ bigint: true })), state)) throw changed(where)
  } catch (error) {
    throw systemError(error, where, 'read')
  } finally {
    await file.close()
  }
}

/** A file or folder that may not be read. */
export function unreadable(error: unknown, where: string): Error {
  if (codeOf(error) !== 'EACCES' && codeOf(error) !== 'EPERM') return systemError(error, where, 'read')
  return new Negative('TREE_UNREADABLE', {
    message: 'This user may not read it.',
    where,
    next: 'Change its permissions, or take it out of the folder.',
    cause: error,
  })
}

const isSame = (a: FileState, b: FileState): boolean =>
  a.size === b.size &&
  a.device === b.device &&
  a.inode === b.inode &&
  a.modified === b.modified &&
  a.changed === b.changed

function changed(where: string): Negative {
  return new Negative('TREE_CHANGED', {
    message: 'This file changed while it was packed; nothing was published.',
    where,
    next: 'Publish again once nobody writes to it.',
  })
}

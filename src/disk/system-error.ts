/** What the operating system said, sorted by who must act. Our own errors and our own mistakes pass through as they are. */
import { codeOf, GrapevineError, messageOf, Misconfigured, Unavailable } from '#base/errors.ts'

/** `error` as it is to be thrown on: for a failed system call, one that names `where`; anything else unchanged. */
export function systemError(error: unknown, where: string, act: 'read' | 'write' = 'write'): Error {
  if (error instanceof GrapevineError || !(error instanceof Error) || !('syscall' in error))
    return error instanceof Error ? error : diskFailed(error, where)
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return diskFull(error, where)
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return act === 'read' ? unreadable(error, where) : homeNotWritable(error, where)
    case 'EISDIR':
    case 'ENOTDIR':
    case 'ELOOP':
      return act === 'read' ? unreadable(error, where) : homeNotWritable(error, where)
    default:
      return diskFailed(error, where)
  }
}

/** Whether a system call failed because something is not there. */
export function isAbsent(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

export function diskFull(error: unknown, where: string): Unavailable {
  return new Unavailable('DISK_FULL', {
    message: `The disk is full: ${messageOf(error)}. What was there before is intact.`,
    where,
    next: 'Free space on this file system, or move the home to a larger one.',
    cause: error,
  })
}

export function homeNotWritable(error: unknown, where: string): Misconfigured {
  return new Misconfigured('HOME_NOT_WRITABLE', {
    message: `This cannot be written: ${messageOf(error)}.`,
    where,
    next: 'Run grapevine as the user who owns the home, or name another home with --home.',
    cause: error,
  })
}

export function diskFailed(error: unknown, where: string): Unavailable {
  return new Unavailable('DISK_FAILED', {
    message: `The operating system refused: ${messageOf(error)}.`,
    where,
    next: 'Look at the system log for faults of the disk, then try again.',
    cause: error,
  })
}

function unreadable(error: unknown, where: string): Misconfigured {
  return new Misconfigured('FILE_UNREADABLE', {
    message: `This cannot be read: ${messageOf(error)}.`,
    where,
    next: 'Make it a file that the user who runs grapevine may read.',
    cause: error,
  })
}

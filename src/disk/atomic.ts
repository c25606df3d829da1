/**
 * Files that are there whole or not at all. A write goes to a temporary file in the same folder, which is synced and renamed, so a
 * reader, or the next start after a power failure, sees the old bytes or the new ones and never a mixture.
 */
import { open, readdir, readFile, rename, rm, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isAbsent, systemError } from './system-error.ts'

let writes = 0

/** Replaces `path` by `bytes`, durably. Unavailable `DISK_FULL`, Misconfigured `HOME_NOT_WRITABLE` and others of `systemError`: the old file is intact then. */
export async function writeAtomic(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  writes++
  const temporary = join(dirname(path), `.${basename(path)}.tmp-${process.pid}-${writes}`)
  try {
    const file = await open(temporary, 'wx', mode)
    try {
      await file.writeFile(bytes)
      // The umask took bits from the mode at creation.
      await file.chmod(mode)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw systemError(error, path)
  }
}

/** The bytes of a file; undefined where there is none. Misconfigured `FILE_UNREADABLE`, Unavailable `DISK_FAILED`. */
export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw systemError(error, path, 'read')
  }
}

/** Makes creations, renames and removals in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Removes what interrupted writes left in a folder. Only whoever holds the lock of the home may do so. */
export async function sweepFolder(path: string): Promise<void> {
  for (const name of await readdir(path)) if (/\.tmp-\d+-\d+$/.test(name)) await rm(join(path, name), { force: true })
}

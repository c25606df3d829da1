/**
 * One file of a prepared bundle: made read-only, once, from verified bytes, and never outside its folder. A file that is a content of its
 * own shares its bytes with the store by a hard link.
 */
import { link, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Hasher, type Digest } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import type { ManifestFile } from '#content/manifest.ts'
import { pathFault } from '#content/manifest-path.ts'
import type { FileStore } from './file-store.ts'
import { writeAll } from './stored-content.ts'

/** 256 KiB: read and hashed at once. */
const hashedBytes = 262_144

/** Where a path of a bundle lies below `folder`. Refused `TREE_ESCAPE` for one that would leave it, although no parser lets such a path through. */
export function placeIn(folder: string, path: string): string {
  const fault = pathFault(path)
  if (fault === undefined) return join(folder, path)
  throw new Refused('TREE_ESCAPE', {
    message: `A path in a bundle is not one within its folder: ${fault}. Nothing was written there.`,
    where: path,
    next: 'Have the bundle published again by a current grapevine.',
  })
}

/** Makes the file a second name of the content's own file. False, with nothing left behind, where that cannot be or its bytes rotted. */
export async function linkFile(store: FileStore, content: Digest, path: string): Promise<boolean> {
  const own = await store.fileOf(content)
  if (own === undefined) return false
  try {
    await link(own, path)
  } catch {
    // Another file system, or one without links, or too many of them: a copy does it.
    return false
  }
  if ((await digestOf(path)) === content) return true
  await unlink(path)
  return false
}

/**
 * Writes the file from its part of a content, durably. Unavailable `CONTENT_MISSING` where bytes are not here or rotted, Refused
 * `FILE_WRONG` where the content holds other bytes than the manifest names.
 */
export async function extractFile(store: FileStore, content: Digest, entry: ManifestFile, path: string): Promise<void> {
  const hasher = new Hasher()
  const file = await open(path, 'wx', 0o600)
  try {
    let at = 0
    for await (const piece of entry.length === 0 ? [] : store.range(content, entry.offset, entry.length)) {
      hasher.update(piece)
      await writeAll(file, piece, at)
      at += piece.byteLength
    }
    if (hasher.digest() !== entry.digest)
      throw new Refused('FILE_WRONG', {
        message: 'A bundle names other bytes for this file than it carries.',
        where: entry.path,
        next: 'Have the bundle published again.',
      })
    await file.chmod(entry.mode & 0o555)
    await file.datasync()
  } finally {
    await file.close()
  }
}

/** With one buffer for all of it: those of a stream would be garbage faster than it is collected. */
async function digestOf(path: string): Promise<Digest> {
  const hasher = new Hasher()
  const file = await open(path)
  try {
    const buffer = new Uint8Array(hashedBytes)
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, null)
      if (bytesRead === 0) return hasher.digest()
      hasher.update(buffer.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}

/**
 * Secret keys at rest. One line of text that only its owner may read:
 *
 *   grapevine-key-1 <purpose> <key in base64url> <check>
 *
 * `purpose` is the name of the file, so that a key that was copied over another one is noticed; `check` is the first 8 hex digits of
 * SHA-256 of `<purpose> <key>`, so that a damaged one is noticed before it signs anything. Never written twice, never printed.
 */
import { open, unlink } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { fromBase64url, textOf, toBase64url, utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { codeOf, Misconfigured } from '#base/errors.ts'
import { syncFolder } from './atomic.ts'
import { isAbsent, systemError } from './system-error.ts'

const form = 'grapevine-key-1'
/** A longer file is no key; it is not read to its end. */
const fileBytesMax = 1_024

/** Keeps a new key, mode 0600, durably. Misconfigured `KEY_EXISTS` where one is there: it is left as it is. */
export async function createKey(path: string, key: Uint8Array): Promise<void> {
  const purpose = basename(path)
  const spelled = toBase64url(key)
  let isOurs = false
  try {
    const file = await open(path, 'wx', 0o600)
    isOurs = true
    try {
      await file.writeFile(`${form} ${purpose} ${spelled} ${check(purpose, spelled)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await syncFolder(dirname(path))
  } catch (error) {
    if (isOurs) await unlink(path).catch(() => undefined)
    if (codeOf(error) !== 'EEXIST') throw systemError(error, path)
    throw new Misconfigured('KEY_EXISTS', {
      message: 'There is a key already; it was not replaced.',
      where: path,
      next: 'Move it away first, if it is really to be replaced.',
    })
  }
}

/** A key of `length` bytes. Misconfigured `KEY_MISSING`, `KEY_PERMISSIONS`, `KEY_DAMAGED`. */
export async function readKey(path: string, length: number): Promise<Uint8Array> {
  const key = parseKey(await readKeyText(path), basename(path))
  if (key?.byteLength === length) return key
  throw new Misconfigured('KEY_DAMAGED', {
    message: `This is no whole key called ${basename(path)} of ${length} bytes.`,
    where: path,
    next: 'Restore it from a backup under its own name.',
  })
}

async function readKeyText(path: string): Promise<string> {
  try {
    const file = await open(path, 'r')
    try {
      const { mode } = await file.stat()
      if ((mode & 0o077) !== 0)
        throw new Misconfigured('KEY_PERMISSIONS', {
          message: `Others than its owner may read this key or write it (mode ${(mode & 0o777).toString(8)}).`,
          where: path,
          next: `chmod 600 ${path}, and replace the key if somebody may have read it.`,
        })
      const { buffer, bytesRead } = await file.read(Buffer.alloc(fileBytesMax), 0, fileBytesMax, 0)
      return textOf(buffer.subarray(0, bytesRead)) ?? ''
    } finally {
      await file.close()
    }
  } catch (error) {
    if (!isAbsent(error)) throw systemError(error, path, 'read')
    throw new Misconfigured('KEY_MISSING', {
      message: 'A key of this home is missing.',
      where: path,
      next: 'Restore it from a backup, or make the home anew.',
    })
  }
}

function parseKey(text: string, purpose: string): Uint8Array | undefined {
  const [, name, spelled, sum] = /^grapevine-key-1 (\S+) ([\w-]+) ([0-9a-f]{8})\n$/.exec(text) ?? []
  if (name !== purpose || spelled === undefined || sum !== check(purpose, spelled)) return undefined
  return fromBase64url(spelled)
}

const check = (purpose: string, spelled: string): string => sha256(utf8(`${purpose} ${spelled}`)).slice(0, 8)

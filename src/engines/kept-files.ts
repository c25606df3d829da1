/**
 * Keeps files of the machine as they are before an apply, in a folder of the home, and puts them back: content, mode and owner, what a
 * link points to, and that something was not there. It never follows a link to write, and gives up on what does not fit rather than on
 * the rest. Who owns a folder on the way may make it a link meanwhile: each change is made in the very folder that was there before, held open,
 * or not at all. Not kept: access lists, extended attributes, times.
 *
 *   list.json   {"entries": [Entry]}: written last, so a folder without it holds nothing
 *   0, 1, 2 …   the content of the entry of that number
 *
 * Putting back twice gives the same: it may be cut off at any moment and done again.
 */
import { constants, type Stats } from 'node:fs'
import {
  lchown,
  lstat,
  mkdir,
  open,
  readFile,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  rmdir,
  symlink,
  unlink,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { codeOf, messageOf } from '#base/errors.ts'

/** `above` is the folder that it lay in, without links on the way. */
type Entry = { readonly path: string; readonly above: string } & (
  | { readonly type: 'absent' }
  | ({ readonly type: 'file'; readonly bytes: string } & Access)
  /** With `names`, what lay in it: everything else goes again. */
  | ({ readonly type: 'folder'; readonly names?: readonly string[] } & Access)
  | { readonly type: 'link'; readonly target: string; readonly uid: number; readonly gid: number }
)

/** An entry before it is known where it lies. */
type Kept = Entry extends infer One
  ? One extends Entry
    ? Omit<One, 'above'> & { readonly path: string }
    : never
  : never

interface Access {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** All files of a policy together; configuration is a thousandth of that. */
const keptBytesMax = 67_108_864
const keptEntriesMax = 10_000
const listFile = 'list.json'

/** Keeps all it can. Replaces what the folder held; says of each path that could not be kept why. Throws where the folder cannot be written. */
export async function keepFiles(
  folder: string,
  wanted: { readonly paths: readonly string[]; readonly trees: readonly string[] },
): Promise<string[]> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const keeping = new Keeping(folder)
  for (const path of wanted.paths) await keeping.keep(path, false)
  for (const path of wanted.trees) await keeping.keep(path, true)
  await keeping.close()
  return keeping.lacking
}

/** Puts everything back that was kept; what could not be, and why. */
export async function restoreFiles(folder: string): Promise<string[]> {
  let entries: readonly Entry[]
  try {
    entries = (JSON.parse(await readFile(join(folder, listFile), 'utf8')) as { entries: Entry[] }).entries
  } catch (error) {
    return [`files: ${messageOf(error)}`]
  }
  const lacking: string[] = []
  const attempt = async (entry: Entry, act: (path: string) => Promise<void>): Promise<void> => {
    try {
      const fault = await inPlace(entry, act)
      if (fault !== undefined) lacking.push(`${entry.path}: ${fault}`)
    } catch (error) {
      lacking.push(`${entry.path}: ${messageOf(error)}`)
    }
  }
  // Folders before what lies in them; what was not there goes last, from the inside out.
  for (const entry of entries) if (entry.type !== 'absent') await attempt(entry, (path) => putBack(folder, entry, path))
  for (const entry of entries.toReversed()) {
    if (entry.type === 'absent' && (await lstatIfThere(entry.above))) await attempt(entry, removeAgain)
    if (entry.type === 'folder') await attempt(entry, (path) => emptyAgain(entry, path))
  }
  return lacking
}

/** Gives the path of an entry by way of its folder, which is held open: nobody can put another in its place. What is wrong with that, or undefined. */
async function inPlace({ path, above }: Entry, act: (path: string) => Promise<void>): Promise<string | undefined> {
  await mkdir(above, { recursive: true })
  const folder = await open(above, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    const held = `/proc/self/fd/${folder.fd}`
    if ((await readlink(held)) !== above) return 'a folder on the way to it is another one now'
    await act(`${held}/${basename(path)}`)
    return undefined
  } finally {
    await folder.close()
  }
}

class Keeping {
  readonly lacking: string[] = []
  readonly #folder: string
  readonly #entries: Entry[] = []
  readonly #seen = new Map<string, boolean>()
  #bytes = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  /** `whole`: with everything below it, where it is a folder. */
  async keep(path: string, whole: boolean): Promise<void> {
    if (this.#seen.get(path) === true || (!whole && this.#seen.has(path))) return
    this.#seen.set(path, whole)
    try {
      await this.#keep(path, whole)
    } catch (error) {
      // The room that is lacking is ours: nothing more would fit.
      if (codeOf(error) === 'ENOSPC') throw error
      this.lacking.push(`${path}: ${messageOf(error)}`)
    }
  }

  async close(): Promise<void> {
    const list = await open(join(this.#folder, listFile), 'wx', 0o600)
    try {
      await list.writeFile(JSON.stringify({ entries: this.#entries }))
      await list.sync()
    } finally {
      await list.close()
    }
    await sync(this.#folder)
    await sync(dirname(this.#folder))
  }

  async #keep(path: string, whole: boolean): Promise<void> {
    const found = await lstatIfThere(path)
    if (!found) return this.#absent(path)
    if (this.#entries.length >= keptEntriesMax) return void this.lacking.push(`${path}: there are too many files`)
    if (found.isSymbolicLink()) {
      await this.#add({ type: 'link', path, target: await readlink(path), uid: found.uid, gid: found.gid })
      // Some engines write through a link, and some in its place.
      const real = await realpath(path).catch(() => undefined)
      return real === undefined ? undefined : this.keep(real, whole)
    }
    if (found.isDirectory()) {
      const names = whole ? (await readdir(path)).sort() : undefined
      await this.#add({ type: 'folder', path, ...accessOf(found), ...(names && { names }) })
      for (const name of names ?? []) await this.keep(join(path, name), true)
      return
    }
    if (!found.isFile()) return void this.lacking.push(`${path}: neither a file nor a folder`)
    await this.#file(path, found)
  }

  async #file(path: string, found: Stats): Promise<void> {
    if (this.#bytes + found.size > keptBytesMax)
      return void this.lacking.push(`${path}: ${found.size} bytes do not fit into the ${keptBytesMax} that are kept`)
    const bytes = String(this.#entries.length)
    const content = await readFile(path)
    this.#bytes += content.byteLength
    const copy = await open(join(this.#folder, bytes), 'wx', 0o600)
    try {
      await copy.writeFile(content)
      await copy.sync()
    } finally {
      await copy.close()
    }
    await this.#add({ type: 'file', path, bytes, ...accessOf(found) })
  }

  /** The folders that an engine makes on the way to it go as well. */
  async #absent(path: string): Promise<void> {
    const above = dirname(path)
    if (above !== path && !(await lstatIfThere(above)) && !this.#seen.has(above)) {
      this.#seen.set(above, false)
      await this.#absent(above)
    }
    await this.#add({ type: 'absent', path })
  }

  async #add(entry: Kept): Promise<void> {
    this.#entries.push({ ...entry, above: await realFolder(dirname(entry.path)) })
  }
}

async function putBack(kept: string, entry: Exclude<Entry, { type: 'absent' }>, path: string): Promise<void> {
  const found = await lstatIfThere(path)
  switch (entry.type) {
    case 'link': {
      if (found?.isSymbolicLink() && (await readlink(path)) === entry.target) return
      if (found) await rm(path, { recursive: true })
      await symlink(entry.target, path)
      return lchown(path, entry.uid, entry.gid)
    }
    case 'folder':
      if (found && !found.isDirectory()) await unlink(path)
      if (!found?.isDirectory()) await mkdir(path)
      return setAccess(path, entry)
    case 'file': {
      const content = await readFile(join(kept, entry.bytes))
      if (found?.isDirectory()) await rm(path, { recursive: true })
      else if (found?.isFile() && (await contentOf(path)).equals(content)) return setAccess(path, entry)
      return writeBack(entry, path, content)
    }
  }
}

/** A new file takes the place of the old one in one step; where something is mounted at that very path, it is written in place. */
async function writeBack(access: Access, path: string, content: Buffer): Promise<void> {
  const above = dirname(path)
  const temporary = join(above, `.${basename(path)}.grapevine-back`)
  await rm(temporary, { force: true })
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(content)
      await file.chown(access.uid, access.gid)
      await file.chmod(access.mode)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await sync(above)
  } catch (error) {
    await rm(temporary, { force: true })
    if (codeOf(error) !== 'EBUSY') throw error
    const file = await open(path, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await setAccess(path, access)
  }
}

async function contentOf(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    return await file.readFile()
  } finally {
    await file.close()
  }
}

async function setAccess(path: string, { mode, uid, gid }: Access): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const found = await file.stat()
    if (found.uid !== uid || found.gid !== gid) await file.chown(uid, gid)
    // A change of owner takes set-uid bits away, so the mode comes last.
    if (((await file.stat()).mode & 0o7777) !== mode) await file.chmod(mode)
  } finally {
    await file.close()
  }
}

/** A folder that others have put something into since stays. */
async function removeAgain(path: string): Promise<void> {
  const found = await lstatIfThere(path)
  if (!found) return
  if (!found.isDirectory()) return unlink(path)
  await rmdir(path).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOTEMPTY') throw error
  })
}

async function emptyAgain({ names }: Entry & { type: 'folder' }, path: string): Promise<void> {
  if (!names) return
  for (const name of await readdir(path))
    if (!names.includes(name)) await rm(join(path, name), { recursive: true, force: true })
}

/** The same folder without links on the way, as far as it is there. */
async function realFolder(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    return join(await realFolder(dirname(path)), basename(path))
  }
}

const accessOf = ({ mode, uid, gid }: Stats): Access => ({ mode: mode & 0o7777, uid, gid })

async function lstatIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}

async function sync(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

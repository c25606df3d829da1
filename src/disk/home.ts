/**
 * The state folder of a member: what lies where in it, and who owns it. Whoever opens a home holds its lock, which is level's own lock
 * on `index/`, so it ends with the process and never has to be cleaned up. Nothing outside the folder is written, but for a control
 * socket whose path would be too long.
 *
 *   version       `format: 1`. Written last when a home is made: without it there is no home
 *   config.yaml   what an admin may edit
 *   keys/  trust/           who we are, and what we verified: cannot be found again
 *   contents/  index/  journal/  outbox/  bundles/
 *   kept/         only while an apply is on probation
 *   unfinished    only while a home is made: what was begun is swept away by the next try
 */
import { mkdirSync, lstatSync, realpathSync } from 'node:fs'
import { mkdir, readdir, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { textOf, utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { codeOf, Misconfigured } from '#base/errors.ts'
import { readIfThere, sweepFolder, syncFolder, writeAtomic } from './atomic.ts'
import { Catalog } from './catalog.ts'
import { homeNotWritable, isAbsent, systemError } from './system-error.ts'

const format = 1
/** Without these a member does not know who it is. */
const irreplaceable = ['keys', 'trust'] as const
const folders = [...irreplaceable, 'contents', 'index', 'journal', 'outbox', 'bundles'] as const
/** All that Grapevine puts into a home but the mark of an unfinished one, keys first. */
export const homeNames: readonly string[] = [...folders, 'kept', 'config.yaml', 'version', 'control.sock']
/** Linux has room for 107 bytes; some systems for fewer. */
const socketPathBytesMax = 100

export class Home {
  /** Absolute. */
  readonly dir: string
  readonly index: Catalog

  private constructor(dir: string, index: Catalog) {
    this.dir = dir
    this.index = index
  }

  /**
   * Makes a home, mode 0700, and opens it. `fill` writes what must be there from the start: if it throws, or the power fails within it,
   * there is no home. Misconfigured `HOME_EXISTS`, `HOME_NOT_EMPTY`, `HOME_LOCKED`, `HOME_NOT_WRITABLE`; Unavailable `DISK_FULL`.
   */
  static async create(path: string, fill: (home: Home) => Promise<void> = async () => {}): Promise<Home> {
    const dir = resolve(path)
    await refuseTaken(dir)
    let home: Home | undefined
    try {
      await makeFolder(dir)
      await writeFile(join(dir, 'unfinished'), '')
      await mkdir(join(dir, 'index'), { recursive: true, mode: 0o700 })
      home = new Home(dir, await Catalog.open(join(dir, 'index')))
      await sweep(dir, (name) => name !== 'index' && name !== 'unfinished')
      for (const folder of folders) await mkdir(join(dir, folder), { recursive: true, mode: 0o700 })
      await fill(home)
      await writeAtomic(join(dir, 'version'), utf8(`format: ${format}\n`), 0o600)
      await unlink(join(dir, 'unfinished'))
      await syncFolder(dir)
      prepareSocketFolder(dir)
      return home
    } catch (error) {
      // Without the lock it is another one's work that lies here.
      await home?.index.close().catch(() => undefined)
      if (home) await sweep(dir, () => true).catch(() => undefined)
      throw systemError(error, dir)
    }
  }

  /** Opens a home and takes its lock. Misconfigured `HOME_NOT_FOUND`, `HOME_LOCKED`, `HOME_DAMAGED`, `HOME_TOO_NEW`, `HOME_NOT_WRITABLE`; nothing is changed then. */
  static async open(path: string): Promise<Home> {
    const dir = resolve(path)
    await requireHome(dir)
    const index = await Catalog.open(join(dir, 'index'))
    try {
      for (const folder of folders) await mkdir(join(dir, folder), { recursive: true, mode: 0o700 })
      for (const folder of ['.', 'keys', 'trust', 'journal', 'outbox']) await sweepFolder(join(dir, folder))
      prepareSocketFolder(dir)
    } catch (error) {
      await index.close()
      throw systemError(error, dir)
    }
    return new Home(dir, index)
  }

  get keys(): string {
    return join(this.dir, 'keys')
  }

  get trust(): string {
    return join(this.dir, 'trust')
  }

  get contents(): string {
    return join(this.dir, 'contents')
  }

  get journal(): string {
    return join(this.dir, 'journal')
  }

  get outbox(): string {
    return join(this.dir, 'outbox')
  }

  get controlSocket(): string {
    return controlSocketOf(this.dir)
  }

  get bundles(): string {
    return join(this.dir, 'bundles')
  }

  /** The folder of a bundle, or of one prepared version of it. */
  bundle(name: string, version?: number): string {
    return join(this.bundles, name, ...(version === undefined ? [] : [String(version)]))
  }

  /** What is kept of the machine while this bundle is on probation. */
  kept(name: string): string {
    return join(this.dir, 'kept', name)
  }

  /** Writes what is pending and gives up the lock. */
  async close(): Promise<void> {
    await this.index.close()
  }
}

/**
 * Where the daemon of a home listens for commands, whether it runs or not: `control.sock` in the home, or a name derived from the home
 * in a private folder where that path is too long. Misconfigured `SOCKET_FOLDER_UNSAFE` where others could listen there in our place.
 */
export function controlSocketOf(path: string): string {
  const dir = realPathOf(path)
  const socket = join(dir, 'control.sock')
  if (Buffer.byteLength(socket) <= socketPathBytesMax) return socket
  const folder = socketFolder()
  requirePrivate(folder)
  return join(folder, `${sha256(utf8(dir)).slice(0, 32)}.sock`)
}

// Not below XDG_RUNTIME_DIR: a daemon that the system starts and a command typed in a session would then look in different places.
const socketFolder = (): string => join('/', 'tmp', `grapevine-${process.getuid?.() ?? 0}`)

function realPathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path)
  }
}

function prepareSocketFolder(dir: string): void {
  if (!controlSocketOf(dir).startsWith(socketFolder())) return
  mkdirSync(socketFolder(), { recursive: true, mode: 0o700 })
  requirePrivate(socketFolder())
}

function requirePrivate(folder: string): void {
  const found = lstatSync(folder, { throwIfNoEntry: false })
  if (!found || (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0)) return
  throw new Misconfigured('SOCKET_FOLDER_UNSAFE', {
    message: 'The folder for control sockets does not belong to this user alone.',
    where: folder,
    next: 'Remove it, or use a home with a shorter path.',
  })
}

async function refuseTaken(dir: string): Promise<void> {
  const names = await namesIn(dir)
  if (names.includes('version'))
    throw new Misconfigured('HOME_EXISTS', {
      message: 'There is a home already; it was not touched.',
      where: dir,
      next: 'Use it, or name another folder with --home.',
    })
  if (names.length === 0 || names.includes('unfinished')) return
  throw new Misconfigured('HOME_NOT_EMPTY', {
    message: 'This folder holds something else; it was not touched.',
    where: dir,
    next: 'Name an empty or new folder with --home.',
  })
}

/**
 * A folder and those above it, mode 0700. Not `mkdir` with `recursive`: where a file system makes no folders, as procfs, that of
 * Node 24 turns for ever.
 */
async function makeFolder(dir: string): Promise<void> {
  const isThere = await stat(dir).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (isThere) return
  if (dirname(dir) !== dir) await makeFolder(dirname(dir))
  await mkdir(dir, { mode: 0o700 }).catch((error: unknown) => {
    if (codeOf(error) === 'EEXIST') return
    throw isAbsent(error) ? homeNotWritable(error, dir) : error
  })
}

async function requireHome(dir: string): Promise<void> {
  const names = await namesIn(dir)
  if (!names.includes('version')) {
    const isDamaged = !names.includes('unfinished') && irreplaceable.every((folder) => names.includes(folder))
    if (isDamaged) throw damaged(dir, 'its file "version" is missing')
    throw new Misconfigured('HOME_NOT_FOUND', {
      message: names.includes('unfinished') ? 'Making this home was begun and not finished.' : 'There is no home here.',
      where: dir,
      next: 'Make one with `grapevine init` or `grapevine join`, or name the right one with --home.',
    })
  }
  const text = textOf((await readIfThere(join(dir, 'version'))) ?? new Uint8Array()) ?? ''
  const found = /^format: ([1-9]\d{0,8})\n$/.exec(text)?.[1]
  if (found === undefined) throw damaged(dir, 'its file "version" is not understood')
  if (Number(found) > format)
    throw new Misconfigured('HOME_TOO_NEW', {
      message: `A newer grapevine made this home (format ${found}, this program knows ${format}).`,
      where: dir,
      next: 'Update grapevine on this machine.',
    })
  const missing = irreplaceable.find((folder) => !names.includes(folder))
  if (missing !== undefined) throw damaged(dir, `its folder ${missing}/ is missing`)
}

/** Names in a folder, apart from what a file system puts there by itself; none where there is no folder. */
async function namesIn(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).filter((name) => name !== 'lost+found')
  } catch (error) {
    if (!isAbsent(error)) throw systemError(error, dir)
    const isFile = await stat(dir).then(
      () => true,
      () => false,
    )
    if (!isFile) return []
    throw new Misconfigured('HOME_NOT_EMPTY', {
      message: 'This is a file, not a folder.',
      where: dir,
      next: 'Name an empty or new folder with --home.',
    })
  }
}

async function sweep(dir: string, isSwept: (name: string) => boolean): Promise<void> {
  for (const name of [...folders, 'config.yaml', 'version', 'unfinished'])
    if (isSwept(name)) await rm(join(dir, name), { recursive: true, force: true })
}

function damaged(dir: string, what: string): Misconfigured {
  return new Misconfigured('HOME_DAMAGED', {
    message: `This home is damaged: ${what}. Nothing was changed.`,
    where: dir,
    next: 'Restore it from a backup, or move it away and make it anew with `grapevine init` or `grapevine join`.',
  })
}

/**
 * Folders of files: a policy folder as it is read and packed, and a prepared bundle as it is unpacked. What is not a plain file below the
 * folder is refused when it is read, and a path that would leave the folder is refused again when it is written.
 *
 * Not carried: version control (`.git`, `.hg`, `.svn`), `.DS_Store`, what editors leave (`*~`, `.#*`, `.*.swp`), all but below
 * `packages/`, where everything is carried as it is; and empty folders.
 */
import type { BigIntStats } from 'node:fs'
import { chmod, lstat, mkdir, open, readdir, rename, rm, stat, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { textOf } from '#base/bytes.ts'
import { Hasher, type Digest } from '#base/digest.ts'
import { Misconfigured, Negative } from '#base/errors.ts'
import { bundleManifest, planBundle, type PackedContent, type PackedFile } from '#content/bundle.ts'
import type { AddTally, ChunkStore } from '#content/chunk-store.ts'
import { chunkBytesMin } from '#content/chunker.ts'
import { listEntriesMax } from '#content/content-ref.ts'
import {
  encodeManifest,
  manifestBytesMax,
  manifestContentsMax,
  manifestFilesMax,
  type Manifest,
  type ManifestFile,
} from '#content/manifest.ts'
import { comparePaths, pathFault } from '#content/manifest-path.ts'
import { syncFolder } from './atomic.ts'
import type { FileStore } from './file-store.ts'
import { extractFile, linkFile, placeIn } from './prepared-file.ts'
import { isAbsent, systemError } from './system-error.ts'
import { readUnchanged, stateOf, unreadable, type FileState } from './unchanged-file.ts'

export interface TreeFile extends FileState {
  /** Relative to the folder, `/` between segments. */
  readonly path: string
  /** 0o644, or 0o755 where its owner may run it. */
  readonly mode: number
}

export interface Tree {
  /** In byte order of their paths. */
  readonly files: readonly TreeFile[]
  /** Names that were passed over; of a folder its own. */
  readonly ignored: readonly string[]
  /** What no bundle can carry, each with its place; such a tree is not packed. */
  readonly faults: readonly Negative[]
}

/** 8 GiB a file, so that its chunk list is valid however it is cut; 64 GiB a folder. */
const fileBytesMax = listEntriesMax * chunkBytesMin
const treeBytesMax = 68_719_476_736
/** Files and folders, ignored ones too: a folder given by mistake (such as `/`) is noticed soon. */
const entriesMax = 4 * manifestFilesMax
/** More than anybody reads: whoever gave a wrong folder has one fault, not thousands. */
const faultsMax = 100

/**
 * Every file of a folder; what cannot be carried, at most 100 of it, is among the faults: `TREE_SYMLINK`, `TREE_SPECIAL`, `TREE_PATH`,
 * `TREE_TOO_LARGE`, `TREE_UNREADABLE`. Misconfigured `TREE_NOT_FOUND`.
 */
export async function readTree(dir: string): Promise<Tree> {
  const found = await stat(dir).catch(() => undefined)
  if (!found?.isDirectory())
    throw new Misconfigured('TREE_NOT_FOUND', {
      message: found ? 'This is a file, not a folder.' : 'There is no such folder.',
      where: dir,
      next: 'Name the folder that holds policy.yaml.',
    })
  const files: TreeFile[] = []
  const ignored: string[] = []
  const faults: Negative[] = []
  const isEnough = (): boolean => faults.length >= faultsMax
  /** What `look` finds, or undefined and one fault more. */
  const noting = async <Found>(look: () => Promise<Found>): Promise<Found | undefined> => {
    try {
      return await look()
    } catch (error) {
      if (!(error instanceof Negative)) throw error
      faults.push(error)
      return undefined
    }
  }
  let entries = 0
  const walk = async (prefix: string): Promise<void> => {
    for (const name of (await noting(() => namesIn(join(dir, prefix)))) ?? []) {
      if (isEnough()) return
      const path = prefix + (textOf(name) ?? '\ufffd')
      const where = join(dir, path)
      if (entries++ >= entriesMax) throw tooLarge(dir, `it holds more than ${entriesMax} files and folders`)
      if (isIgnored(path)) {
        ignored.push(path)
        continue
      }
      const fault = textOf(name) === undefined ? 'its name is not valid UTF-8' : pathFault(path)
      if (fault !== undefined) {
        faults.push(oddPath(where, fault))
        continue
      }
      const file = await noting(async () => {
        const entry = await lstat(where, { bigint: true }).catch((error: unknown) => {
          throw unreadable(error, where)
        })
        return entry.isDirectory() ? 'folder' : fileOf(path, where, entry)
      })
      if (file === 'folder') await walk(`${path}/`)
      else if (file) files.push(file)
    }
  }
  await noting(() => walk(''))
  const bytes = files.reduce((sum, file) => sum + file.size, 0)
  if (files.length > manifestFilesMax) faults.push(tooLarge(dir, `it holds more than ${manifestFilesMax} files`))
  if (bytes > treeBytesMax) faults.push(tooLarge(dir, `it holds ${bytes} bytes, more than ${treeBytesMax}`))
  return { files: files.sort((a, b) => comparePaths(a.path, b.path)), ignored, faults }
}

/**
 * Packs a folder that was read before: every file is read once, and its content is in the store then. The manifest itself is not stored:
 * whoever calls may find that nothing changed. Negative: its first fault, `TREE_CHANGED`, `TREE_TOO_LARGE`; the errors of `ChunkStore.add`. What was
 * stored by then stays, and nothing names it.
 */
export async function packTree(
  dir: string,
  tree: Tree,
  store: ChunkStore,
  { name, version }: { readonly name: string; readonly version: number },
): Promise<{ manifest: Manifest; newBytes: number }> {
  const [fault] = tree.faults
  if (fault) throw fault
  const plan = planBundle(tree.files)
  if (plan.length > manifestContentsMax) throw tooLarge(dir, `it makes more than ${manifestContentsMax} contents`)
  const tally: AddTally = { newBytes: 0 }
  const contents: PackedContent[] = []
  for (const group of plan) {
    const files: PackedFile[] = []
    contents.push({ ref: await store.add(packedBytes(dir, group, files), tally), files })
  }
  const empty = tree.files.filter((file) => file.size === 0)
  for await (const _ of packedBytes(dir, empty, [])) continue
  const manifest = bundleManifest({ name, version, contents, empty })
  if (encodeManifest(manifest).byteLength > manifestBytesMax) throw tooLarge(dir, 'its paths are too long and too many')
  return { manifest, newBytes: tally.newBytes }
}

/**
 * Makes `target` the folder that the manifest describes: files 0444 or 0555, there whole or not at all; what was there before is
 * replaced. All its contents must be complete. They have one copy on disk afterwards, shared with the store or taken over from it.
 * Unavailable `CONTENT_MISSING`, `DISK_FULL`; Refused `TREE_ESCAPE`, `FILE_WRONG`: `target` is as before then.
 */
export async function unpackTree(manifest: Manifest, store: FileStore, target: string): Promise<void> {
  const building = `${target}.tmp-${process.pid}`
  const adopted: { digest: Digest; files: readonly ManifestFile[] }[] = []
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o755 })
    await sweepBeside(target)
    await mkdir(building, { mode: 0o755 })
    const folders = new Set([building])
    for (const file of manifest.files) {
      const folder = dirname(placeIn(building, file.path))
      await mkdir(folder, { recursive: true, mode: 0o755 })
      for (let above = folder; !folders.has(above); above = dirname(above)) folders.add(above)
      if (file.length === 0) await extractFile(store, file.digest, file, placeIn(building, file.path))
    }
    const filesOf = Map.groupBy(manifest.files, (file) => file.content)
    for (const [index, { digest }] of manifest.contents.entries()) {
      const files = filesOf.get(index) ?? []
      if (await linkAlone(store, digest, files, building)) continue
      for (const file of files) await extractFile(store, digest, file, placeIn(building, file.path))
      adopted.push({ digest, files })
    }
    for (const folder of folders) await syncFolder(folder)
    await replaceFolder(building, target)
  } catch (error) {
    await rm(building, { recursive: true, force: true })
    throw systemError(error, target)
  }
  for (const { digest, files } of adopted) {
    const segments = segmentsOf(files).map(({ path, length }) => ({ path: placeIn(target, path), length }))
    // Where the files are not the whole content, the store keeps its own.
    await store.adopt(digest, segments)
  }
}

/** Removes a prepared bundle. Contents that lie only there come back into the store first: remove those that nobody needs before. */
export async function removeTree(store: FileStore, target: string): Promise<void> {
  await store.leave(target)
  await rm(target, { recursive: true, force: true }).catch((error: unknown) => {
    throw systemError(error, target)
  })
}

/** Makes `dir` hold these files and no others. Not atomic: it is made again where that was interrupted. */
export async function writeTree(
  dir: string,
  files: readonly { readonly path: string; readonly mode: number; readonly text: string }[],
): Promise<void> {
  try {
    await rm(dir, { recursive: true, force: true })
    await mkdir(dir, { recursive: true, mode: 0o755 })
    for (const { path, mode, text } of files) {
      const place = placeIn(dir, path)
      await mkdir(dirname(place), { recursive: true, mode: 0o755 })
      const file = await open(place, 'wx', mode)
      try {
        await file.writeFile(text)
        await file.datasync()
      } finally {
        await file.close()
      }
      await chmod(place, mode)
    }
  } catch (error) {
    throw systemError(error, dir)
  }
}

/** Points `current` in the folder of a bundle to one of its prepared versions, atomically. */
export async function setCurrent(bundle: string, version: number): Promise<void> {
  const temporary = join(bundle, `.current.tmp-${process.pid}-${version}`)
  try {
    await rm(temporary, { force: true })
    await symlink(String(version), temporary)
    await rename(temporary, join(bundle, 'current'))
    await syncFolder(bundle)
  } catch (error) {
    throw systemError(error, bundle)
  }
}

async function namesIn(folder: string): Promise<Buffer[]> {
  try {
    return await readdir(folder, { encoding: 'buffer' })
  } catch (error) {
    throw unreadable(error, folder)
  }
}

const isIgnored = (path: string): boolean =>
  !path.startsWith('packages/') && /^(?:\.git|\.hg|\.svn|\.DS_Store|.*~|\.#.*|\..*\.swp)$/.test(basename(path))

function fileOf(path: string, where: string, found: BigIntStats): TreeFile {
  if (found.isSymbolicLink())
    throw new Negative('TREE_SYMLINK', {
      message: 'This is a symbolic link, and what it points to is not part of the folder.',
      where,
      next: 'Put a copy of the file in its place.',
    })
  if (!found.isFile())
    throw new Negative('TREE_SPECIAL', {
      message: 'This is neither a file nor a folder.',
      where,
      next: 'Take it out of the folder: sockets, pipes and devices cannot be carried.',
    })
  const state = stateOf(found)
  if (state.size > fileBytesMax) throw tooLarge(where, `it has ${state.size} bytes, more than ${fileBytesMax}`)
  return { ...state, path, mode: (found.mode & 0o100n) === 0n ? 0o644 : 0o755 }
}

/** The bytes of files one after the other; what each turned out to be is put into `packed`. */
async function* packedBytes(
  dir: string,
  files: readonly TreeFile[],
  packed: PackedFile[],
): AsyncGenerator<Uint8Array, void> {
  for (const file of files) {
    const hasher = new Hasher()
    const path = join(dir, file.path)
    for await (const piece of readUnchanged(path, file, path)) {
      hasher.update(piece)
      yield piece
    }
    packed.push({ path: file.path, mode: file.mode, length: file.size, digest: hasher.digest() })
  }
}

/** Links a file that is a content of its own. Not one that may be run: links share their mode, and the store's own file is 0444. */
async function linkAlone(
  store: FileStore,
  digest: Digest,
  files: readonly ManifestFile[],
  folder: string,
): Promise<boolean> {
  const [file] = files
  if (!file || files.length > 1 || file.mode !== 0o644 || file.digest !== digest) return false
  return linkFile(store, digest, placeIn(folder, file.path))
}

/** The files in the order of their bytes, one for each offset: equal packs of one bundle are one content. */
const segmentsOf = (files: readonly ManifestFile[]): ManifestFile[] => [
  ...new Map(files.toSorted((a, b) => a.offset - b.offset).map((file) => [file.offset, file])).values(),
]

/** Clears away what interrupted runs left beside a folder. The old one comes back where it had no successor: contents may lie in it alone. */
async function sweepBeside(target: string): Promise<void> {
  if (!(await stat(target).catch(() => undefined))) await rename(`${target}.old`, target).catch(() => undefined)
  for (const name of await readdir(dirname(target)))
    if (name.startsWith(`${basename(target)}.tmp-`) || name === `${basename(target)}.old`)
      await rm(join(dirname(target), name), { recursive: true, force: true })
}

async function replaceFolder(from: string, target: string): Promise<void> {
  const old = `${target}.old`
  await rename(target, old).catch((error: unknown) => {
    if (!isAbsent(error)) throw error
  })
  await rename(from, target)
  await syncFolder(dirname(target))
  await rm(old, { recursive: true, force: true })
}

function oddPath(where: string, fault: string): Negative {
  return new Negative('TREE_PATH', {
    message: `A bundle cannot carry this path: ${fault}.`,
    where,
    next: 'Rename it.',
  })
}

function tooLarge(where: string, fault: string): Negative {
  return new Negative('TREE_TOO_LARGE', {
    message: `This is too large for a bundle: ${fault}.`,
    where,
    next: 'Split it into several policies, or publish packages as a channel.',
  })
}

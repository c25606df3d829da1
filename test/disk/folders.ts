/** Folders that are packed and unpacked in tests: made, looked at, compared. */
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Manifest } from '#content/manifest.ts'
import { FileStore } from '#disk/file-store.ts'
import { Home } from '#disk/home.ts'
import { packTree, readTree } from '#disk/tree.ts'
import { madeBytes } from '../contracts/chunk-store.ts'
import { atEnd, scratch } from './scratch.ts'

type Files = Readonly<Record<string, { readonly bytes: Uint8Array; readonly mode?: number }>>

export async function folderOf(files: Files): Promise<string> {
  const dir = await scratch()
  for (const [path, { bytes, mode }] of Object.entries(files)) {
    await mkdir(join(dir, path, '..'), { recursive: true })
    await writeFile(join(dir, path), bytes)
    await chmod(join(dir, path), mode ?? 0o644)
  }
  return dir
}

export async function openedHome(): Promise<{ home: Home; store: FileStore }> {
  const home = await Home.create(join(await scratch(), 'home'))
  atEnd(async () => home.close())
  return { home, store: await FileStore.open(home.contents, home.index) }
}

export async function packed(
  dir: string,
  store: FileStore,
  version = 1,
): Promise<{ manifest: Manifest; newBytes: number }> {
  return packTree(dir, await readTree(dir), store, { name: 'web', version })
}

/** Every file below a folder with its bytes and mode. */
export async function filesIn(dir: string): Promise<Record<string, { bytes: Uint8Array; mode: number }>> {
  const found: Record<string, { bytes: Uint8Array; mode: number }> = {}
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    found[path.slice(dir.length + 1)] = {
      bytes: new Uint8Array(await readFile(path)),
      mode: (await stat(path)).mode & 0o777,
    }
  }
  return found
}

export const sample: Files = {
  'policy.yaml': { bytes: madeBytes('policy', 700) },
  'files/run.sh': { bytes: madeBytes('run', 300), mode: 0o755 },
  'files/empty': { bytes: new Uint8Array() },
  'files/tool': { bytes: madeBytes('tool', 90_000), mode: 0o755 },
  'files/grüße %41 🍇.txt': { bytes: madeBytes('greetings', 65_535) },
  'packages/a.deb': { bytes: madeBytes('package', 400_000) },
  'packages/same.deb': { bytes: madeBytes('package', 400_000) },
}

export const expected = (files: Files): Record<string, { bytes: Uint8Array; mode: number }> =>
  Object.fromEntries(
    Object.entries(files).map(([path, { bytes, mode }]) => [path, { bytes, mode: mode === 0o755 ? 0o555 : 0o444 }]),
  )

/** Bytes that the files of a folder take, each inode once. */
export async function bytesOn(dir: string): Promise<number> {
  const inodes = new Map<number, number>()
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) {
      const { ino, size } = await stat(join(entry.parentPath, entry.name))
      inodes.set(ino, size)
    }
  return [...inodes.values()].reduce((sum, size) => sum + size, 0)
}

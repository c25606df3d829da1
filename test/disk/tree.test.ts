import { execFileSync } from 'node:child_process'
import {
  appendFile,
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256 } from '#base/digest.ts'
import { encodeManifest, parseManifest, type Manifest } from '#content/manifest.ts'
import { FileStore } from '#disk/file-store.ts'
import { Home } from '#disk/home.ts'
import { packTree, readTree, removeTree, setCurrent, unpackTree, writeTree } from '#disk/tree.ts'
import { unreadable } from '#disk/unchanged-file.ts'
import { fetchInto, madeBytes } from '../contracts/chunk-store.ts'
import { atEnd, scratch } from './scratch.ts'

type Files = Readonly<Record<string, { readonly bytes: Uint8Array; readonly mode?: number }>>

async function folderOf(files: Files): Promise<string> {
  const dir = await scratch()
  for (const [path, { bytes, mode }] of Object.entries(files)) {
    await mkdir(join(dir, path, '..'), { recursive: true })
    await writeFile(join(dir, path), bytes)
    await chmod(join(dir, path), mode ?? 0o644)
  }
  return dir
}

async function openedHome(): Promise<{ home: Home; store: FileStore }> {
  const home = await Home.create(join(await scratch(), 'home'))
  atEnd(async () => home.close())
  return { home, store: await FileStore.open(home.contents, home.index) }
}

async function packed(dir: string, store: FileStore, version = 1): Promise<{ manifest: Manifest; newBytes: number }> {
  return packTree(dir, await readTree(dir), store, { name: 'web', version })
}

/** Every file below a folder with its bytes and mode. */
async function filesIn(dir: string): Promise<Record<string, { bytes: Uint8Array; mode: number }>> {
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

const sample: Files = {
  'policy.yaml': { bytes: madeBytes('policy', 700) },
  'files/run.sh': { bytes: madeBytes('run', 300), mode: 0o755 },
  'files/empty': { bytes: new Uint8Array() },
  'files/tool': { bytes: madeBytes('tool', 90_000), mode: 0o755 },
  'files/grüße %41 🍇.txt': { bytes: madeBytes('greetings', 65_535) },
  'packages/a.deb': { bytes: madeBytes('package', 400_000) },
  'packages/same.deb': { bytes: madeBytes('package', 400_000) },
}

const expected = (files: Files): Record<string, { bytes: Uint8Array; mode: number }> =>
  Object.fromEntries(
    Object.entries(files).map(([path, { bytes, mode }]) => [path, { bytes, mode: mode === 0o755 ? 0o555 : 0o444 }]),
  )

/** Bytes that the files of a folder take, each inode once. */
async function bytesOn(dir: string): Promise<number> {
  const inodes = new Map<number, number>()
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) {
      const { ino, size } = await stat(join(entry.parentPath, entry.name))
      inodes.set(ino, size)
    }
  return [...inodes.values()].reduce((sum, size) => sum + size, 0)
}

describe('reading a folder', () => {
  it('finds every file with its size and mode, in byte order, and passes over what is not meant to be carried', async () => {
    const one = { bytes: Uint8Array.of(1) }
    const dir = await folderOf({
      b: one,
      'a/x': { ...one, mode: 0o700 },
      'a-b': one,
      '.git/config': one,
      'policy.yaml~': one,
      '.x.swp': one,
      'packages/odd~': one,
      'packages/sub/.DS_Store': one,
    })
    await mkdir(join(dir, 'nothing'))
    await symlink('nobody@nowhere', join(dir, '.#b'))
    const tree = await readTree(dir)
    expect(tree.files.map(({ path, size, mode }) => [path, size, mode])).toEqual([
      ['a-b', 1, 0o644],
      ['a/x', 1, 0o755],
      ['b', 1, 0o644],
      ['packages/odd~', 1, 0o644],
      ['packages/sub/.DS_Store', 1, 0o644],
    ])
    expect(tree.ignored.toSorted()).toEqual(['.#b', '.git', '.x.swp', 'policy.yaml~'])
  })

  it('a folder that is not there, and a file in its place, are told apart from a bad policy', async () => {
    const dir = await folderOf({ file: { bytes: new Uint8Array() } })
    for (const path of [join(dir, 'none'), join(dir, 'file')])
      await expect(readTree(path)).rejects.toMatchObject({ code: 'TREE_NOT_FOUND', exitCode: 2, where: path })
  })

  it('a symbolic link is refused by name, wherever it leads', async () => {
    for (const goal of ['policy.yaml', '/etc/passwd', 'nowhere', '..']) {
      const dir = await folderOf({ 'policy.yaml': { bytes: Uint8Array.of(1) }, 'files/x': { bytes: Uint8Array.of(1) } })
      await symlink(goal, join(dir, 'files', 'link'))
      const where = join(dir, 'files', 'link')
      await expect(readTree(dir)).rejects.toMatchObject({ code: 'TREE_SYMLINK', exitCode: 1, where })
    }
  })

  it('a pipe is refused by name, and nobody waits for it', async () => {
    const dir = await scratch()
    execFileSync('mkfifo', [join(dir, 'pipe')])
    await expect(readTree(dir)).rejects.toMatchObject({ code: 'TREE_SPECIAL', exitCode: 1, where: join(dir, 'pipe') })
  })

  it('a name that a bundle cannot carry is refused', async () => {
    for (const name of ['a\\b', 'a\nb', 'u\u0308', Buffer.from([0x61, 0xff]), `${'d/'.repeat(32)}f`]) {
      const dir = await scratch()
      const path = typeof name === 'string' ? join(dir, name) : Buffer.concat([Buffer.from(`${dir}/`), name])
      if (typeof path === 'string') await mkdir(join(path, '..'), { recursive: true })
      await writeFile(path, 'x')
      await expect(readTree(dir)).rejects.toMatchObject({ code: 'TREE_PATH', exitCode: 1 })
    }
  })

  it('too large a file, too large a folder and too many files are refused', async () => {
    const dir = await scratch()
    const sparse = async (name: string, bytes: number): Promise<void> => {
      await writeFile(join(dir, name), '')
      await truncate(join(dir, name), bytes)
    }
    await sparse('large', 8 * 2 ** 30 + 1)
    await expect(readTree(dir)).rejects.toMatchObject({ code: 'TREE_TOO_LARGE', where: join(dir, 'large') })
    for (let at = 0; at < 9; at++) await sparse(at === 0 ? 'large' : `large${at}`, 8 * 2 ** 30)
    await expect(readTree(dir)).rejects.toMatchObject({ code: 'TREE_TOO_LARGE', exitCode: 1, where: dir })
    const many = await scratch()
    await Promise.all(Array.from({ length: 10_001 }, async (_, at) => writeFile(join(many, String(at)), '')))
    await expect(readTree(many)).rejects.toMatchObject({ code: 'TREE_TOO_LARGE', where: many })
  })

  it('a file that may not be read is named, and another failure of the disk is not mistaken for it', () => {
    const failed = (code: string): Error => Object.assign(new Error(code), { code, syscall: 'open' })
    expect(unreadable(failed('EACCES'), 'f')).toMatchObject({ code: 'TREE_UNREADABLE', exitCode: 1, where: 'f' })
    expect(unreadable(failed('EIO'), 'f')).toMatchObject({ code: 'DISK_FAILED', exitCode: 3 })
  })
})

describe('packing a folder', () => {
  it('what was packed is unpacked as it was, read-only', async () => {
    const { home, store } = await openedHome()
    const { manifest, newBytes } = await packed(await folderOf(sample), store)
    expect(parseManifest(encodeManifest(manifest))).toEqual(manifest)
    expect(newBytes).toBeGreaterThanOrEqual(700 + 300 + 90_000 + 65_535 + 400_000)
    expect(newBytes).toBeLessThan(560_000)
    await unpackTree(manifest, store, home.bundle('web', 1))
    expect(await filesIn(home.bundle('web', 1))).toEqual(expected(sample))
  })

  it('any folder is unpacked as it was packed', async () => {
    const name = fc.stringMatching(/^[a-c]{1,2}$/)
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => `x${names.join('/x')}.f`)
    const file = fc.record({ size: fc.oneof(fc.nat(100), fc.nat(150_000)), mode: fc.constantFrom(0o644, 0o755) })
    const { home, store } = await openedHome()
    let version = 0
    await fc.assert(
      fc.asyncProperty(fc.dictionary(path, file, { maxKeys: 8 }), async (made) => {
        version++
        const files = Object.fromEntries(
          Object.entries(made).map(([path, { size, mode }]) => [path, { bytes: madeBytes(`${size}`, size), mode }]),
        )
        const { manifest } = await packed(await folderOf(files), store, version)
        await unpackTree(parseManifest(encodeManifest(manifest)), store, home.bundle('web', version))
        expect(await filesIn(home.bundle('web', version))).toEqual(expected(files))
        for (const { digest } of manifest.contents) expect(store.holding(digest)?.complete).toBe(true)
      }),
      { seed: 12, numRuns: 25 },
    )
  })

  it('the same folder makes the same contents again, and no new bytes', async () => {
    const { store } = await openedHome()
    const dir = await folderOf(sample)
    const first = await packed(dir, store)
    const again = await packed(dir, store)
    expect(again).toEqual({ manifest: first.manifest, newBytes: 0 })
  })

  it('200 small files are one content', async () => {
    const { store } = await openedHome()
    const files = Object.fromEntries(
      Array.from({ length: 200 }, (_, at) => [`files/${at}`, { bytes: madeBytes(`small ${at}`, 4_096) }]),
    )
    expect((await packed(await folderOf(files), store)).manifest.contents).toHaveLength(1)
  })

  it('a file that changed since it was looked at is named, and its content is not kept', async () => {
    const changes: ((path: string) => Promise<void>)[] = [
      async (path) => appendFile(path, 'more'),
      async (path) => writeFile(path, madeBytes('other', 700)),
      async (path) => utimes(path, 1, 1),
      async (path) => rm(path),
      async (path) => {
        await rename(path, `${path}.old`)
        await symlink(`${path}.old`, path)
      },
    ]
    for (const change of changes) {
      const { store } = await openedHome()
      const dir = await folderOf(sample)
      const tree = await readTree(dir)
      await change(join(dir, 'policy.yaml'))
      const packing = packTree(dir, tree, store, { name: 'web', version: 1 })
      const where = join(dir, 'policy.yaml')
      await expect(packing).rejects.toMatchObject({ code: 'TREE_CHANGED', exitCode: 1, where })
    }
  })

  it('a file that changes while it is read is named, though its length stays', async () => {
    const dir = await folderOf({ large: { bytes: madeBytes('large', 1_000_000) } })
    const tree = await readTree(dir)
    const { store } = await openedHome()
    const slow = {
      add: async (bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) => {
        let isFirst = true
        for await (const _ of bytes) {
          if (isFirst) await writeFile(join(dir, 'large'), madeBytes('changed', 1_000_000))
          isFirst = false
        }
        return store.add([])
      },
    } as unknown as FileStore
    await expect(packTree(dir, tree, slow, { name: 'web', version: 1 })).rejects.toMatchObject({ code: 'TREE_CHANGED' })
  })

  it('an empty file that is filled meanwhile is noticed too', async () => {
    const { store } = await openedHome()
    const dir = await folderOf(sample)
    const tree = await readTree(dir)
    await writeFile(join(dir, 'files', 'empty'), 'x')
    const packing = packTree(dir, tree, store, { name: 'web', version: 1 })
    await expect(packing).rejects.toMatchObject({ code: 'TREE_CHANGED', where: join(dir, 'files', 'empty') })
  })
})

describe('a prepared bundle', () => {
  it('has one copy on disk, shared with the store or taken over from it, and is still served whole', async () => {
    const { home, store } = await openedHome()
    const { manifest } = await packed(await folderOf(sample), store)
    const before = await bytesOn(home.contents)
    await unpackTree(manifest, store, home.bundle('web', 1))
    await store.flush()
    const lists = manifest.contents.reduce((sum, ref) => sum + (ref.list?.length ?? 0), 0)
    // Equal files that may be linked apart share a content, not an inode: the second has its own copy.
    expect(await bytesOn(join(home.dir, 'contents'))).toBeLessThanOrEqual(lists)
    expect(await bytesOn(home.bundle('web'))).toBeLessThanOrEqual(before + 400_000)
    for (const { digest, length } of manifest.contents)
      expect(sha256((await store.readWhole(digest, length)) ?? new Uint8Array())).toBe(digest)
  })

  it('a file that is a content of its own is the same inode as in the store', async () => {
    const { home, store } = await openedHome()
    const { manifest } = await packed(await folderOf({ 'packages/a.deb': sample['packages/a.deb']! }), store)
    await unpackTree(manifest, store, home.bundle('web', 1))
    expect((await stat(join(home.bundle('web', 1), 'packages/a.deb'))).nlink).toBe(2)
  })

  it('a next version takes what it shares from the prepared one, and stays when that is removed', async () => {
    const origin = await openedHome()
    const client = await openedHome()
    const first = await packed(await folderOf(sample), origin.store, 1)
    for (const ref of first.manifest.contents) await fetchInto(client.store, ref, origin.store)
    await unpackTree(first.manifest, client.store, client.home.bundle('web', 1))
    const changed = { ...sample, 'policy.yaml': { bytes: madeBytes('policy 2', 800) } }
    const second = await packed(await folderOf(changed), origin.store, 2)
    let fetched = 0
    for (const ref of second.manifest.contents) {
      if (ref.list) await fetchInto(client.store, ref.list, origin.store)
      const { chunks, have } = await client.store.open(ref)
      for (let index = 0; index < chunks; index++) {
        if (((have[index >> 3] ?? 0) & (1 << (index & 7))) !== 0) continue
        fetched++
        await client.store.put(ref.digest, index, (await origin.store.read(ref.digest, index)) ?? new Uint8Array())
      }
    }
    expect(fetched).toBeLessThanOrEqual(3)
    await unpackTree(second.manifest, client.store, client.home.bundle('web', 2))
    await removeTree(client.store, client.home.bundle('web', 1))
    expect(await filesIn(client.home.bundle('web', 2))).toEqual(expected(changed))
    for (const { digest, length } of [...first.manifest.contents, ...second.manifest.contents])
      expect(sha256((await client.store.readWhole(digest, length)) ?? new Uint8Array())).toBe(digest)
  })

  it('is made again in place of what was there', async () => {
    const { home, store } = await openedHome()
    const target = home.bundle('web', 1)
    const { manifest } = await packed(await folderOf(sample), store)
    await unpackTree(manifest, store, target)
    await writeTree(join(target, 'compiled', 'cfengine'), [{ path: 'main.cf', mode: 0o600, text: 'old' }])
    await mkdir(`${target}.tmp-1`)
    await unpackTree(manifest, store, target)
    expect(await filesIn(target)).toEqual(expected(sample))
    expect(await readdir(home.bundle('web'))).toEqual(['1'])
    await unpackTree(manifest, store, home.bundle('web', 2))
    expect(await filesIn(home.bundle('web', 2))).toEqual(expected(sample))
  })

  it('comes back from beside its place where the power failed while it was replaced', async () => {
    const { home, store } = await openedHome()
    const target = home.bundle('web', 1)
    const { manifest } = await packed(await folderOf(sample), store)
    await unpackTree(manifest, store, target)
    await rename(target, `${target}.old`)
    await unpackTree(manifest, store, target)
    expect(await filesIn(target)).toEqual(expected(sample))
    expect(await readdir(home.bundle('web'))).toEqual(['1'])
  })

  it('is not made where a content is missing or rotted, and what was there stays', async () => {
    const { home, store } = await openedHome()
    const target = home.bundle('web', 1)
    const old = await packed(await folderOf({ old: { bytes: Uint8Array.of(1) } }), store)
    await unpackTree(old.manifest, store, target)
    const { manifest } = await packed(await folderOf(sample), store, 2)
    const alone = manifest.contents.find((ref) => ref.digest === sha256(madeBytes('tool', 90_000)))!
    const path = join(home.contents, alone.digest.slice(0, 2), alone.digest.slice(2))
    await chmod(path, 0o644)
    await truncate(path, 80_000)
    await expect(unpackTree(manifest, store, target)).rejects.toMatchObject({ code: 'CONTENT_MISSING', exitCode: 3 })
    expect(await readdir(home.bundle('web'))).toEqual(['1'])
    expect(Object.keys(await filesIn(target))).toEqual(['old'])
    expect(store.holding(alone.digest)?.complete).toBe(false)
    await store.remove(alone.digest)
    await expect(unpackTree(manifest, store, target)).rejects.toMatchObject({ code: 'CONTENT_MISSING' })
  })

  it('a linked file that rotted in the store is not handed on', async () => {
    const { home, store } = await openedHome()
    const { manifest } = await packed(await folderOf({ 'a.deb': sample['packages/a.deb']! }), store)
    const { digest } = manifest.contents[0]!
    const path = join(home.contents, digest.slice(0, 2), digest.slice(2))
    await chmod(path, 0o644)
    const bytes = await readFile(path)
    await writeFile(path, bytes.fill(0, 1_000, 1_010))
    const unpacking = unpackTree(manifest, store, home.bundle('web', 1))
    await expect(unpacking).rejects.toMatchObject({ code: 'CONTENT_MISSING' })
    expect(await readdir(home.bundle('web'))).toEqual([])
  })

  it('a path that would leave the folder is refused though no parser lets it through, and nothing is written', async () => {
    const { home, store } = await openedHome()
    const { manifest } = await packed(await folderOf({ x: { bytes: Uint8Array.of(1) } }), store)
    for (const path of ['../../../up', '/up', 'a/../../up', '']) {
      const files = manifest.files.map((file) => ({ ...file, path }))
      const unpacking = unpackTree({ ...manifest, files }, store, home.bundle('web', 1))
      await expect(unpacking).rejects.toMatchObject({ code: 'TREE_ESCAPE', exitCode: 4 })
    }
    expect(await readdir(home.bundle('web'))).toEqual([])
    await expect(writeTree(join(home.dir, 'x'), [{ path: '../up', mode: 0o600, text: '' }])).rejects.toMatchObject({
      code: 'TREE_ESCAPE',
    })
    expect(await readdir(home.dir)).not.toContain('up')
  })

  it('a manifest that names other bytes for a file than it carries is refused', async () => {
    const { home, store } = await openedHome()
    const { manifest } = await packed(await folderOf(sample), store)
    const files = manifest.files.map((file) =>
      file.path === 'policy.yaml' ? { ...file, digest: sha256(Uint8Array.of(1)) } : file,
    )
    const unpacking = unpackTree({ ...manifest, files }, store, home.bundle('web', 1))
    await expect(unpacking).rejects.toMatchObject({ code: 'FILE_WRONG', exitCode: 4, where: 'policy.yaml' })
    expect(await readdir(home.bundle('web'))).toEqual([])
  })

  it('`current` points to one version, and from one moment to the next to another', async () => {
    const { home } = await openedHome()
    await mkdir(home.bundle('web', 7), { recursive: true })
    for (const version of [7, 12, 7]) {
      await setCurrent(home.bundle('web'), version)
      expect(await readlink(join(home.bundle('web'), 'current'))).toBe(String(version))
    }
    expect((await lstat(join(home.bundle('web'), 'current'))).isSymbolicLink()).toBe(true)
    expect((await readdir(home.bundle('web'))).sort()).toEqual(['7', 'current'])
    await expect(setCurrent(home.bundle('none'), 1)).rejects.toMatchObject({ exitCode: 3 })
  })

  it('compiled files are written with their modes, and replace what was there', async () => {
    const dir = join(await scratch(), 'compiled', 'cfengine')
    await writeTree(dir, [{ path: 'old', mode: 0o600, text: 'x' }])
    await writeTree(dir, [
      { path: 'main.cf', mode: 0o600, text: 'body' },
      { path: 'bin/module', mode: 0o700, text: '#!' },
    ])
    expect(await filesIn(dir)).toEqual({
      'main.cf': { bytes: new TextEncoder().encode('body'), mode: 0o600 },
      'bin/module': { bytes: new TextEncoder().encode('#!'), mode: 0o700 },
    })
  })
})

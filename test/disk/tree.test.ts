import * as fc from 'fast-check'
import { execFileSync } from 'node:child_process'
import { appendFile, mkdir, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { encodeManifest, parseManifest } from '#content/manifest.ts'
import type { FileStore } from '#disk/file-store.ts'
import { packTree, readTree, unpackTree } from '#disk/tree.ts'
import { unreadable } from '#disk/unchanged-file.ts'
import { madeBytes } from '../contracts/chunk-store.ts'
import { scratch } from './scratch.ts'
import { expected, filesIn, folderOf, openedHome, packed, sample } from './folders.ts'

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
      expect((await readTree(dir)).faults).toMatchObject([{ code: 'TREE_SYMLINK', exitCode: 1, where }])
    }
  })

  it('a pipe is refused by name, and nobody waits for it', async () => {
    const dir = await scratch()
    execFileSync('mkfifo', [join(dir, 'pipe')])
    expect((await readTree(dir)).faults).toMatchObject([
      { code: 'TREE_SPECIAL', exitCode: 1, where: join(dir, 'pipe') },
    ])
  })

  it('a name that a bundle cannot carry is refused', async () => {
    for (const name of ['a\\b', 'a\nb', 'u\u0308', Buffer.from([0x61, 0xff]), `${'d/'.repeat(32)}f`]) {
      const dir = await scratch()
      const path = typeof name === 'string' ? join(dir, name) : Buffer.concat([Buffer.from(`${dir}/`), name])
      if (typeof path === 'string') await mkdir(join(path, '..'), { recursive: true })
      await writeFile(path, 'x')
      expect((await readTree(dir)).faults).toMatchObject([{ code: 'TREE_PATH', exitCode: 1 }])
    }
  })

  it('too large a file, too large a folder and too many files are refused', async () => {
    const dir = await scratch()
    const sparse = async (name: string, bytes: number): Promise<void> => {
      await writeFile(join(dir, name), '')
      await truncate(join(dir, name), bytes)
    }
    await sparse('large', 8 * 2 ** 30 + 1)
    expect((await readTree(dir)).faults).toMatchObject([{ code: 'TREE_TOO_LARGE', where: join(dir, 'large') }])
    for (let at = 0; at < 9; at++) await sparse(at === 0 ? 'large' : `large${at}`, 8 * 2 ** 30)
    expect((await readTree(dir)).faults).toMatchObject([{ code: 'TREE_TOO_LARGE', exitCode: 1, where: dir }])
    const many = await scratch()
    await Promise.all(Array.from({ length: 10_001 }, async (_, at) => writeFile(join(many, String(at)), '')))
    expect((await readTree(many)).faults).toMatchObject([{ code: 'TREE_TOO_LARGE', where: many }])
  })

  it('all that cannot be carried is told at once, up to a hundred, and none of it is packed', async () => {
    const dir = await folderOf({ 'policy.yaml': { bytes: Uint8Array.of(1) } })
    for (let number = 0; number < 3; number++) await symlink('nowhere', join(dir, `link${number}`))
    execFileSync('mkfifo', [join(dir, 'pipe')])
    const tree = await readTree(dir)
    expect(tree.faults.map(({ code }) => code).toSorted()).toEqual([
      'TREE_SPECIAL',
      'TREE_SYMLINK',
      'TREE_SYMLINK',
      'TREE_SYMLINK',
    ])
    const { store } = await openedHome()
    await expect(packTree(dir, tree, store, { name: 'web', version: 1 })).rejects.toMatchObject({
      code: tree.faults[0]?.code,
    })
    for (let number = 3; number < 200; number++) await symlink('nowhere', join(dir, `link${number}`))
    expect((await readTree(dir)).faults).toHaveLength(100)
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
    // The files' own bytes and no others: what is new of a bundle is never more than all of it.
    expect(newBytes).toBeLessThanOrEqual(manifest.files.reduce((sum, file) => sum + file.length, 0))
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

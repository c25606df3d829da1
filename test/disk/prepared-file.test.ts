import { chmod, lstat, mkdir, readdir, readFile, readlink, rename, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { sha256 } from '#base/digest.ts'
import { removeTree, setCurrent, unpackTree, writeTree } from '#disk/tree.ts'
import { fetchInto, madeBytes } from '../contracts/chunk-store.ts'
import { scratch } from './scratch.ts'
import { bytesOn, expected, filesIn, folderOf, openedHome, packed, sample } from './folders.ts'

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

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { readdir, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { codeOf } from '#base/errors.ts'
import { sha256 } from '#base/digest.ts'
import { writeAtomic } from '#disk/atomic.ts'
import { FileStore } from '#disk/file-store.ts'
import { Home } from '#disk/home.ts'
import { JournalFile } from '#disk/journal-file.ts'
import { Outbox } from '#disk/outbox.ts'
import { packTree, readTree, unpackTree } from '#disk/tree.ts'
import { loadTrust, saveTrust } from '#disk/trust-files.ts'
import { fetchInto, madeBytes, madeContent } from '../contracts/chunk-store.ts'

const disk = mkdtempSync(join(tmpdir(), 'grapevine-full-'))
const isMounted = mountSmallDisk()

afterAll(() => {
  if (isMounted) execFileSync('umount', ['-l', disk])
  rmSync(disk, { recursive: true, force: true })
})

/** 4 MiB that can really be filled: only root may mount them. */
function mountSmallDisk(): boolean {
  if (process.getuid?.() !== 0) return false
  try {
    mkdirSync(disk, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Takes every byte that is left, but for some pages. */
async function fill(leaving = 0): Promise<void> {
  const { bavail, bsize } = await statfs(disk)
  await writeFile(join(disk, 'filler'), new Uint8Array(Math.max(0, (bavail - leaving) * bsize)))
}

const full = { code: 'DISK_FULL', exitCode: 3 }

describe.skipIf(!isMounted)('a full disk (run as root, with: apt-get install mount)', () => {
  let home: Home
  const made = async (): Promise<FileStore> => {
    home = await Home.create(join(disk, 'home'))
    return FileStore.open(home.contents, home.index)
  }
  afterEach(async () => {
    await rm(join(disk, 'filler'), { force: true })
    await home.close()
    await rm(join(disk, 'home'), { recursive: true, force: true })
  })

  it('adding says so, leaves nothing half written, and works once there is room', async () => {
    const store = await made()
    const first = await store.add([madeBytes('first', 100_000)])
    await fill(20)
    await expect(store.add([madeBytes('second', 500_000)])).rejects.toMatchObject(full)
    expect(await readdir(join(home.contents, 'incoming'))).toEqual([])
    expect(store.holdings()).toHaveLength(2)
    expect(await store.readWhole(first.digest, 100_000)).toEqual(madeBytes('first', 100_000))
    await rm(join(disk, 'filler'))
    expect((await store.add([madeBytes('second', 500_000)])).length).toBe(500_000)
  })

  it('a chunk that does not fit is refused, those before it stay, and fetching goes on once there is room', async () => {
    const store = await made()
    const { ref, origin, bytes } = await madeContent(madeBytes('fetched', 1_000_000))
    if (ref.list) await fetchInto(store, ref.list, origin)
    await store.open(ref)
    await store.flush()
    await fill(60)
    const stored: number[] = []
    const failures: unknown[] = []
    for (let index = 0; index < (store.holding(ref.digest)?.chunks ?? 0); index++)
      await store.put(ref.digest, index, (await origin.read(ref.digest, index)) ?? new Uint8Array()).then(
        () => stored.push(index),
        (error: unknown) => failures.push(codeOf(error)),
      )
    expect(stored.length).toBeGreaterThan(0)
    expect(new Set(failures)).toEqual(new Set(['DISK_FULL']))
    for (const index of stored)
      expect(await store.read(ref.digest, index)).toEqual(await origin.read(ref.digest, index))
    await rm(join(disk, 'filler'))
    await fetchInto(store, ref, origin)
    await store.flush()
    expect(await store.readWhole(ref.digest, 1_000_000)).toEqual(bytes)
  })

  it('what was stored before is there at the next start, though the last words could not be written', async () => {
    const store = await made()
    const { ref, origin } = await madeContent(madeBytes('restarted', 400_000))
    await fetchInto(store, ref, origin, [0, 1, 2])
    await fill()
    await home.close()
    await rm(join(disk, 'filler'))
    home = await Home.open(join(disk, 'home'))
    const again = await FileStore.open(home.contents, home.index)
    if (ref.list) await again.open(ref.list)
    const { have } = await again.open(ref)
    expect(have[0]).toBe(0b111)
  })

  it('trust, journal, outbox and any atomic file keep what they had', async () => {
    await made()
    const journal = await JournalFile.open(join(home.journal, 'agent.journal'))
    const outbox = await Outbox.open(home.outbox)
    const path = join(home.dir, 'config.yaml')
    await saveTrust(home.trust, utf8('state'))
    await journal.append('entry')
    await outbox.put(sha256(utf8('report')), utf8('report'))
    await writeAtomic(path, utf8('old'), 0o600)
    await fill()
    const large = madeBytes('large', 100_000)
    await expect(saveTrust(home.trust, large)).rejects.toMatchObject(full)
    await expect(journal.append('x'.repeat(100_000))).rejects.toMatchObject(full)
    await expect(outbox.put(sha256(large), large)).rejects.toMatchObject(full)
    await expect(writeAtomic(path, large, 0o600)).rejects.toMatchObject(full)
    expect(await loadTrust(home.trust)).toEqual(utf8('state'))
    expect((await JournalFile.open(join(home.journal, 'agent.journal'))).entries).toEqual(['entry'])
    expect(await outbox.list()).toHaveLength(1)
    await rm(join(disk, 'filler'))
    await journal.append('after')
    expect((await JournalFile.open(join(home.journal, 'agent.journal'))).entries).toEqual(['entry', 'after'])
  })

  it('a bundle is prepared whole or not at all', async () => {
    const store = await made()
    const source = mkdtempSync(join(tmpdir(), 'grapevine-source-'))
    for (const name of ['a', 'b', 'c']) await writeFile(join(source, name), madeBytes(name, 60_000))
    const { manifest } = await packTree(source, await readTree(source), store, { name: 'web', version: 1 })
    await rm(source, { recursive: true })
    await fill(20)
    await expect(unpackTree(manifest, store, home.bundle('web', 1))).rejects.toMatchObject(full)
    expect(await readdir(home.bundle('web'))).toEqual([])
    await rm(join(disk, 'filler'))
    await unpackTree(manifest, store, home.bundle('web', 1))
    expect(await readdir(home.bundle('web', 1))).toEqual(['a', 'b', 'c'])
  })

  it('a home is not made where there is no room for it', async () => {
    await made()
    await fill()
    await expect(Home.create(join(disk, 'other'))).rejects.toMatchObject(full)
    await rm(join(disk, 'filler'))
    await (await Home.create(join(disk, 'other'))).close()
    await rm(join(disk, 'other'), { recursive: true })
  })
})

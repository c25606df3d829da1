import { lstat, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sha256, type Digest } from '#base/digest.ts'
import { silentLog } from '#base/log.ts'
import { after, instant, type Instant } from '#base/time.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { encodeManifest, type Manifest } from '#content/manifest.ts'
import { earlierMs, type WantedBundle } from '#content/retention.ts'
import { FileStore } from '#disk/file-store.ts'
import { Home } from '#disk/home.ts'
import { packTree, readTree, setCurrent, unpackTree, writeTree } from '#disk/tree.ts'
import { Housekeeping, type HousekeepingInit } from '#node/housekeeping.ts'
import { madeBytes } from '../contracts/chunk-store.ts'

let folder: string
let home: Home
let store: FileStore
let now: Instant
let wanted: WantedBundle[] | undefined
let log: string[]
let evicted: Digest[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grapevine-housekeeping-'))
  home = await Home.create(join(folder, 'home'))
  store = await FileStore.open(home.contents, home.index)
  now = instant(Date.UTC(2026, 10, 24))
  wanted = []
  log = []
  evicted = []
})
afterEach(async () => {
  await home.close()
  await rm(folder, { recursive: true, force: true })
})

const keeping = (change: Partial<HousekeepingInit> = {}): Housekeeping =>
  new Housekeeping({
    home,
    store,
    log: { ...silentLog, warn: (event) => void log.push(event) },
    quotaBytes: 1e9,
    wanted: () => wanted,
    isForOthers: () => false,
    isMissing: () => false,
    isAtWork: () => false,
    evicted: (contents) => void evicted.push(...contents),
    now: () => now,
    ...change,
  })

/** Text that is different for each label, and not short enough to share a pack with others. */
const textOf = (label: string, length = 70_000): string =>
  Buffer.from(madeBytes(label, length)).toString('base64').slice(0, length)

/** A bundle of these files by label, published, fetched and prepared. */
async function bundle(
  name: string,
  version: number,
  labels: readonly string[],
): Promise<WantedBundle & { parsed: Manifest }> {
  const dir = join(folder, `${name}-${version}`)
  await writeTree(
    dir,
    labels.map((label) => ({ path: `${label}.txt`, mode: 0o644, text: textOf(label) })),
  )
  const { manifest } = await packTree(dir, await readTree(dir), store, { name, version })
  const ref = await store.add([encodeManifest(manifest)])
  await unpackTree(manifest, store, home.bundle(name, version))
  await setCurrent(home.bundle(name), version)
  return { name, version, manifest: ref, parsed: manifest }
}

const isHere = (label: string): boolean => store.holding(sha256(Buffer.from(textOf(label))))?.complete === true
const prepared = async (name: string): Promise<string[]> => (await readdir(home.bundle(name))).toSorted()

describe('the disk of a member', () => {
  it('keeps the version that is wanted and the one before it, and gives up the rest, folders and all', async () => {
    const house = keeping()
    for (const version of [1, 2, 3]) {
      wanted = [await bundle('web', version, [`only-${version}`, 'common'])]
      await house.sweep()
    }
    expect(['only-1', 'only-2', 'only-3', 'common'].map(isHere)).toEqual([false, true, true, true])
    expect(await prepared('web')).toEqual(['2', '3', 'current'])
    expect(evicted).toContain(sha256(Buffer.from(textOf('only-1'))))
    now = after(now, earlierMs)
    await house.sweep()
    expect(['only-2', 'only-3', 'common'].map(isHere)).toEqual([false, true, true])
    expect(await prepared('web')).toEqual(['3', 'current'])
    expect(await readFile(join(home.bundle('web'), 'current', 'common.txt'), 'utf8')).toBe(textOf('common'))
  })

  it('goes on after a restart where it was', async () => {
    wanted = [await bundle('web', 1, ['one'])]
    await keeping().sweep()
    wanted = [await bundle('web', 2, ['two'])]
    await keeping().sweep()
    now = after(now, earlierMs - 1)
    await keeping().sweep()
    expect(['one', 'two'].map(isHere)).toEqual([true, true])
    now = after(now, 1)
    await keeping().sweep()
    expect(['one', 'two'].map(isHere)).toEqual([false, true])
  })

  it('is left alone while it is not known what is wanted', async () => {
    await bundle('web', 1, ['one'])
    wanted = undefined
    await keeping().sweep()
    expect([isHere('one'), evicted, await prepared('web')]).toEqual([true, [], ['1', 'current']])
  })

  it('brings back a content that lay only in a folder that goes, where another bundle needs it', async () => {
    const small = { path: 'small.txt', mode: 0o644, text: 'shared by two packs\n' }
    const packed = async (name: string): Promise<WantedBundle & { parsed: Manifest }> => {
      const dir = join(folder, name)
      await writeTree(dir, [small])
      const { manifest } = await packTree(dir, await readTree(dir), store, { name, version: 1 })
      return { name, version: 1, manifest: await store.add([encodeManifest(manifest)]), parsed: manifest }
    }
    const [web, till] = [await packed('web'), await packed('till')]
    await unpackTree(web.parsed, store, home.bundle('web', 1))
    const shared = web.parsed.contents[0]?.digest ?? sha256(new Uint8Array())
    expect(await store.adopt(shared, [{ path: join(home.bundle('web', 1), 'small.txt'), length: 20 }])).toBe(true)
    wanted = [till]
    now = after(now, earlierMs)
    await keeping().sweep()
    await expect(lstat(home.bundle('web'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await store.readWhole(shared, 100)).toEqual(new Uint8Array(Buffer.from(small.text)))
  })

  it('takes nothing away from work that is going on', async () => {
    await bundle('web', 1, ['one'])
    await bundle('till', 1, ['two'])
    const fetched = sha256(Buffer.from(textOf('two')))
    await keeping({ isAtWork: (name) => name === 'web', isMissing: (content) => content === fetched }).sweep()
    expect(await prepared('web')).toEqual(['1', 'current'])
    expect(['one', 'two'].map(isHere)).toEqual([false, true])
    await expect(lstat(home.bundle('till'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('removes nothing that became wanted while it looked', async () => {
    const web = await bundle('web', 1, ['one'])
    const till = await bundle('till', 1, ['two'])
    let looks = 0
    await keeping({ wanted: () => (++looks === 1 ? [web] : [web, till]) }).sweep()
    expect(['one', 'two'].map(isHere)).toEqual([true, true])
  })
})

describe('the quota', () => {
  const coming = (length: number): ContentRef => ({ digest: sha256(Uint8Array.of(length % 251)), length })

  it('makes room for what comes by giving up earlier versions', async () => {
    const house = keeping({ quotaBytes: 250_000, isForOthers: () => true })
    wanted = [await bundle('web', 1, ['one', 'common'])]
    await house.sweep()
    wanted = [await bundle('web', 2, ['two', 'common'])]
    await house.sweep()
    expect(isHere('one')).toBe(true)
    expect((await house.open(coming(60_000))).chunks).toBe(1)
    expect(['one', 'two', 'common'].map(isHere)).toEqual([false, true, true])
    expect(log).toEqual([])
  })

  it('refuses what is for others where all is assigned, says so once, and lets in what is for this device', async () => {
    const own = coming(60_001)
    const house = keeping({ quotaBytes: 150_000, isForOthers: (content) => content !== own.digest })
    wanted = [await bundle('web', 1, ['one', 'two'])]
    await expect(house.open(coming(60_000))).rejects.toMatchObject({ code: 'DISK_QUOTA', exitCode: 3 })
    await expect(house.open(coming(60_002))).rejects.toMatchObject({ code: 'DISK_QUOTA' })
    expect([log, house.state().refused]).toEqual([['disk.quota'], 2])
    expect((await house.open(own)).chunks).toBe(1)
    expect(['one', 'two'].map(isHere)).toEqual([true, true])
    expect(log).toEqual(['disk.quota'])
  })

  it('lets a refused content in once there is room, and then says anew when it is exceeded', async () => {
    const house = keeping({ quotaBytes: 150_000, isForOthers: () => true })
    wanted = [await bundle('web', 1, ['one', 'two'])]
    await expect(house.open(coming(60_000))).rejects.toMatchObject({ code: 'DISK_QUOTA' })
    wanted = []
    now = after(now, earlierMs)
    expect((await house.open(coming(60_000))).chunks).toBe(1)
    expect(house.state()).toMatchObject({ refused: 0 })
    await house.sweep()
    await store.add([madeBytes('since then', 60_000)])
    wanted = [{ name: 'web', version: 2, manifest: await store.add([madeBytes('assigned', 60_003)]) }]
    now = after(now, 60_000)
    await house.open(coming(60_004))
    await expect(house.open(coming(60_005))).rejects.toMatchObject({ code: 'DISK_QUOTA' })
    expect(log).toEqual(['disk.quota', 'disk.quota'])
  })

  it('counts what is on its way, so that contents that begin together do not all fit', async () => {
    const house = keeping({ quotaBytes: 100_000, isForOthers: () => true })
    const begun = await Promise.allSettled([60_000, 60_001, 30_000].map((length) => house.open(coming(length))))
    expect(begun.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })

  it('opens again what is here, whatever the quota', async () => {
    const ref = await store.add([madeBytes('here', 30_000)])
    expect((await keeping({ quotaBytes: 0, isForOthers: () => true }).open(ref)).complete).toBe(true)
  })
})

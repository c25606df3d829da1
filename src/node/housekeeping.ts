/**
 * Keeps the disk of a member within its quota: carries out what `content/retention.ts` decides. Removes contents that nothing needs, and
 * the folders of bundle versions that are not kept. Never removes what is assigned, and never fails a member: what cannot be removed now
 * is tried again at the next sweep.
 */
import { lstat, readdir, readlink, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '#base/digest.ts'
import { codeOf, Unavailable } from '#base/errors.ts'
import type { Log } from '#base/log.ts'
import { after, type Instant } from '#base/time.ts'
import type { Holding } from '#content/chunk-store.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { manifestBytesMax, parseManifest } from '#content/manifest.ts'
import { Retention, type KeptVersion, type WantedBundle } from '#content/retention.ts'
import type { FileStore } from '#disk/file-store.ts'
import type { Home } from '#disk/home.ts'
import { removeTree } from '#disk/tree.ts'

export interface HousekeepingInit {
  readonly home: Home
  readonly store: FileStore
  readonly log: Log
  readonly quotaBytes: number
  /** What the release means for this member; undefined while that is not known. */
  readonly wanted: () => readonly WantedBundle[] | undefined
  /** Whether a content is fetched for neighbours only. */
  readonly isForOthers: (content: Digest) => boolean
  /** Whether the machine is about to fetch a content. */
  readonly isMissing: (content: Digest) => boolean
  /** Whether a version of this bundle is being prepared or applied. */
  readonly isAtWork: (name: string) => boolean
  /** These contents are no longer here. */
  readonly evicted: (contents: readonly Digest[]) => void
  readonly now: () => Instant
}

/** What the disk of this member holds, for `doctor`. */
export interface DiskState {
  readonly bytes: number
  readonly quotaBytes: number
  /** Contents that are not fetched for neighbours, for want of room. */
  readonly refused: number
}

/** With nothing left to give up, it is not looked again for this long. */
const spentMs = 10_000
const noteKey = 'kept'

export class Housekeeping {
  readonly #init: HousekeepingInit
  readonly #refused = new Set<Digest>()
  #retention: Retention | undefined
  #turn: Promise<void> = Promise.resolve()
  #spentUntil: Instant | undefined
  #isOver = false
  #comingBytes = 0

  constructor(init: HousekeepingInit) {
    this.#init = init
  }

  /** Removes what nothing needs any more, and more of it where `incomingBytes` would not fit otherwise. */
  async sweep(incomingBytes: number = 0): Promise<void> {
    const done = this.#turn.then(() => this.#sweep(incomingBytes))
    this.#turn = done.catch(() => undefined)
    return done
  }

  /** Resolves when no sweep is under way. */
  async settled(): Promise<void> {
    await this.#turn
  }

  /**
   * Opens a content in the store, and makes room for it first. Unavailable `DISK_QUOTA` where there is none and it is fetched for others
   * only: what is assigned to this member always has room.
   */
  async open(ref: ContentRef): Promise<Holding> {
    const { store } = this.#init
    if (store.holding(ref.digest)) return store.open(ref)
    await this.#reserve(ref)
    try {
      return await store.open(ref)
    } finally {
      this.#comingBytes -= ref.length
    }
  }

  /** Makes room. Until the content lies in the store, others that are opened meanwhile know of it: no wait between looking and reserving. */
  async #reserve({ digest, length }: ContentRef): Promise<void> {
    const { store, quotaBytes, isForOthers, now } = this.#init
    const fits = (): boolean => store.bytes + this.#comingBytes + length <= quotaBytes
    if (!fits() && (this.#spentUntil === undefined || this.#spentUntil <= now()))
      await this.sweep(this.#comingBytes + length)
    const refuses = !fits() && isForOthers(digest)
    if (refuses) this.#refused.add(digest)
    else this.#refused.delete(digest)
    if (!fits()) this.#tell(true)
    if (!refuses) {
      this.#comingBytes += length
      return
    }
    throw new Unavailable('DISK_QUOTA', {
      message: 'What this member keeps for its neighbours would exceed the quota of its disk.',
      where: `content ${digest}`,
      next: 'Raise disk.quota in config.yaml, or have fewer bundles concern this site.',
    })
  }

  state(): DiskState {
    const { store, quotaBytes } = this.#init
    return { bytes: store.bytes, quotaBytes, refused: this.#refused.size }
  }

  async #sweep(incomingBytes: number): Promise<void> {
    const { home, store, quotaBytes, wanted, isForOthers, isMissing, evicted, now } = this.#init
    const bundles = wanted()
    if (!bundles) return
    const isSame = (): boolean => JSON.stringify(wanted()) === JSON.stringify(bundles)
    this.#retention ??= new Retention(((await home.index.getNote(noteKey)) ?? []) as KeptVersion[])
    const retention = this.#retention
    retention.update(bundles, now())
    const contents = new Map<Digest, readonly ContentRef[]>()
    for (const { manifest } of retention.kept) contents.set(manifest.digest, await this.#contentsOf(manifest.digest))
    // From here to `evicted` nothing may be waited for: what became wanted meanwhile would be removed.
    if (!isSame()) return this.#sweep(incomingBytes)
    const plan = retention.plan({
      stored: store.stored(),
      contentsOf: (manifest) => contents.get(manifest),
      quotaBytes,
      incomingBytes,
    })
    const isGone = (digest: Digest): boolean => !isMissing(digest)
    const gone = plan.contents.filter(isGone)
    if (gone.length > 0) evicted(gone)
    await home.index.putNote(noteKey, retention.kept)
    for (const digest of gone) if (isGone(digest)) await store.remove(digest)
    const folders = await this.#removeFolders(retention)
    for (const digest of this.#refused) if (!isForOthers(digest)) this.#refused.delete(digest)
    const isSpent = retention.kept.every((version) => version.since === undefined)
    this.#spentUntil = isSpent ? after(now(), spentMs) : undefined
    if (gone.length + folders > 0)
      this.#init.log.info('disk.swept', { contents: gone.length, folders, bytes: store.bytes })
    if (store.bytes <= quotaBytes && this.#refused.size === 0) this.#tell(false)
  }

  /** Says once that the quota is exceeded, and again only after it was not. */
  #tell(isOver: boolean): void {
    if (isOver && !this.#isOver) this.#init.log.warn('disk.quota', { code: 'DISK_QUOTA', ...this.state() })
    this.#isOver = isOver
  }

  async #contentsOf(manifest: Digest): Promise<readonly ContentRef[]> {
    try {
      const bytes = await this.#init.store.readWhole(manifest, manifestBytesMax)
      return bytes ? parseManifest(bytes).contents : []
    } catch (error) {
      // One that this program does not understand: then it fetched nothing of it.
      if (codeOf(error) === undefined) throw error
      return []
    }
  }

  /** Removes prepared versions that are not kept; how many that were. */
  async #removeFolders({ kept }: Retention): Promise<number> {
    const { home, store, isAtWork } = this.#init
    const versions = new Set(kept.map(({ name, version }) => `${name}/${version}`))
    let removed = 0
    for (const name of await readdir(join(home.dir, 'bundles'))) {
      if (isAtWork(name)) continue
      const names = await readdir(home.bundle(name))
      for (const version of names) {
        if (!/^[1-9]\d*$/.test(version) || versions.has(`${name}/${version}`)) continue
        await removeTree(store, home.bundle(name, Number(version)))
        removed++
      }
      await dropDangling(join(home.bundle(name), 'current'))
      if (!kept.some((version) => version.name === name)) await rmdir(home.bundle(name)).catch(() => undefined)
    }
    return removed
  }
}

/** Removes a link that leads nowhere. */
async function dropDangling(path: string): Promise<void> {
  const target = await readlink(path).catch(() => undefined)
  if (target === undefined) return
  const isThere = await lstat(join(path, '..', target)).then(
    () => true,
    () => false,
  )
  if (!isThere) await unlink(path).catch(() => undefined)
}

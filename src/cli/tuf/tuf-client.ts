/**
 * A plain TUF client over HTTP: drives `trust/tuf/tuf-update.ts` with a folder of metadata and a repository. The folder holds the raw
 * bytes as they were served: `root.json`, `timestamp.json`, `snapshot.json`, `targets.json`, and `ROLE.json` of delegated roles.
 */
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Misconfigured, Refused } from '#base/errors.ts'
import { instant } from '#base/time.ts'
import { readIfThere, syncFolder, writeAtomic } from '#disk/atomic.ts'
import { systemError } from '#disk/system-error.ts'
import { TargetCheck } from '#trust/tuf/target-check.ts'
import { TrustedMetadata } from '#trust/tuf/trusted-metadata.ts'
import { findTarget, percentEncoded, refreshTuf, type FoundTarget, type TufSteps } from '#trust/tuf/tuf-update.ts'
import { fetchInto, fetchWhole, urlBelow } from './http-repository.ts'

const fileMode = 0o644

export class TufClient {
  readonly #folder: string
  readonly #now = instant(Date.now())

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Begins to trust a root, from a file. Refused METADATA_… where it is no root that signed itself: then no folder is made. */
  async init(rootFile: string): Promise<number> {
    const bytes = await readIfThere(rootFile)
    if (!bytes)
      throw new Misconfigured('TUF_ROOT_MISSING', {
        message: 'There is no such root file.',
        where: rootFile,
        next: 'Get the first root.json of the repository from whom you trust.',
      })
    const { root } = TrustedMetadata.open(bytes, this.#now)
    await mkdir(this.#folder, { recursive: true }).catch((error: unknown) => {
      throw systemError(error, this.#folder)
    })
    await writeAtomic(this.#path('root.json'), bytes, fileMode)
    return root.version
  }

  /** Brings the metadata up to date. What was verified before an error stays in the folder. */
  refresh(metadataUrl: string): Promise<TrustedMetadata> {
    return this.#refresh((name) => urlBelow(metadataUrl, name))
  }

  /** Fetches targets into a folder, each only where it is not there yet; `told` hears of each. Returns the paths of the files. */
  async download(
    from: { readonly metadataUrl: string; readonly baseUrl: string },
    names: readonly string[],
    folder: string,
    told: (name: string, bytes: number, of: number) => void,
  ): Promise<string[]> {
    const urlOf = (name: string): URL => urlBelow(from.metadataUrl, name)
    const set = await this.#refresh(urlOf)
    const files: string[] = []
    for (const name of names) {
      const found = await this.#drive(findTarget(set, name), urlOf)
      const url = urlBelow(from.baseUrl, found.path.split('/').map(percentEncoded).join('/'))
      files.push(await this.#fetchTarget(found, name, url, folder, told))
    }
    return files
  }

  async #refresh(urlOf: (name: string) => URL): Promise<TrustedMetadata> {
    const root = await readIfThere(this.#path('root.json'))
    if (!root)
      throw new Misconfigured('TUF_ROOT_MISSING', {
        message: 'This folder trusts no root yet.',
        where: this.#folder,
        next: 'Run first: grapevine tuf --metadata-dir DIR init ROOT.',
      })
    return this.#drive(refreshTuf(root, this.#now), urlOf)
  }

  async #drive<T>(steps: TufSteps<T>, urlOf: (name: string) => URL): Promise<T> {
    let next = steps.next()
    while (!next.done) {
      const step = next.value
      switch (step.type) {
        case 'fetch':
          next = steps.next(await fetchWhole(urlOf(step.name), step.bytesMax))
          break
        case 'load':
          next = steps.next(await readIfThere(this.#path(step.name)))
          break
        case 'keep':
          await writeAtomic(this.#path(step.name), step.bytes, fileMode)
          next = steps.next()
          break
        case 'drop':
          await rm(this.#path(step.name), { force: true })
          next = steps.next()
          break
      }
    }
    return next.value
  }

  /** Written beside its place and moved there once it is verified. */
  async #fetchTarget(
    { target }: FoundTarget,
    name: string,
    url: URL,
    folder: string,
    told: (name: string, bytes: number, of: number) => void,
  ): Promise<string> {
    const path = join(folder, percentEncoded(name))
    if (await isTarget(path, new TargetCheck(target, name))) return path
    const temporary = `${path}.part-${process.pid}`
    const check = new TargetCheck(target, name)
    let bytesHere = 0
    try {
      await mkdir(folder, { recursive: true })
      const file = await open(temporary, 'w', fileMode)
      try {
        const isThere = await fetchInto(url, async (bytes) => {
          check.update(bytes)
          await file.writeFile(bytes)
          told(name, (bytesHere += bytes.byteLength), target.length)
        })
        if (!isThere)
          throw new Refused('TARGET_WRONG', { message: 'The repository has no such file.', where: url.href })
        check.end()
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, path)
      await syncFolder(folder)
    } catch (error) {
      await rm(temporary, { force: true })
      throw systemError(error, path)
    }
    return path
  }

  #path(name: string): string {
    return join(this.#folder, name)
  }
}

/** Whether a file is there, and is the target. */
async function isTarget(path: string, check: TargetCheck): Promise<boolean> {
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return false
  try {
    for await (const bytes of file.createReadStream({ autoClose: false })) check.update(bytes as Uint8Array)
    check.end()
    return true
  } catch (error) {
    if (error instanceof Refused) return false
    throw systemError(error, path, 'read')
  } finally {
    await file.close()
  }
}

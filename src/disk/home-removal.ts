/**
 * Takes a home away: everything that is ours, keys first, and nothing else. What somebody else put there stays and is named, and a link is
 * not followed. Killed half-way it leaves a folder that `run` refuses and a second removal finishes.
 */
import { lstat, readdir, readlink, rm, rmdir, unlink, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { codeOf } from '#base/errors.ts'
import { Catalog } from './catalog.ts'
import { controlSocketOf, Home, homeNames } from './home.ts'
import { systemError } from './system-error.ts'

/**
 * What stays, each with its path: files that are not ours, where links of ours led to, or the folder itself where it cannot be removed.
 * Errors as `Home.open` has them; nothing is removed then.
 */
export async function removeHome(path: string): Promise<readonly string[]> {
  const dir = resolve(path)
  const socket = controlSocketOf(dir)
  await takeOver(dir)
  const stays: string[] = []
  try {
    for (const name of homeNames) {
      const place = join(dir, name)
      const found = await lstat(place).catch(() => undefined)
      if (found?.isSymbolicLink()) stays.push(resolve(dir, await readlink(place)))
      await rm(place, { recursive: true, force: true })
    }
    await rm(socket, { force: true })
    // Others of this user may have homes with sockets there.
    if (dirname(socket) !== dir) await rmdir(dirname(socket)).catch(() => undefined)
    const foreign = await readdir(dir)
    stays.push(...foreign.filter((name) => name !== 'unfinished').map((name) => join(dir, name)))
    await unlink(join(dir, 'unfinished'))
    await rmdir(dir).catch(() => {
      if (foreign.length === 1) stays.push(dir)
    })
  } catch (error) {
    throw systemError(error, dir)
  }
  return stays
}

/** Whether making or removing a home was begun there and not finished. */
export async function isUnfinished(dir: string): Promise<boolean> {
  const names: readonly string[] = await readdir(dir).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return []
    throw systemError(error, dir)
  })
  return names.includes('unfinished') && !names.includes('version')
}

/** From here on it is no home any more: nobody opens it, and whoever has it open keeps us out. */
async function takeOver(dir: string): Promise<void> {
  if (await isUnfinished(dir)) {
    // Whoever makes a home here just now has its lock.
    const index = (await readdir(dir)).includes('index') ? await Catalog.open(join(dir, 'index')) : undefined
    await index?.close()
    return
  }
  const home = await Home.open(dir)
  try {
    await writeFile(join(dir, 'unfinished'), '')
    await unlink(join(dir, 'version'))
  } catch (error) {
    throw systemError(error, dir)
  } finally {
    await home.close()
  }
}

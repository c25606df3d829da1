/** Finds the programs of a tool in the folders where packages put them; a daemon's PATH may lack them. */
import { access, constants } from 'node:fs/promises'
import { join } from 'node:path'
import { programFolders } from './command.ts'

/** The path of the first that may be executed, or undefined. */
export async function findProgram(name: string, places: readonly string[]): Promise<string | undefined> {
  for (const place of places) {
    const path = join(place, name)
    try {
      await access(path, constants.X_OK)
      return path
    } catch {
      // Not in this folder.
    }
  }
  return undefined
}

/** A PATH by which a tool and the programs of a policy find others: where the tool is before the usual places. */
export const searchPath = (folders: readonly string[]): string =>
  [...new Set([...folders, ...programFolders])].join(':')

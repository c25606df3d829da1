/** The version of a program, asked for once: starting one costs a daemon more than all else that it does for a run that changes nothing. */
import { stat } from 'node:fs/promises'

export class KnownVersion {
  #known: { readonly program: string; readonly version: string } | undefined

  /** What `ask` tells of the program at this path, until another file stands there. Never throws for a file that is gone. */
  async of(file: string, ask: () => Promise<string | undefined>): Promise<string | undefined> {
    const program = await markOf(file)
    if (program !== undefined && this.#known?.program === program) return this.#known.version
    const version = await ask()
    this.#known = program === undefined || version === undefined ? undefined : { program, version }
    return version
  }
}

/** The file itself, by what changes when another takes its place: links are followed. */
async function markOf(file: string): Promise<string | undefined> {
  try {
    const { ino, size, mtimeMs } = await stat(file)
    return `${file} ${ino} ${size} ${mtimeMs}`
  } catch {
    return undefined
  }
}

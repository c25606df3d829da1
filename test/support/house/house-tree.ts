/** The whole repository as the house rules see it: sources scanned once, everything else as text. Reads; never writes. */
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { sourceText, type SourceText } from './source-text.ts'

export interface HouseTree {
  /** `.ts`, `.js` under src, sim, test. */
  readonly sources: readonly SourceText[]
  /** Every text file of the repository by path, sources included; no dependency, nothing made by a run. */
  readonly texts: ReadonlyMap<string, string>
}

const notOurs = new Set(['node_modules', '.git', 'coverage', 'out', 'dist', 'dist.new'])
const textBytesMax = 1_048_576

/** Reads the repository at `root`. */
export function houseTree(root: string): HouseTree {
  const texts = new Map<string, string>()
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (notOurs.has(entry.name)) continue
      if (entry.isDirectory()) visit(path)
      else if (entry.isFile() && statSync(join(root, path)).size <= textBytesMax) {
        const bytes = readFileSync(join(root, path))
        if (!bytes.includes(0)) texts.set(path, bytes.toString('utf8'))
      }
    }
  }
  visit('')
  return treeOf(texts)
}

/** A tree from texts alone: the rules' own tests plant their breaches with it. */
export function treeOf(texts: ReadonlyMap<string, string>): HouseTree {
  const sources = [...texts]
    .filter(([path]) => /^(?:src|sim|test)\/.*\.(?:ts|js)$/.test(path))
    .map(([path, text]) => sourceText(path, text))
  return { sources, texts }
}

/** The room of a source file: `base` for `src/base/…`, `sim` for `sim/…`, undefined for tests. */
export function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? (path.startsWith('sim/') ? 'sim' : undefined)
}

/**
 * How a run hears that its window closed: the file `closed` in its work folder, which compiled policies look for before each resource
 * (GRAPEVINE_SCRATCH names the folder). It says nothing of the resource that runs: that one comes to its end.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { closedFile } from '#policy/compile/compiler.ts'

/** Makes the file once the signal comes; until `end`. */
export function heedClosing(folder: string, closing: AbortSignal | undefined): { end(): void } {
  const close = (): void => {
    try {
      // At once: the next resource may begin within a millisecond.
      writeFileSync(join(folder, closedFile), '')
    } catch {
      // A full disk: the run goes on to its end, as it would without windows.
    }
  }
  if (closing?.aborted) close()
  else closing?.addEventListener('abort', close, { once: true })
  return { end: () => closing?.removeEventListener('abort', close) }
}

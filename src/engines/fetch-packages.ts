/**
 * Runs the programs by which a bundle that is being prepared downloads its packages (policy/compile/script.ts), so that its window needs
 * no network. It installs nothing.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Unavailable } from '#base/errors.ts'
import { cut } from './script-output.ts'
import { runCommand } from './command.ts'

/** An hour on a line that is thin; what came stays in nobody's way, and the next try begins anew. */
const timeoutMs = 3_600_000
const outputBytesMax = 65_536
/** What the programs say where there was nothing to do (script.ts). */
const kept = 97

/** `directory` is the compiled policy. Unavailable `PACKAGE_NOT_FETCHED` with the words of the package manager. */
export async function fetchPackages(
  directory: string,
  { signal, env }: { readonly signal: AbortSignal; readonly env?: Readonly<Record<string, string>> },
): Promise<void> {
  const folder = join(directory, 'fetch')
  for (const name of (await readdir(folder).catch(() => [])).sort((a, b) => Number.parseInt(a) - Number.parseInt(b))) {
    const result = await runCommand({
      file: '/bin/sh',
      args: [join(folder, name), 'apply'],
      timeoutMs,
      signal,
      cwd: '/',
      env: { GRAPEVINE_SCRATCH: directory, ...env },
      outputBytesMax,
    })
    if (result.exitCode === 0 || result.exitCode === kept) continue
    const words = result.output.split('\n').filter((line) => line.trim() !== '')
    throw new Unavailable('PACKAGE_NOT_FETCHED', {
      message: cut(`A package could not be downloaded: ${words.slice(-6).join(' | ')}`),
      where: join(folder, name),
      next: 'See whether its repository can be reached from here; it is tried again.',
    })
  }
}

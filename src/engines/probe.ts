/**
 * Collects what a device says of itself, from node:os and /etc/os-release alone: it takes a few milliseconds and starts no program.
 * Addresses and users are left out: nobody selects by them, and reports must not carry them.
 */
import { availableParallelism, hostname, machine, release, totalmem } from 'node:os'
import type { Facts } from '#facts/inventory.ts'

/** Families by the words of ID and ID_LIKE (os-release(5)); the first that fits. */
const families: readonly [family: string, ids: readonly string[]][] = [
  ['debian', ['debian', 'ubuntu']],
  ['suse', ['suse', 'opensuse', 'sles', 'sle-micro', 'opensuse-leap', 'opensuse-tumbleweed']],
  ['redhat', ['rhel', 'fedora', 'centos']],
  ['arch', ['arch']],
  ['alpine', ['alpine']],
]

const releaseFiles = ['/etc/os-release', '/usr/lib/os-release']
const textLengthMax = 128

/** `readText` gives the text of a file, or undefined where it is not there. */
export async function collectFacts(readText: (path: string) => Promise<string | undefined>): Promise<Facts> {
  let text: string | undefined
  for (const path of releaseFiles) text ??= await readText(path)
  const fields = osRelease(text ?? '')
  const ids = [fields.get('id') ?? '', ...(fields.get('id_like') ?? '').split(/\s+/)]
  const id = fields.get('id') ?? 'unknown'
  return {
    hostname: hostname(),
    memoryMiB: Math.round(totalmem() / 1_048_576),
    cpus: availableParallelism(),
    os: {
      family: families.find(([, known]) => ids.some((word) => known.includes(word)))?.[0] ?? id,
      id,
      version: fields.get('version_id') ?? 'unknown',
      name: fields.get('pretty_name') ?? fields.get('name') ?? id,
      arch: machine(),
      kernel: release(),
    },
  }
}

/** By lower-case name; os-release(5). */
function osRelease(text: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^([A-Z][A-Z0-9_]*)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S*))\s*$/.exec(line)
    if (!match?.[1]) continue
    const value = match[2]?.replaceAll(/\\(.)/g, '$1') ?? match[3] ?? match[4] ?? ''
    if (value !== '') fields.set(match[1].toLowerCase(), value.slice(0, textLengthMax))
  }
  return fields
}

/**
 * Who changed what differs, at best: from the histories of the package managers, and from a file's own times and owner. It reads the
 * managed machine and changes nothing; where nothing is known, or it does not fit what was seen, nothing is said.
 */
import { constants } from 'node:fs'
import { lstat, open } from 'node:fs/promises'
import type { Finding } from '#facts/finding.ts'
import { lastChanges, type PackageChange } from './package-history.ts'

/** Of the end of a history: some thousand changes. */
const historyBytesMax = 524_288
const commandLengthMax = 160
const whoLengthMax = 80

const histories = { zypper: '/var/log/zypp/history', apt: '/var/log/apt/history.log', dpkg: '/var/log/dpkg.log' }

/** The findings with `by` where it could be found out. */
export async function attributed(findings: readonly Finding[]): Promise<Finding[]> {
  const changes = findings.some((finding) => packageOf(finding) !== undefined) ? await readHistories() : new Map()
  const users = findings.some(({ path }) => path !== undefined) ? await readUsers() : new Map<number, string>()
  return Promise.all(
    findings.map(async (finding) => {
      const name = packageOf(finding)
      const by = name === undefined ? await fileBy(finding, users) : packageBy(finding, name, changes.get(name))
      return by === undefined ? finding : { ...finding, by }
    }),
  )
}

/** The name in the id of a package resource: `3:package:telnet`. */
const packageOf = ({ resource }: Finding): string | undefined => /^\d+:package:(.+)$/.exec(resource)?.[1]

/** What is said of the last change of a package, where it can be what was seen. */
export function packageBy(
  { wanted }: Pick<Finding, 'wanted'>,
  name: string,
  change: PackageChange | undefined,
): string | undefined {
  if (!change) return undefined
  // The last that was done may be our own apply, before somebody used rpm or dpkg past every history.
  const explains = wanted === 'absent' ? ['install'] : wanted === 'present' ? ['remove'] : ['install', 'remove']
  if (!explains.includes(change.action)) return undefined
  const command = change.command ?? `${change.action} ${name}`
  return [
    short(command, commandLengthMax),
    ...(change.who ? [short(change.who, whoLengthMax)] : []),
    timeText(change.at),
  ].join(', ')
}

async function fileBy({ path, seen }: Finding, users: ReadonlyMap<number, string>): Promise<string | undefined> {
  if (path === undefined) return undefined
  try {
    const { mtime, ctime, uid } = await lstat(path)
    const isAccess = /^(?:mode|another)/.test(seen)
    const what = isAccess ? `changed ${minuteText(ctime)}` : `written ${minuteText(mtime)}`
    return `${what}, owned by ${users.get(uid) ?? uid}`
  } catch {
    // Who removed it, nobody wrote down.
    return undefined
  }
}

async function readHistories(): Promise<Map<string, PackageChange>> {
  const [zypper, apt, dpkg] = await Promise.all([histories.zypper, histories.apt, histories.dpkg].map(readEnd))
  return lastChanges({ zypper, apt, dpkg })
}

async function readUsers(): Promise<Map<number, string>> {
  const text = (await readEnd('/etc/passwd')) ?? ''
  return new Map([...text.matchAll(/^([^:\n]+):[^:\n]*:(\d+):/gm)].map(([, name = '', uid]) => [Number(uid), name]))
}

/** The last lines of a file; undefined where it cannot be read. */
async function readEnd(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const { size } = await file.stat()
      const length = Math.min(size, historyBytesMax)
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length)
      const text = buffer.toString('utf8', 0, bytesRead)
      return length < size ? text.slice(text.indexOf('\n') + 1) : text
    } finally {
      await file.close()
    }
  } catch {
    return undefined
  }
}

const timeText = (local: string): string => minuteText(new Date(local.replace(' ', 'T')))
const minuteText = (time: Date): string =>
  Number.isNaN(time.getTime()) ? 'at some time' : `${time.toISOString().slice(0, 16)}Z`

function short(text: string, lengthMax: number): string {
  const line = text.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim()
  return line.length <= lengthMax ? line : `${line.slice(0, lengthMax - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}

/**
 * The packages of a device, and the difference between two lists. It knows no package manager: a package is a name, an architecture
 * and the version that is installed, of which there may be several, as of a kernel.
 *
 * A list is a text, one package a line, sorted by key: `name:arch version[ version…]\n`. Valid if and only if each line has this form and the keys
 * rise; so a list has one spelling and one digest. A difference travels as columns, which pack to about 8 bytes a package:
 *
 *   archs      the architectures that occur
 *   arch       one character a package: 'A' + index in `archs`
 *   names      one line a package: '0' + length of what it shares with the name before, then the rest
 *   versions   one line a package: its versions; empty: those of the package before; '-': it is gone
 */
import { sha256, type Digest } from '#base/digest.ts'
import { utf8 } from '#base/bytes.ts'
import { GuardFailed, fieldsAt, listAt, own, textAt } from '#base/guard.ts'

/** Versions by `name:arch`. */
export type Packages = ReadonlyMap<string, string>
/** New versions by `name:arch`; undefined where the package is gone. */
export type PackageChanges = ReadonlyMap<string, string | undefined>

export interface PackageColumns {
  readonly archs: readonly string[]
  readonly arch: string
  readonly names: string
  readonly versions: string
}

/** A machine with everything of a distribution's desktop and TeX has 6,000. */
export const packagesMax = 12_000
const archsMax = 26
const sharedMax = 60
const keyPattern = /^[A-Za-z0-9][\w.+~^-]{0,127}:[\w-]{1,24}$/
const versionsPattern = /^[!-,.-~][ -~]{0,254}$/
/** A name and its versions at their longest, in a column. */
const columnMax = packagesMax * 256

export const noPackages = ''

/** The list as a text. Packages with a name or version of no known form are left out, and those beyond packagesMax. */
export function packagesText(packages: Packages): string {
  const lines: string[] = []
  for (const key of [...packages.keys()].sort()) {
    const versions = packages.get(key) ?? ''
    if (keyPattern.test(key) && versionsPattern.test(versions) && lines.length < packagesMax)
      lines.push(`${key} ${versions}\n`)
  }
  return lines.join('')
}

/** The packages of a list that `packagesText` made. */
export function packagesOf(text: string): Map<string, string> {
  const packages = new Map<string, string>()
  for (const line of text.split('\n')) {
    const end = line.indexOf(' ')
    if (end > 0) packages.set(line.slice(0, end), line.slice(end + 1))
  }
  return packages
}

export const packagesDigest = (text: string): Digest => sha256(utf8(text))

/** What makes the second list of the first, sorted by key. */
export function changesBetween(before: string, after: string): PackageChanges {
  const old = packagesOf(before)
  const young = packagesOf(after)
  const changes: [string, string | undefined][] = []
  for (const [key, versions] of young) if (old.get(key) !== versions) changes.push([key, versions])
  for (const key of old.keys()) if (!young.has(key)) changes.push([key, undefined])
  return new Map(changes.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The list with the changes made; more than packagesMax are cut off, so that it matches no digest. */
export function withChanges(text: string, changes: PackageChanges): string {
  const packages = packagesOf(text)
  for (const [key, versions] of changes) {
    if (versions === undefined) packages.delete(key)
    else packages.set(key, versions)
  }
  return packagesText(packages)
}

export function columnsOf(changes: PackageChanges): PackageColumns {
  const archs: string[] = []
  const names: string[] = []
  const versions: string[] = []
  let arch = ''
  let before = { name: '', versions: '-' }
  for (const [key, now = '-'] of changes) {
    const [name, architecture] = splitKey(key)
    if (!archs.includes(architecture)) archs.push(architecture)
    arch += String.fromCharCode(65 + archs.indexOf(architecture))
    const shared = sharedLength(before.name, name)
    names.push(String.fromCharCode(48 + shared) + name.slice(shared))
    versions.push(now === before.versions && now !== '-' ? '' : now)
    before = { name, versions: now }
  }
  return { archs, arch, names: names.join('\n'), versions: versions.join('\n') }
}

/** The changes in decoded JSON; throws GuardFailed. */
export function changesAt(value: unknown, path: string): PackageChanges {
  const fields = fieldsAt(value, path)
  const archs = listAt(own(fields, 'archs'), `${path}.archs`, archsMax)
  const arch = textAt(own(fields, 'arch'), `${path}.arch`, packagesMax)
  const names = linesAt(own(fields, 'names'), `${path}.names`, arch.length)
  const versions = linesAt(own(fields, 'versions'), `${path}.versions`, arch.length)
  const changes = new Map<string, string | undefined>()
  let before = { key: '', name: '', versions: '-' }
  for (const [index, line] of names.entries()) {
    const at = `${path}[${index}]`
    const shared = line.charCodeAt(0) - 48
    if (!(shared >= 0 && shared <= Math.min(sharedMax, before.name.length)))
      throw new GuardFailed(at, 'how much it shares with the name before')
    const name = before.name.slice(0, shared) + line.slice(1)
    const architecture = textAt(archs[arch.charCodeAt(index) - 65], `${at}.arch`, 24)
    const key = textAt(`${name}:${architecture}`, at, 160, keyPattern)
    if (key <= before.key) throw new GuardFailed(at, 'names that rise')
    const now = versions[index] || before.versions
    if (now !== '-') textAt(now, `${at}.versions`, 255, versionsPattern)
    else if (versions[index] === '') throw new GuardFailed(`${at}.versions`, 'a version')
    changes.set(key, now === '-' ? undefined : now)
    before = { key, name, versions: now }
  }
  return changes
}

function linesAt(value: unknown, path: string, count: number): readonly string[] {
  const text = textAt(value, path, columnMax)
  const lines = count === 0 && text === '' ? [] : text.split('\n', count + 1)
  if (lines.length !== count) throw new GuardFailed(path, `${count} lines`)
  return lines
}

function splitKey(key: string): [name: string, arch: string] {
  const end = key.lastIndexOf(':')
  return [key.slice(0, end), key.slice(end + 1)]
}

function sharedLength(a: string, b: string): number {
  const max = Math.min(a.length, b.length, sharedMax)
  let length = 0
  while (length < max && a[length] === b[length]) length++
  return length
}

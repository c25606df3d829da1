/**
 * Which role may speak for which target path (TUF 1.0.34 §4.5): the delegations of `targets`, in order of priority. A
 * pattern is matched segment by segment and a wildcard never crosses a slash; with at most one `*` in a segment, matching is
 * linear whatever a delegator writes.
 */
import { fieldsAt, GuardFailed, listAt, oneOfAt, own, textAt, wholeAt, type Fields } from '#base/guard.ts'
import { fromHex } from '#base/bytes.ts'
import { keyId, keyLength, tufKey } from './keys.ts'
import type { RoleKeys } from './threshold.ts'

const keysMax = 32
const delegationsMax = 32
const pathsMax = 64
const pathLengthMax = 200

const topRoles = ['root', 'timestamp', 'snapshot', 'targets'] as const

export interface Delegation extends RoleKeys {
  readonly name: string
  readonly terminating: boolean
  readonly paths: readonly string[]
}

export const roleNamePattern = /^[a-z][a-z0-9-]{0,63}$/
export const targetPathPattern = /^[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*)*$/

const patternPattern = /^[a-z0-9*][a-z0-9._*-]*(\/[a-z0-9*][a-z0-9._*-]*)*$/

/** Whether a target path lies within one of the patterns. */
export function covers(delegation: Delegation, path: string): boolean {
  return delegation.paths.some((pattern) => matches(pattern, path))
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/')
  const given = path.split('/')
  return wanted.length === given.length && wanted.every((segment, at) => matchesSegment(segment, given[at] ?? ''))
}

function matchesSegment(pattern: string, segment: string): boolean {
  const star = pattern.indexOf('*')
  if (star < 0) return pattern === segment
  const head = pattern.slice(0, star)
  const tail = pattern.slice(star + 1)
  return segment.length >= head.length + tail.length && segment.startsWith(head) && segment.endsWith(tail)
}

/** The member `delegations` of a targets file; throws GuardFailed. */
export function readDelegations(value: unknown): readonly Delegation[] {
  const fields = fieldsAt(value, 'delegations')
  const keys = readKeys(own(fields, 'keys'), 'delegations.keys')
  const seen = new Set<string>(topRoles)
  return listAt(own(fields, 'roles'), 'delegations.roles', delegationsMax).map((item, index) => {
    const at = `delegations.roles.${index}`
    const role = fieldsAt(item, at)
    const name = textAt(own(role, 'name'), `${at}.name`, 64, roleNamePattern)
    if (seen.has(name)) throw new GuardFailed(`${at}.name`, 'a name that is not taken')
    seen.add(name)
    // Hash bins are not of the mesh profile, and beside paths they are forbidden by TUF itself.
    if (own(role, 'path_hash_prefixes') !== undefined) throw new GuardFailed(at, 'paths, not path_hash_prefixes')
    const terminating = own(role, 'terminating')
    if (typeof terminating !== 'boolean') throw new GuardFailed(`${at}.terminating`, 'true or false')
    const paths = listAt(own(role, 'paths'), `${at}.paths`, pathsMax).map((path, n) =>
      readPattern(path, `${at}.paths.${n}`),
    )
    return { name, terminating, paths, ...readRoleKeys(role, keys, at) }
  })
}

/** A `keys` object: public keys by keyid, each keyid the digest of its key (TUF 1.0.34 §4.2). */
export function readKeys(value: unknown, at: string): ReadonlyMap<string, Uint8Array> {
  const entries = Object.entries(fieldsAt(value, at))
  if (entries.length > keysMax) throw new GuardFailed(at, `at most ${keysMax} keys`)
  return new Map(
    entries.map(([id, item]) => {
      const key = fieldsAt(item, `${at}.${id}`)
      oneOfAt(own(key, 'keytype'), `${at}.${id}.keytype`, ['ed25519'])
      oneOfAt(own(key, 'scheme'), `${at}.${id}.scheme`, ['ed25519'])
      const keyval = fieldsAt(own(key, 'keyval'), `${at}.${id}.keyval`)
      const publicKey = fromHex(textAt(own(keyval, 'public'), `${at}.${id}.keyval.public`, 2 * keyLength))
      if (publicKey?.byteLength !== keyLength || Object.keys(key).length !== 3 || Object.keys(keyval).length !== 1)
        throw new GuardFailed(`${at}.${id}`, 'an Ed25519 key and nothing else')
      // Checked although tuf-js does not: one key under two names would meet a threshold of two by itself.
      if (keyId(tufKey(publicKey)) !== id) throw new GuardFailed(`${at}.${id}`, 'the keyid of its key')
      return [id, publicKey]
    }),
  )
}

/** `keyids` and `threshold` of a role, resolved against the keys of its file. */
export function readRoleKeys(role: Fields, keys: ReadonlyMap<string, Uint8Array>, at: string): RoleKeys {
  const mine = new Map<string, Uint8Array>()
  for (const keyid of listAt(own(role, 'keyids'), `${at}.keyids`, keysMax)) {
    const publicKey = typeof keyid === 'string' ? keys.get(keyid) : undefined
    if (typeof keyid !== 'string' || !publicKey || mine.has(keyid))
      throw new GuardFailed(`${at}.keyids`, 'different keyids of listed keys')
    mine.set(keyid, publicKey)
  }
  return { keys: mine, threshold: wholeAt(own(role, 'threshold'), `${at}.threshold`, 1, keysMax) }
}

function readPattern(value: unknown, at: string): string {
  const pattern = textAt(value, at, pathLengthMax, patternPattern)
  if (pattern.split('/').some((segment) => segment.indexOf('*') !== segment.lastIndexOf('*')))
    throw new GuardFailed(at, 'at most one * in a segment')
  return pattern
}

/**
 * Which role of any TUF repository may speak for which target path (TUF 1.0.34 §4.5): by patterns or by the beginning of the path's
 * digest. Matching costs at most pattern × path, whatever a delegator writes.
 */
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { fieldsAt, GuardFailed, listAt, own, textAt } from '#base/guard.ts'
import { readForeignKeys, readForeignRole, type ForeignRole } from './tuf-keys.ts'

const delegationsMax = 65_536
const pathsMax = 65_536
const pathLengthMax = 1024

export interface ForeignDelegation extends ForeignRole {
  readonly name: string
  readonly isTerminating: boolean
  readonly paths: readonly string[]
  /** Beginnings of digests, in lower-case hex. */
  readonly prefixes: readonly string[]
}

/** The member `delegations` of a targets file; throws GuardFailed. */
export function readForeignDelegations(value: unknown): readonly ForeignDelegation[] {
  const fields = fieldsAt(value, 'delegations')
  const keys = readForeignKeys(own(fields, 'keys'), 'delegations.keys')
  const seen = new Set<string>(['root', 'timestamp', 'snapshot', 'targets'])
  return listAt(own(fields, 'roles'), 'delegations.roles', delegationsMax).map((item, index) => {
    const at = `delegations.roles.${index}`
    const role = fieldsAt(item, at)
    const name = textAt(own(role, 'name'), `${at}.name`, 256, /./)
    if (seen.has(name)) throw new GuardFailed(`${at}.name`, 'a name that is not taken')
    seen.add(name)
    const terminating = own(role, 'terminating')
    if (typeof terminating !== 'boolean') throw new GuardFailed(`${at}.terminating`, 'true or false')
    const [paths, prefixes] = [own(role, 'paths'), own(role, 'path_hash_prefixes')]
    if ((paths === undefined) === (prefixes === undefined))
      throw new GuardFailed(at, 'either paths or path_hash_prefixes')
    const textsOf = (list: unknown, key: string, pattern?: RegExp): string[] =>
      list === undefined
        ? []
        : listAt(list, `${at}.${key}`, pathsMax).map((text) => textAt(text, `${at}.${key}`, pathLengthMax, pattern))
    return {
      name,
      isTerminating: terminating,
      paths: textsOf(paths, 'paths'),
      prefixes: textsOf(prefixes, 'path_hash_prefixes', /^[0-9a-f]{1,64}$/),
      ...readForeignRole(role, keys, at),
    }
  })
}

/** Whether a delegation speaks for a target path. */
export function isFor({ paths, prefixes }: ForeignDelegation, path: string): boolean {
  if (paths.some((pattern) => isPathLike(pattern, path))) return true
  if (prefixes.length === 0) return false
  const digest = sha256(utf8(path))
  return prefixes.some((prefix) => digest.startsWith(prefix))
}

/** Segment by segment: no wildcard crosses a slash. */
function isPathLike(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split('/'), path.split('/')]
  return wanted.length === given.length && wanted.every((segment, at) => isLike(segment, given[at] ?? ''))
}

/** A shell pattern of `*`, `?` and `[…]` over one segment, going back to the last `*` only: linear in pattern × text. */
function isLike(pattern: string, text: string): boolean {
  const tokens = tokensOf(pattern)
  const letters = Array.from(text)
  let [token, letter, star, from] = [0, 0, -1, 0]
  while (letter < letters.length) {
    const wanted = tokens[token]
    if (wanted === '*') {
      star = token++
      from = letter
    } else if (wanted !== undefined && fits(wanted, letters[letter] ?? '')) {
      token++
      letter++
    } else if (star >= 0) {
      token = star + 1
      letter = ++from
    } else return false
  }
  while (tokens[token] === '*') token++
  return token === tokens.length
}

/** One letter's worth each: a letter, `?`, `*`, or a set `[…]`. */
const tokensOf = (pattern: string): string[] => pattern.match(/\[[!^]?\]?[^\]]*\]|[^]/gu) ?? []

function fits(token: string, letter: string): boolean {
  if (token === '?') return true
  if (token.length < 3 || !token.startsWith('[')) return token === letter
  const isNot = token[1] === '!' || token[1] === '^'
  const set = Array.from(token.slice(isNot ? 2 : 1, -1))
  let isIn = false
  for (let at = 0; at < set.length; at++) {
    const [low = '', dash, high] = set.slice(at, at + 3)
    if (dash === '-' && high !== undefined) {
      isIn ||= low <= letter && letter <= high
      at += 2
    } else isIn ||= low === letter
  }
  return isIn !== isNot
}

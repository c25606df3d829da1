/**
 * The client workflow of TUF (TUF 1.0.34 §5) as generators: each step asks for a file of the repository or of the client's folder, or
 * has one kept, and whoever drives them does so. Nothing is asked for that the workflow does not need.
 */
import { Negative, Refused } from '#base/errors.ts'
import type { Instant } from '#base/time.ts'
import { isFor } from './tuf-delegation.ts'
import type { ForeignTarget, ForeignTargets } from './tuf-metadata.ts'
import { attempt, delegatorOf, TrustedMetadata, tufBytesMax, type Delegator } from './trusted-metadata.ts'

export type TufStep =
  /** A file of the repository, of at most so many bytes → its bytes, or undefined where there is none. */
  | { readonly type: 'fetch'; readonly name: string; readonly bytesMax: number }
  /** A file of the client's folder → its bytes, or undefined. */
  | { readonly type: 'load'; readonly name: string }
  | { readonly type: 'keep'; readonly name: string; readonly bytes: Uint8Array }
  | { readonly type: 'drop'; readonly name: string }

export type TufSteps<T> = Generator<TufStep, T, Uint8Array | undefined>

/** Where to find a target, and what it must be. */
export interface FoundTarget {
  /** Below the base of the targets. */
  readonly path: string
  readonly target: ForeignTarget
}

const rootsMax = 256
const rolesMax = 32

/** Brings root, timestamp, snapshot and targets up to date (§5.3-§5.6). Refused METADATA_…; what was verified before stays kept. */
export function* refreshTuf(root: Uint8Array, now: Instant): TufSteps<TrustedMetadata> {
  const set = TrustedMetadata.open(root, now)
  yield* updateRoots(set)
  set.loadTimestamp(yield { type: 'load', name: 'timestamp.json' })
  const timestamp = yield* fetched('timestamp.json', tufBytesMax.timestamp)
  if (set.updateTimestamp(timestamp)) yield { type: 'keep', name: 'timestamp.json', bytes: timestamp }
  if (!set.loadSnapshot(yield { type: 'load', name: 'snapshot.json' })) {
    const { version, length } = set.timestamp.snapshot
    const bytes = yield* fetched(nameOf(set, 'snapshot', version), length ?? tufBytesMax.snapshot)
    set.updateSnapshot(bytes)
    yield { type: 'keep', name: 'snapshot.json', bytes }
  }
  yield* loadRole(set, 'targets', rootDelegator(set))
  return set
}

/** The target of a path, searched for through the delegations (§5.6.7). Negative TARGET_UNKNOWN where no role speaks of it. */
export function* findTarget(set: TrustedMetadata, path: string): TufSteps<FoundTarget> {
  const visited = new Set<string>()
  let open: { readonly name: string; readonly by: Delegator }[] = [{ name: 'targets', by: rootDelegator(set) }]
  while (visited.size < rolesMax) {
    const next = open.pop()
    if (!next) break
    if (visited.has(next.name)) continue
    visited.add(next.name)
    const role = yield* loadRole(set, next.name, next.by)
    const target = role.targets.get(path)
    if (target) return { path: targetPathOf(set, path, target), target }
    const children: typeof open = []
    for (const delegation of role.delegations) {
      if (!isFor(delegation, path)) continue
      children.push({ name: delegation.name, by: delegatorOf(delegation, next.name) })
      if (!delegation.isTerminating) continue
      // Whoever ends the search speaks alone: nothing that is still open is looked at.
      open = []
      break
    }
    open.push(...children.toReversed())
  }
  throw new Negative('TARGET_UNKNOWN', {
    message: `No role of the repository speaks of the target ${path}.`,
    where: path,
    next: 'Look at the spelling of the path; it is case-sensitive and has no slash in front.',
  })
}

function* updateRoots(set: TrustedMetadata): TufSteps<void> {
  const before = set.root.roles
  for (let count = 0; count < rootsMax; count++) {
    const bytes = yield { type: 'fetch', name: `${set.root.version + 1}.root.json`, bytesMax: tufBytesMax.root }
    if (!bytes) break
    set.updateRoot(bytes)
    yield { type: 'keep', name: 'root.json', bytes }
  }
  set.endRoots()
  // Keys that were replaced may have signed numbers that nobody can ever go beyond (§5.3.11).
  const isReplaced = (['timestamp', 'snapshot'] as const).some((name) => {
    const keys = new Set(set.root.roles[name].keys.map(([keyid]) => keyid))
    return before[name].keys.length !== keys.size || before[name].keys.some(([keyid]) => !keys.has(keyid))
  })
  if (!isReplaced) return
  yield { type: 'drop', name: 'timestamp.json' }
  yield { type: 'drop', name: 'snapshot.json' }
}

function* loadRole(set: TrustedMetadata, name: string, by: Delegator): TufSteps<ForeignTargets> {
  const known = set.cachedTargets(name, by)
  if (known) return known
  const { version, length } = set.metaOf(name)
  const file = `${percentEncoded(name)}.json`
  const stored = yield { type: 'load', name: file }
  const usable = attempt(() => stored && set.updateTargets(name, by, stored))
  if (usable) return usable
  const bytes = yield* fetched(nameOf(set, name, version), length ?? tufBytesMax.targets)
  const role = set.updateTargets(name, by, bytes)
  yield { type: 'keep', name: file, bytes }
  return role
}

function* fetched(name: string, bytesMax: number): TufSteps<Uint8Array> {
  const bytes = yield { type: 'fetch', name, bytesMax }
  if (bytes) return bytes
  throw new Refused('METADATA_HASH', { message: `The repository has no ${name}, which it names.`, where: name })
}

const rootDelegator = (set: TrustedMetadata): Delegator => ({ name: 'root', role: set.root.roles.targets })

const nameOf = (set: TrustedMetadata, role: string, version: number): string =>
  `${set.root.isConsistent ? `${version}.` : ''}${percentEncoded(role)}.json`

function targetPathOf(set: TrustedMetadata, path: string, { hashes }: ForeignTarget): string {
  if (!set.root.isConsistent) return path
  const digest = hashes.get('sha256') ?? [...hashes.values()][0] ?? ''
  const slash = path.lastIndexOf('/') + 1
  return `${path.slice(0, slash)}${digest}.${path.slice(slash)}`
}

/** Every byte but letters, digits and `-._~` as %XX, so that a name is one file in one folder (RFC 3986 §2.3). */
export const percentEncoded = (name: string): string =>
  encodeURIComponent(name.toWellFormed()).replaceAll(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  )

/**
 * A set in the making: one pack tried on the state before it, in the order of trust (TUF 1.0.34 §5). Nothing of it counts until
 * `trusted-set.ts` takes it over, so a file that is refused half-way leaves no trace.
 */
import { equalBytes } from '#base/bytes.ts'
import type { Digest } from '#base/digest.ts'
import { sha256 } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import { own } from '#base/guard.ts'
import type { Instant } from '#base/time.ts'
import { covers } from './delegation.ts'
import { documentPaths, readDocuments } from './mesh-documents.ts'
import type { Absorbed, MetadataPack } from './metadata-pack.ts'
import {
  checkListed,
  isListed,
  openEnvelope,
  readRoot,
  readSnapshot,
  readTargets,
  readTimestamp,
  type Envelope,
  type Root,
  type Snapshot,
  type Target,
  type Targets,
  type Timestamp,
} from './roles.ts'
import { verifyThreshold, type RoleKeys } from './threshold.ts'

interface Kept<Meaning> {
  readonly bytes: Uint8Array
  readonly meaning: Meaning
}

/** A role, and the keys that vouched for it: when these change, it must be signed by the new ones. */
interface KeptRole extends Kept<Targets> {
  readonly keys: RoleKeys
}

/** Files that verified, with what they say. */
export interface State {
  readonly roots: readonly Uint8Array[]
  readonly root: Root | undefined
  readonly timestamp: Kept<Timestamp> | undefined
  readonly snapshot: Kept<Snapshot> | undefined
  readonly roles: ReadonlyMap<string, KeptRole>
  readonly documents: ReadonlyMap<string, Uint8Array>
}

export const noState: State = {
  roots: [],
  root: undefined,
  timestamp: undefined,
  snapshot: undefined,
  roles: new Map(),
  documents: new Map(),
}

/** Roots taken in one call (TUF 1.0.34 §5.3.3 leaves the number to us): the next call goes on. */
const rootsMax = 256
export const rolesNeeded = ['targets', 'bundles', 'mesh'] as const

export class Draft {
  state: State
  moved = false
  readonly #before: State
  #afterRoots: State
  readonly #meshId: Digest
  /** Metadata must be valid after this time; the epoch where expiry does not matter. */
  readonly #now: Instant

  constructor(meshId: Digest, state: State, now: Instant) {
    this.#meshId = meshId
    this.#before = state
    this.#afterRoots = state
    this.state = state
    this.#now = now
  }

  /** Undoes everything but the roots. */
  backToRoots(): void {
    this.state = this.#afterRoots
    this.moved = this.state !== this.#before
  }

  take(pack: MetadataPack): Absorbed {
    for (const bytes of pack.roots.slice(0, rootsMax)) {
      const end = this.#root(bytes)
      if (end) return end
    }
    this.#afterRoots = this.state
    const { root } = this.state
    if (!root) return { type: 'incomplete' }
    const outcome: Absorbed = pack.timestamp ? this.#timestamp(root, pack.timestamp) : { type: 'incomplete' }
    if (outcome.type === 'older' || outcome.type === 'equivocation') return outcome
    if (!this.#snapshot(root, pack.snapshot)) return pendingOr(outcome)
    this.#checkRoles(pack.roles)
    for (const name of rolesNeeded) if (!this.#role(root, name, pack.roles.get(name))) return pendingOr(outcome)
    for (const path of documentPaths) this.#document(path, pack.documents.get(path))
    return isComplete(this.state) ? outcome : pendingOr(outcome)
  }

  /** TUF 1.0.34 §5.3: step by step, each root signed by the one before and by itself. Says why no further root can be taken, if so. */
  #root(bytes: Uint8Array): Absorbed | undefined {
    const envelope = openEnvelope(bytes, 'root', 'root')
    const { root, roots } = this.state
    if (!root) {
      if (sha256(bytes) !== this.#meshId) return { type: 'incomplete' }
      const first = readRoot(envelope, 'root 1')
      verifyThreshold(first.roles.root, envelope, 'root 1')
      this.#move({ roots: [bytes], root: first })
      return undefined
    }
    const next = readRoot(envelope, 'root')
    if (next.version <= root.version) return this.#knownRoot(bytes, envelope, next)
    if (next.version !== root.version + 1) return { type: 'incomplete' }
    verifyRoot(root, next, envelope)
    this.#move({ roots: [...roots, bytes], root: next })
    // §5.3.11: new online keys forget what the old ones said, or a stolen key could have counted up for ever.
    if (!sameKeys(root.roles.timestamp, next.roles.timestamp) || !sameKeys(root.roles.snapshot, next.roles.snapshot))
      this.#move({ timestamp: undefined, snapshot: undefined })
    return undefined
  }

  /** A root that is here already. It changes nothing, but is not passed over: who lacks it would blame us for passing on a false one. */
  #knownRoot(bytes: Uint8Array, envelope: Envelope, root: Root): Absorbed | undefined {
    const [before, held] = [this.state.roots[root.version - 2], this.state.roots[root.version - 1]]
    if (held && equalBytes(held, bytes)) return undefined
    // Another first root is another fleet's: whoever trusts nothing yet says the same of it.
    if (!before || !held) return { type: 'incomplete' }
    const where = `root ${root.version}`
    verifyRoot(readRoot(openEnvelope(before, 'root', where), where), root, envelope)
    // The same root with fewer of its signatures is as good; another root is evidence against the keys, not against the sender.
    return equalBytes(openEnvelope(held, 'root', where).bytes, envelope.bytes)
      ? undefined
      : twice('roots', root.version)
  }

  /** TUF 1.0.34 §5.4. An equal version with other bytes is evidence against the origin's key, not against the sender. */
  #timestamp(root: Root, bytes: Uint8Array): Absorbed {
    const envelope = openEnvelope(bytes, 'timestamp', 'timestamp')
    verifyThreshold(root.roles.timestamp, envelope, 'timestamp')
    const next = readTimestamp(envelope, 'timestamp')
    const before = this.state.timestamp
    if (before && next.version < before.meaning.version) return { type: 'older' }
    if (before && next.version === before.meaning.version)
      return equalBytes(openEnvelope(before.bytes, 'timestamp', 'timestamp').bytes, envelope.bytes)
        ? { type: 'same' }
        : twice('timestamps', next.version)
    if (before && next.snapshot.version < before.meaning.snapshot.version)
      throw rollback(`timestamp ${next.version} names an older snapshot`)
    this.#fresh(root.expires, 'root')
    this.#fresh(next.expires, 'timestamp')
    this.#move({ timestamp: { bytes, meaning: next } })
    return { type: 'advanced', complete: false }
  }

  /** TUF 1.0.34 §5.5. False where the listed one is neither here nor in the pack. */
  #snapshot(root: Root, bytes: Uint8Array | undefined): boolean {
    const listed = this.state.timestamp?.meaning.snapshot
    const before = this.state.snapshot
    if (!listed) return false
    if (bytes) checkListed(bytes, listed, 'snapshot')
    if (before && isListed(before.bytes, listed)) return true
    if (!bytes) return false
    const envelope = this.#signedFile(bytes, listed, 'snapshot', 'snapshot', root.roles.snapshot)
    const next = readSnapshot(envelope, 'snapshot')
    for (const [name, { version }] of before?.meaning.meta ?? [])
      if ((next.meta.get(name)?.version ?? 0) < version) throw rollback(`the snapshot lists an older ${name}, or none`)
    this.#fresh(next.expires, 'snapshot')
    this.#move({ snapshot: { bytes, meaning: next } })
    return true
  }

  /**
   * Every role in the pack must be the listed one, also where it is not used because we have it: a pack that we let pass with a false
   * part would be held against us by whoever lacks that part.
   */
  #checkRoles(roles: MetadataPack['roles']): void {
    for (const name of rolesNeeded) {
      const bytes = roles.get(name)
      const listed = this.state.snapshot?.meaning.meta.get(name)
      if (bytes && listed) checkListed(bytes, listed, name)
    }
  }

  /** TUF 1.0.34 §5.6: `targets` by the root's word, the others by a delegation of `targets`. */
  #role(root: Root, name: string, bytes: Uint8Array | undefined): boolean {
    const listed = this.state.snapshot?.meaning.meta.get(name)
    const before = this.state.roles.get(name)
    if (!listed) return false
    const keys =
      name === 'targets'
        ? root.roles.targets
        : this.state.roles.get('targets')?.meaning.delegations.find((delegation) => delegation.name === name)
    if (before && keys && isListed(before.bytes, listed)) {
      // A key that was replaced may be a stolen one: what only it signed is not carried over into a newer set.
      if (!sameKeys(before.keys, keys)) verifyThreshold(keys, openEnvelope(before.bytes, 'targets', name), name)
      if (this.state.snapshot !== this.#before.snapshot) this.#fresh(before.meaning.expires, name)
      if (before.keys !== keys) this.#keep(name, { ...before, keys })
      return true
    }
    if (!bytes || !keys) return false
    const envelope = this.#signedFile(bytes, listed, 'targets', name, keys)
    const next = readTargets(envelope, name)
    this.#fresh(next.expires, name)
    this.#keep(name, { bytes, meaning: next, keys })
    this.moved = true
    return true
  }

  #document(path: string, bytes: Uint8Array | undefined): void {
    const target = listedDocument(this.state, path)
    const before = this.state.documents.get(path)
    if (!target || !bytes) return
    checkListed(bytes, target, path)
    if (before && isListed(before, target)) return
    const documents = new Map(this.state.documents).set(path, bytes)
    // Read now, so that a signed document that is not understood is refused here and not met in the middle of an admission.
    readDocuments(documents)
    this.#move({ documents })
  }

  /** A file whose digest was checked: its signatures, and that its version is the listed one. */
  #signedFile(
    bytes: Uint8Array,
    listed: { version: number },
    type: 'snapshot' | 'targets',
    name: string,
    keys: RoleKeys,
  ): Envelope {
    const envelope = openEnvelope(bytes, type, name)
    verifyThreshold(keys, envelope, name)
    if (own(envelope.signed, 'version') !== listed.version)
      throw new Refused('METADATA_VERSION', {
        message: `${name} has another version than the signed list says.`,
        where: name,
      })
    return envelope
  }

  #fresh(expires: Instant, where: string): void {
    if (expires <= this.#now)
      throw new Refused('METADATA_EXPIRED', { message: `${where} has expired, so it is not accepted as new.`, where })
  }

  /** A role in its place. Whoever calls says whether the set moved by it. */
  #keep(name: string, role: KeptRole): void {
    this.state = { ...this.state, roles: new Map(this.state.roles).set(name, role) }
  }

  #move(news: Partial<State>): void {
    this.state = { ...this.state, ...news }
    this.moved = true
  }
}

/** Whether all files belong together: each is the one that the file above it lists. */
export function isComplete(state: State): boolean {
  const { timestamp, snapshot, roles } = state
  if (!timestamp || !snapshot || !isListed(snapshot.bytes, timestamp.meaning.snapshot)) return false
  for (const name of rolesNeeded) {
    const role = roles.get(name)
    const listed = snapshot.meaning.meta.get(name)
    if (!role || !listed || !isListed(role.bytes, listed)) return false
  }
  return hasDocuments(state)
}

/** Whether the documents are the ones that the role `mesh` lists. */
export function hasDocuments(state: State): boolean {
  return documentPaths.every((path) => {
    const target = listedDocument(state, path)
    const bytes = state.documents.get(path)
    return target !== undefined && bytes !== undefined && isListed(bytes, target)
  })
}

/** What the role `mesh` says of a document, where `targets` lets it speak for that path. */
function listedDocument({ roles }: State, path: string): Target | undefined {
  const delegation = roles.get('targets')?.meaning.delegations.find(({ name }) => name === 'mesh')
  return delegation && covers(delegation, path) ? roles.get('mesh')?.meaning.targets.get(path) : undefined
}

/** Read before it is verified by itself, for its own keys are inside; the old root's word comes first. */
function verifyRoot(before: Root, root: Root, envelope: Envelope): void {
  const where = `root ${root.version}`
  verifyThreshold(before.roles.root, envelope, where, root.roles.root)
  verifyThreshold(root.roles.root, envelope, where, before.roles.root)
}

const twice = (files: string, version: number): Absorbed => ({
  type: 'equivocation',
  message: `Two different ${files} have version ${version}, and both are signed.`,
})

/** The timestamp was fine, and something behind it is missing. */
const pendingOr = (outcome: Absorbed): Absorbed => (outcome.type === 'same' ? { type: 'incomplete' } : outcome)

const rollback = (what: string): Refused =>
  new Refused('METADATA_ROLLBACK', { message: `Older metadata was offered as new: ${what}.` })

function sameKeys(a: RoleKeys, b: RoleKeys): boolean {
  return a.threshold === b.threshold && a.keys.size === b.keys.size && [...a.keys.keys()].every((id) => b.keys.has(id))
}

/**
 * The set of signed metadata that this member trusts (TUF 1.0.34 §5, trust.md §2). Sans-IO: bytes and a time come in, a verdict goes
 * out. The order of trust, each step resting on the one before:
 *
 *   pinned digest → root 1 → root N+1 (signed by N and by itself) … → timestamp → snapshot → targets → bundles, mesh → documents
 *
 * A pack is absorbed as a whole or not at all: one refused file leaves the set as it was. What is in force (`bundles`, `issuers`, …)
 * is the last complete set, switched at once, and never switched off by expiry: expiry decides what is accepted (trust.md §5).
 */
import type { Digest } from '#base/digest.ts'
import { sha256 } from '#base/digest.ts'
import { Misconfigured, Refused } from '#base/errors.ts'
import { wholeAt, own } from '#base/guard.ts'
import { instant, type Instant } from '#base/time.ts'
import { covers } from './delegation.ts'
import { documentPaths, noDocuments, readDocuments, type MeshDocuments } from './mesh-documents.ts'
import type { Absorbed, BundleTarget, MetadataPack, Versions } from './metadata-pack.ts'
import { bundlesOf } from './release-targets.ts'
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
  type Targets,
  type Timestamp,
} from './roles.ts'
import { UnknownSigner, verifyThreshold, type RoleKeys } from './threshold.ts'

interface Kept<Meaning> {
  readonly bytes: Uint8Array
  readonly meaning: Meaning
}

interface State {
  readonly roots: readonly Uint8Array[]
  readonly root: Root | undefined
  readonly timestamp: Kept<Timestamp> | undefined
  readonly snapshot: Kept<Snapshot> | undefined
  readonly roles: ReadonlyMap<string, Kept<Targets>>
  readonly documents: ReadonlyMap<string, Uint8Array>
}

/** What is in force. */
interface Active {
  readonly versions: Versions
  readonly bundles: readonly BundleTarget[]
  readonly documents: MeshDocuments
}

const empty: State = {
  roots: [],
  root: undefined,
  timestamp: undefined,
  snapshot: undefined,
  roles: new Map(),
  documents: new Map(),
}

/** Roots taken in one call (TUF 1.0.34 §5.3.3 leaves the number to us): the next call goes on. */
const rootsMax = 256
const rolesNeeded = ['targets', 'bundles', 'mesh'] as const

export class TrustedSet {
  /** SHA-256 of `1.root.json`: the name of the fleet that nobody else can take. */
  readonly meshId: Digest
  #state: State = empty
  #active: Active | undefined
  /** Roles that changed with the last complete set: what an announcement must carry. */
  #changed: ReadonlySet<string> = new Set(rolesNeeded)
  #snapshotChanged = true

  private constructor(meshId: Digest) {
    this.meshId = meshId
  }

  /** A newcomer's set: it trusts nothing but the digest of the first root. */
  static pinned(rootDigest: Digest): TrustedSet {
    return new TrustedSet(rootDigest)
  }

  /** A set from disk, every file verified again; what expired meanwhile stays. Misconfigured TRUST_STATE_DAMAGED where it does not verify. */
  static restore(rootDigest: Digest, pack: MetadataPack, now: Instant): TrustedSet {
    const set = new TrustedSet(rootDigest)
    const absorbed = set.#absorb(pack, now, false)
    if (absorbed.type === 'advanced') return set
    throw new Misconfigured('TRUST_STATE_DAMAGED', {
      message: `The signed metadata on disk does not verify: ${absorbed.type === 'refused' ? absorbed.message : absorbed.type}.`,
      next: 'Restore the home from a backup, or join again; the contents in it stay good.',
    })
  }

  /** Takes in what verifies and is newer. Never throws, whatever the bytes are. */
  absorb(pack: MetadataPack, now: Instant): Absorbed {
    return this.#absorb(pack, now, true)
  }

  /** Everything there is, for disk. */
  state(): MetadataPack {
    const { roots, timestamp, snapshot, roles, documents } = this.#state
    return {
      roots,
      ...(timestamp && { timestamp: timestamp.bytes }),
      ...(snapshot && { snapshot: snapshot.bytes }),
      roles: new Map([...roles].map(([name, { bytes }]) => [name, bytes])),
      documents,
    }
  }

  /** What a member with these versions lacks. */
  packSince(versions: Versions): MetadataPack {
    const all = this.state()
    const isNew = (name: string): boolean => this.#state.roles.get(name)?.meaning.version !== versions.roles[name]
    return {
      roots: all.roots.slice(versions.root),
      ...(all.timestamp && { timestamp: all.timestamp }),
      ...(all.snapshot && this.#state.snapshot?.meaning.version !== versions.snapshot && { snapshot: all.snapshot }),
      roles: new Map([...all.roles].filter(([name]) => isNew(name))),
      documents: isNew('mesh') ? all.documents : new Map(),
    }
  }

  /** The last change, for gossip: what everybody lacks who was up to date before it (trust.md §4). */
  announcement(): MetadataPack {
    const all = this.state()
    return {
      roots: [],
      ...(all.timestamp && { timestamp: all.timestamp }),
      ...(all.snapshot && this.#snapshotChanged && { snapshot: all.snapshot }),
      roles: new Map([...all.roles].filter(([name]) => this.#changed.has(name))),
      documents: this.#changed.has('mesh') ? all.documents : new Map(),
    }
  }

  /**
   * What we have, to be compared with others. While a newer set is incomplete its timestamp does not count, so that whoever has
   * all of it still sees that we are behind.
   */
  versions(): Versions {
    const { root, snapshot, roles } = this.#state
    return {
      root: root?.version ?? 0,
      timestamp: this.complete
        ? (this.#state.timestamp?.meaning.version ?? 0)
        : (this.#active?.versions.timestamp ?? 0),
      snapshot: snapshot?.meaning.version ?? 0,
      roles: Object.fromEntries([...roles].map(([name, { meaning }]) => [name, meaning.version])),
    }
  }

  /** Version of the role `bundles` that is in force; 0 where there is none. */
  get release(): number {
    return this.#active?.versions.roles['bundles'] ?? 0
  }

  /** Whether all files belong together: timestamp, snapshot, roles and documents of one set. */
  get complete(): boolean {
    return isComplete(this.#state)
  }

  bundles(): readonly BundleTarget[] {
    return this.#active?.bundles ?? []
  }

  issuers(): MeshDocuments['issuers'] {
    return this.#active?.documents.issuers ?? []
  }

  revocations(): MeshDocuments['revocations'] {
    return (this.#active?.documents ?? noDocuments).revocations
  }

  /** Who the origin is, and the keys that reports are sealed to; undefined before the first complete set. */
  origin(): MeshDocuments['origin'] | undefined {
    return this.#active?.documents.origin
  }

  get fleet(): string | undefined {
    return this.#state.root?.fleet
  }

  /** When the origin signed the newest timestamp. */
  get issuedAt(): Instant | undefined {
    return this.#state.timestamp?.meaning.issued
  }

  get expiresAt(): Instant | undefined {
    return this.#state.timestamp?.meaning.expires
  }

  #absorb(pack: MetadataPack, now: Instant, expires: boolean): Absorbed {
    const draft = new Draft(this.meshId, this.#state, expires ? now : instant(0))
    let outcome: Absorbed
    try {
      outcome = draft.take(pack)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      if (!(error instanceof UnknownSigner)) return { type: 'refused', code: error.code, message: error.message }
      // New roots are kept, for they may name that signer; nothing that rests on an unknown one is.
      outcome = { type: 'unknown-signer' }
      draft.backToRoots()
    }
    if (!draft.moved) return outcome
    this.#state = draft.state
    if (isComplete(draft.state)) this.#activate()
    return { type: 'advanced', complete: isComplete(draft.state) }
  }

  #activate(): void {
    const before = this.#active?.versions
    const { roles, documents } = this.#state
    const versions = this.versions()
    this.#changed = new Set(rolesNeeded.filter((name) => versions.roles[name] !== before?.roles[name]))
    this.#snapshotChanged = versions.snapshot !== before?.snapshot
    const bundles = roles.get('bundles')?.meaning
    const delegation = roles.get('targets')?.meaning.delegations.find(({ name }) => name === 'bundles')
    this.#active = {
      versions,
      bundles: bundles && delegation ? bundlesOf(bundles, (path) => covers(delegation, path)) : [],
      documents: readDocuments(documents),
    }
  }
}

function isComplete({ timestamp, snapshot, roles, documents }: State): boolean {
  if (!timestamp || !snapshot || !isListed(snapshot.bytes, timestamp.meaning.snapshot)) return false
  for (const name of rolesNeeded) {
    const role = roles.get(name)
    const listed = snapshot.meaning.meta.get(name)
    if (!role || !listed || !isListed(role.bytes, listed)) return false
  }
  const mesh = roles.get('mesh')?.meaning.targets
  return documentPaths.every((path) => {
    const target = mesh?.get(path)
    const bytes = documents.get(path)
    return target !== undefined && bytes !== undefined && isListed(bytes, target)
  })
}

/** A set in the making: files that verified so far. It is kept only where nothing of the pack was refused. */
class Draft {
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
    for (const bytes of pack.roots.slice(0, rootsMax)) if (!this.#root(bytes)) return { type: 'incomplete' }
    this.#afterRoots = this.state
    const { root } = this.state
    if (!root) return { type: 'incomplete' }
    const outcome: Absorbed = pack.timestamp ? this.#timestamp(root, pack.timestamp) : { type: 'incomplete' }
    if (outcome.type === 'older' || outcome.type === 'equivocation') return outcome
    if (!this.#snapshot(root, pack.snapshot)) return pendingOr(outcome)
    for (const name of rolesNeeded) if (!this.#role(root, name, pack.roles.get(name))) return pendingOr(outcome)
    for (const path of documentPaths) this.#document(path, pack.documents.get(path))
    return isComplete(this.state) ? outcome : pendingOr(outcome)
  }

  /** TUF 1.0.34 §5.3: step by step, each root signed by the one before and by itself. False where one is missing in between. */
  #root(bytes: Uint8Array): boolean {
    const envelope = openEnvelope(bytes, 'root', 'root')
    const { root } = this.state
    if (!root) {
      if (sha256(bytes) !== this.#meshId) return false
      const first = readRoot(envelope, 'root 1')
      verifyThreshold(first.roles.root, envelope, 'root 1')
      this.#move({ roots: [bytes], root: first })
      return true
    }
    const version = Number(own(envelope.signed, 'version'))
    if (version <= root.version) return true
    if (version !== root.version + 1) return false
    const where = `root ${version}`
    // Read before it is verified by itself: its own keys are inside. The old root's word comes first.
    const next = readRoot(envelope, where)
    verifyThreshold(root.roles.root, envelope, where, next.roles.root)
    verifyThreshold(next.roles.root, envelope, where, root.roles.root)
    this.#move({ roots: [...this.state.roots, bytes], root: next })
    // §5.3.11: new online keys forget what the old ones said, or a stolen key could have counted up for ever.
    if (!sameKeys(root.roles.timestamp, next.roles.timestamp) || !sameKeys(root.roles.snapshot, next.roles.snapshot))
      this.#move({ timestamp: undefined, snapshot: undefined })
    return true
  }

  /** TUF 1.0.34 §5.4. An equal version with other bytes is evidence against the origin's key, not against the sender. */
  #timestamp(root: Root, bytes: Uint8Array): Absorbed {
    const envelope = openEnvelope(bytes, 'timestamp', 'timestamp')
    verifyThreshold(root.roles.timestamp, envelope, 'timestamp')
    const next = readTimestamp(envelope, 'timestamp')
    const before = this.state.timestamp
    if (before && next.version < before.meaning.version) return { type: 'older' }
    if (before && next.version === before.meaning.version)
      return sha256(before.bytes) === sha256(bytes)
        ? { type: 'same' }
        : {
            type: 'equivocation',
            message: `Two different timestamps have version ${next.version}, and both are signed.`,
          }
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
    if (before && isListed(before.bytes, listed)) return true
    if (!bytes) return false
    const envelope = this.#listedFile(bytes, listed, 'snapshot', 'snapshot', root.roles.snapshot)
    const next = readSnapshot(envelope, 'snapshot')
    for (const [name, { version }] of before?.meaning.meta ?? [])
      if ((next.meta.get(name)?.version ?? 0) < version) throw rollback(`the snapshot lists an older ${name}, or none`)
    this.#fresh(next.expires, 'snapshot')
    this.#move({ snapshot: { bytes, meaning: next } })
    return true
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
    if (before && isListed(before.bytes, listed)) return true
    if (!bytes || !keys) return false
    const envelope = this.#listedFile(bytes, listed, 'targets', name, keys)
    const next = readTargets(envelope, name)
    this.#fresh(next.expires, name)
    this.#move({ roles: new Map(this.state.roles).set(name, { bytes, meaning: next }) })
    return true
  }

  #document(path: string, bytes: Uint8Array | undefined): void {
    const target = this.state.roles.get('mesh')?.meaning.targets.get(path)
    const before = this.state.documents.get(path)
    if (!target || !bytes || (before && isListed(before, target))) return
    checkListed(bytes, target, path)
    const documents = new Map(this.state.documents).set(path, bytes)
    // Read now, so that a signed document that is not understood is refused here and not met in the middle of an admission.
    readDocuments(documents)
    this.#move({ documents })
  }

  #listedFile(
    bytes: Uint8Array,
    listed: { length: number; digest: Digest; version: number },
    type: 'snapshot' | 'targets',
    name: string,
    keys: RoleKeys,
  ): Envelope {
    checkListed(bytes, listed, name)
    const envelope = openEnvelope(bytes, type, name)
    verifyThreshold(keys, envelope, name)
    if (wholeAt(own(envelope.signed, 'version'), 'version', 0) !== listed.version)
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

  #move(news: Partial<State>): void {
    this.state = { ...this.state, ...news }
    this.moved = true
  }
}

/** The timestamp was fine, and something behind it is missing. */
const pendingOr = (outcome: Absorbed): Absorbed => (outcome.type === 'same' ? { type: 'incomplete' } : outcome)

const rollback = (what: string): Refused =>
  new Refused('METADATA_ROLLBACK', { message: `Older metadata was offered as new: ${what}.` })

function sameKeys(a: RoleKeys, b: RoleKeys): boolean {
  return a.threshold === b.threshold && a.keys.size === b.keys.size && [...a.keys.keys()].every((id) => b.keys.has(id))
}

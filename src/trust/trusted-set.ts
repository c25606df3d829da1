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
import { Misconfigured, Refused } from '#base/errors.ts'
import { instant, type Instant } from '#base/time.ts'
import { covers } from './delegation.ts'
import { Draft, hasDocuments, isComplete, noState, rolesNeeded, type State } from './draft.ts'
import { noDocuments, readDocuments, type MeshDocuments } from './mesh-documents.ts'
import type { Absorbed, BundleTarget, MetadataPack, Versions } from './metadata-pack.ts'
import { bundlesOf } from './release-targets.ts'
import { UnknownSigner } from './threshold.ts'

/** What is in force. */
interface Active {
  /** The files that say so: they stay on disk until a newer set is whole. */
  readonly state: State
  readonly versions: Versions
  readonly bundles: readonly BundleTarget[]
  readonly documents: MeshDocuments
}

export class TrustedSet {
  /** SHA-256 of `1.root.json`: the name of the fleet that nobody else can take. */
  readonly meshId: Digest
  #state: State = noState
  /** Of `#state`, kept because they are asked at every message and cost a hash over every file. */
  #isComplete = false
  #hasDocuments = false
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
    const rooted: State[] = []
    for (const root of pack.roots) {
      const absorbed = set.#absorb({ ...nothing, roots: [root] }, now, false)
      if (absorbed.type !== 'advanced') throw damaged(absorbed)
      rooted.push(set.#state)
    }
    if (rooted.length === 0) throw damaged({ type: 'incomplete' })
    if (!pack.timestamp) return set
    // The files may be older than the newest root and signed by keys that it replaced: they stay in force until newer ones come.
    let problem: Absorbed | undefined
    for (const state of rooted.toReversed()) {
      set.#become(state)
      const absorbed = set.#absorb({ ...pack, roots: [] }, now, false)
      if (absorbed.type === 'advanced' && absorbed.complete) {
        const newer = pack.roots.slice(state.roots.length)
        for (const root of newer) set.#absorb({ ...nothing, roots: [root] }, now, false)
        return set
      }
      problem ??= absorbed
    }
    throw damaged(problem ?? { type: 'incomplete' })
  }

  /** Takes in what verifies and is newer. Never throws, whatever the bytes are. */
  absorb(pack: MetadataPack, now: Instant): Absorbed {
    return this.#absorb(pack, now, true)
  }

  /** For disk: all roots, and the files of the set in force. What is still incomplete is left out, for it comes again. */
  state(): MetadataPack {
    return packOf({ ...(this.#active?.state ?? noState), roots: this.#state.roots })
  }

  /** What a member with these versions lacks. Ask only a complete set: of another the files do not belong together. */
  packSince(versions: Versions): MetadataPack {
    const all = packOf(this.#state)
    const isNew = (name: string): boolean => this.#state.roles.get(name)?.meaning.version !== versions.roles[name]
    return {
      roots: all.roots.slice(versions.root),
      ...(all.timestamp && { timestamp: all.timestamp }),
      ...(all.snapshot && this.#state.snapshot?.meaning.version !== versions.snapshot && { snapshot: all.snapshot }),
      roles: new Map([...all.roles].filter(([name]) => isNew(name))),
      documents: isNew('mesh') ? all.documents : new Map(),
    }
  }

  /** The last change, for gossip: what everybody lacks who was up to date before it (trust.md §4). Of a complete set only. */
  announcement(): MetadataPack {
    const all = packOf(this.#state)
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
   * all of it still sees that we are behind; nor does a role `mesh` without its documents, or nobody would send these.
   */
  versions(): Versions {
    const { root, timestamp, snapshot, roles } = this.#state
    const newest = timestamp?.meaning.version ?? 0
    // Below the newest in any case: after its key was replaced the timestamp in force may be one that counted up far.
    const inForce = Math.min(this.#active?.versions.timestamp ?? 0, Math.max(0, newest - 1))
    return {
      root: root?.version ?? 0,
      timestamp: this.complete ? newest : inForce,
      snapshot: snapshot?.meaning.version ?? 0,
      roles: Object.fromEntries(
        [...roles]
          .filter(([name]) => name !== 'mesh' || this.#hasDocuments)
          .map(([name, { meaning }]) => [name, meaning.version]),
      ),
    }
  }

  /** Version of the role `bundles` that is in force; 0 where there is none. */
  get release(): number {
    return this.#active?.versions.roles['bundles'] ?? 0
  }

  /** Whether all files belong together: timestamp, snapshot, roles and documents of one set. */
  get complete(): boolean {
    return this.#isComplete
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

  /** When the newest root ends: nothing that rests on it is accepted as new afterwards. */
  get rootExpiresAt(): Instant | undefined {
    return this.#state.root?.expires
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
    this.#become(draft.state)
    if (this.complete) this.#activate()
    return { type: 'advanced', complete: this.complete }
  }

  #become(state: State): void {
    this.#state = state
    this.#isComplete = isComplete(state)
    this.#hasDocuments = hasDocuments(state)
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
      state: this.#state,
      versions,
      bundles: bundles && delegation ? bundlesOf(bundles, (path) => covers(delegation, path)) : [],
      documents: readDocuments(documents),
    }
  }
}

const nothing: MetadataPack = { roots: [], roles: new Map(), documents: new Map() }

function packOf({ roots, timestamp, snapshot, roles, documents }: State): MetadataPack {
  return {
    roots,
    ...(timestamp && { timestamp: timestamp.bytes }),
    ...(snapshot && { snapshot: snapshot.bytes }),
    roles: new Map([...roles].map(([name, { bytes }]) => [name, bytes])),
    documents,
  }
}

const damaged = (absorbed: Absorbed): Misconfigured =>
  new Misconfigured('TRUST_STATE_DAMAGED', {
    message: `The signed metadata on disk does not verify: ${absorbed.type === 'refused' ? absorbed.message : absorbed.type}.`,
    next: 'Restore the home from a backup, or join again; the contents in it stay good.',
  })

/**
 * What a client trusts of any TUF repository (TUF 1.0.34 §5), as `trusted-set.ts` is for the mesh. Bytes and a time come in; what does
 * not verify throws, and the set stays as it was.
 *
 *   open(root) → updateRoot* → endRoots → updateTimestamp → updateSnapshot → updateTargets* → targets of one role
 *
 * Files from disk count as a *baseline* (what is newer must not be older than them) also when they have expired; they are *final* only
 * if everything else holds as well.
 */
import { createHash } from 'node:crypto'
import { Refused } from '#base/errors.ts'
import type { Instant } from '#base/time.ts'
import { digestAlgorithms } from './target-check.ts'
import type { ForeignDelegation } from './tuf-delegation.ts'
import { signersOf, type ForeignRole } from './tuf-keys.ts'
import {
  openForeign,
  readForeignRoot,
  readForeignSnapshot,
  readForeignTargets,
  readForeignTimestamp,
  type ForeignMeta,
  type ForeignRoot,
  type ForeignSnapshot,
  type ForeignTargets,
  type ForeignTimestamp,
  type OpenFile,
} from './tuf-metadata.ts'

/** Bytes that a file may have where nothing signed says so (TUF 1.0.34 §5: left to the application; as in the reference clients). */
export const tufBytesMax = { root: 512_000, timestamp: 16_384, snapshot: 2_000_000, targets: 5_000_000 } as const

/** Who speaks for a role: root for `targets`, else the delegation. */
export interface Delegator {
  readonly name: string
  readonly role: ForeignRole
}

export class TrustedMetadata {
  readonly now: Instant
  #root: ForeignRoot
  #timestamp: ForeignTimestamp | undefined
  #snapshot: ForeignSnapshot | undefined
  readonly #opened = new Map<string, OpenFile>()

  private constructor(root: ForeignRoot, now: Instant) {
    this.#root = root
    this.now = now
  }

  /** A set that trusts this root, which must be signed by itself; it may have expired. Refused METADATA_… where it is not. */
  static open(bytes: Uint8Array, now: Instant): TrustedMetadata {
    const file = openForeign(bytes, 'root', tufBytesMax.root, 'root.json')
    const root = readForeignRoot(file, 'root.json')
    requireSigned(root.roles.root, file, 'root.json')
    return new TrustedMetadata(root, now)
  }

  get root(): ForeignRoot {
    return this.#root
  }

  get timestamp(): ForeignTimestamp {
    return trusted(this.#timestamp, 'timestamp.json')
  }

  get snapshot(): ForeignSnapshot {
    return trusted(this.#snapshot, 'snapshot.json')
  }

  /** The next root (§5.3.3-§5.3.5): signed by the one before and by itself, one version higher. Its expiry does not matter yet. */
  updateRoot(bytes: Uint8Array): void {
    const where = `${this.#root.version + 1}.root.json`
    const file = openForeign(bytes, 'root', tufBytesMax.root, where)
    // Before its meaning is read: that a stranger's million keys cost nothing.
    requireSigned(this.#root.roles.root, file, where)
    const next = readForeignRoot(file, where)
    requireSigned(next.roles.root, file, where)
    if (next.version !== this.#root.version + 1)
      throw rollback(where, `version ${this.#root.version + 1}`, `version ${next.version}`)
    this.#root = next
  }

  /** No newer root is to be had: this one must not have expired (§5.3.10). */
  endRoots(): void {
    requireFresh(this.#root.expires, this.now, 'root.json')
  }

  /** A stored timestamp, as a baseline: undefined where it does not verify. */
  loadTimestamp(bytes: Uint8Array | undefined): void {
    this.#timestamp = attempt(() => bytes && this.#readTimestamp(bytes))
  }

  /** The newest timestamp (§5.4); false where it is the stored one, which then stays. */
  updateTimestamp(bytes: Uint8Array): boolean {
    const next = this.#readTimestamp(bytes)
    const before = this.#timestamp
    if (before) {
      if (next.version < before.version)
        throw rollback('timestamp.json', `version ${before.version}`, `version ${next.version}`)
      if (next.version === before.version) {
        requireFresh(before.expires, this.now, 'the stored timestamp.json')
        return false
      }
      if (next.snapshot.version < before.snapshot.version)
        throw rollback('timestamp.json', `snapshot ${before.snapshot.version}`, `snapshot ${next.snapshot.version}`)
    }
    requireFresh(next.expires, this.now, 'timestamp.json')
    this.#timestamp = next
    return true
  }

  #readTimestamp(bytes: Uint8Array): ForeignTimestamp {
    const file = openForeign(bytes, 'timestamp', tufBytesMax.timestamp, 'timestamp.json')
    requireSigned(this.#root.roles.timestamp, file, 'timestamp.json')
    return readForeignTimestamp(file, 'timestamp.json')
  }

  /** A stored snapshot: true where it is the one that the timestamp names, and needs no fetch; else it is a baseline, if it verifies. */
  loadSnapshot(bytes: Uint8Array | undefined): boolean {
    this.#snapshot = attempt(() => bytes && this.#readSnapshot(bytes))
    if (!bytes || !this.#snapshot) return false
    const { snapshot: meta } = this.timestamp
    const stored = this.#snapshot
    return (
      attempt(() => {
        requireListed(bytes, meta, 'snapshot.json')
        requireVersion(stored.version, meta, 'snapshot.json')
        requireFresh(stored.expires, this.now, 'snapshot.json')
        return true
      }) ?? false
    )
  }

  /** The snapshot that the timestamp names (§5.5). */
  updateSnapshot(bytes: Uint8Array): void {
    const { snapshot: meta } = this.timestamp
    requireListed(bytes, meta, 'snapshot.json')
    const next = this.#readSnapshot(bytes)
    requireVersion(next.version, meta, 'snapshot.json')
    for (const [name, before] of this.#snapshot?.meta ?? []) {
      const after = next.meta.get(name)
      if (!after || after.version < before.version)
        throw rollback('snapshot.json', `${name} ${before.version}`, after ? `${name} ${after.version}` : `no ${name}`)
    }
    requireFresh(next.expires, this.now, 'snapshot.json')
    this.#snapshot = next
  }

  #readSnapshot(bytes: Uint8Array): ForeignSnapshot {
    const file = openForeign(bytes, 'snapshot', tufBytesMax.snapshot, 'snapshot.json')
    requireSigned(this.#root.roles.snapshot, file, 'snapshot.json')
    return readForeignSnapshot(file, 'snapshot.json')
  }

  /** What the snapshot says of a role. Refused METADATA_MALFORMED where it does not list it: then nothing is to be fetched. */
  metaOf(role: string): ForeignMeta {
    const meta = this.snapshot.meta.get(`${role}.json`)
    if (!meta)
      throw new Refused('METADATA_MALFORMED', { message: `The snapshot does not list ${role}.json.`, where: role })
    return meta
  }

  /** A role that is verified already, for another delegator too (§5.6.3): its signatures are checked against this one. */
  cachedTargets(role: string, by: Delegator): ForeignTargets | undefined {
    const file = this.#opened.get(role)
    if (!file) return undefined
    requireSigned(by.role, file, role)
    return readForeignTargets(file, role)
  }

  /** The targets of a role (§5.6). */
  updateTargets(role: string, by: Delegator, bytes: Uint8Array): ForeignTargets {
    const meta = this.metaOf(role)
    requireListed(bytes, meta, role)
    const file = openForeign(bytes, 'targets', Math.max(meta.length ?? 0, tufBytesMax.targets), role)
    requireSigned(by.role, file, role)
    const targets = readForeignTargets(file, role)
    requireVersion(targets.version, meta, role)
    requireFresh(targets.expires, this.now, role)
    this.#opened.set(role, file)
    return targets
  }
}

/** Who delegates to a role that a delegation names. */
export const delegatorOf = (delegation: ForeignDelegation, name: string): Delegator => ({ name, role: delegation })

/** What `attempt` gives, or undefined where the bytes are refused: a stored file that no longer verifies is as good as none. */
export function attempt<T>(attempted: () => T | undefined): T | undefined {
  try {
    return attempted()
  } catch (error) {
    if (error instanceof Refused) return undefined
    throw error
  }
}

function trusted<T>(file: T | undefined, where: string): T {
  if (file === undefined)
    throw new Refused('METADATA_MALFORMED', { message: `${where} is needed before what it lists.`, where })
  return file
}

function requireSigned(role: ForeignRole, file: OpenFile, where: string): void {
  const signers = signersOf(role, file.bytes, file.signatures)
  if (signers >= role.threshold) return
  const message = `${where} needs good signatures of ${role.threshold} different keys and has ${signers}.`
  throw new Refused('METADATA_SIGNATURE', { message, where })
}

function requireFresh(expires: Instant, now: Instant, where: string): void {
  if (expires > now) return
  const message = `${where} expired at ${new Date(expires).toISOString()}.`
  throw new Refused('METADATA_EXPIRED', {
    message,
    where,
    next: 'See whether the repository is kept up, and look at the clock.',
  })
}

function requireVersion(version: number, meta: ForeignMeta, where: string): void {
  if (version === meta.version) return
  const message = `${where} has version ${version}, and ${meta.version} is listed.`
  throw new Refused('METADATA_VERSION', { message, where })
}

/** Length and every digest that is listed; one of an unknown algorithm counts as wrong. */
function requireListed(bytes: Uint8Array, { length, hashes }: ForeignMeta, where: string): void {
  const isRight = (length === undefined || bytes.byteLength <= length) && [...(hashes ?? [])].every(hasDigest(bytes))
  if (!isRight) throw new Refused('METADATA_HASH', { message: `${where} is not the file that is listed.`, where })
}

const hasDigest =
  (bytes: Uint8Array) =>
  ([name, digest]: readonly [string, string]): boolean =>
    digestAlgorithms.includes(name) && createHash(name).update(bytes).digest('hex') === digest

const rollback = (where: string, before: string, offered: string): Refused =>
  new Refused('METADATA_ROLLBACK', { message: `${where} offers ${offered} where ${before} is due.`, where })

/**
 * The origin's side of the signed set (TUF 1.0.34 §6): makes the first release, the next one, and the heartbeat. Pure: keys, the
 * set before, and a time come in. Writes the strict form only: canonical bytes, exactly the role's keys, `length` and `sha256` in
 * every list. A version number is never used twice.
 */
import { assert } from '#base/assert.ts'
import { toHex, utf8 } from '#base/bytes.ts'
import { canonicalJson } from '#base/canonical-json.ts'
import { sha256 } from '#base/digest.ts'
import { after, day, toDate, type Instant } from '#base/time.ts'
import { requireAcceptable } from './acceptable.ts'
import { boxKey, keyId, kidOf, sign, signingKey, tufKey, type BoxKey, type SigningKey } from './keys.ts'
import { encodeDocuments, noDocuments, readDocuments, type MeshDocuments } from './mesh-documents.ts'
import type { BundleTarget, MetadataPack } from './metadata-pack.ts'
import type { PeerId } from './peer-id.ts'
import { bundlePath, bundlesOf } from './release-targets.ts'
import { openEnvelope, readRoot, readSnapshot, readTargets, readTimestamp } from './roles.ts'

export interface RepositoryKeys {
  readonly root: readonly SigningKey[]
  readonly targets: SigningKey
  readonly bundles: SigningKey
  readonly mesh: SigningKey
  readonly snapshot: SigningKey
  readonly timestamp: SigningKey
  /** Issues memberships and tokens. */
  readonly issuer: SigningKey
  /** Opens reports. */
  readonly box: BoxKey
}

/** All keys of a fleet, each from its own seed of 32 bytes: `root`, `targets`, … `box`. */
export function repositoryKeys(seed: (role: string) => Uint8Array): RepositoryKeys {
  const key = (role: string): SigningKey => signingKey(seed(role))
  return {
    root: [key('root')],
    targets: key('targets'),
    bundles: key('bundles'),
    mesh: key('mesh'),
    snapshot: key('snapshot'),
    timestamp: key('timestamp'),
    issuer: key('issuer'),
    box: boxKey(seed('box')),
  }
}

/** How long a site may be cut off and still accept what a courier brings; the other lifetimes follow from it (trust.md §5). */
const longestOutageMs = 30 * day
const lifetimeMs = {
  timestamp: longestOutageMs,
  snapshot: longestOutageMs,
  delegated: 6 * longestOutageMs,
  targets: 12 * longestOutageMs,
  root: 24 * longestOutageMs,
}
const specVersion = '1.0.34'

export interface FirstRelease {
  readonly fleet: string
  readonly keys: RepositoryKeys
  /** The origin's own peer id: receipts are believed from it. */
  readonly origin: PeerId
  readonly now: Instant
}

/** Release 1, without a bundle. */
export function firstRelease({ fleet, keys, origin, now }: FirstRelease): MetadataPack {
  const documents = encodeDocuments({
    ...noDocuments,
    issuers: [{ kid: kidOf(keys.issuer.public), public: keys.issuer.public }],
    origin: { peers: [origin], boxes: [{ kid: kidOf(keys.box.public), public: keys.box.public }] },
  })
  const roles = new Map([
    ['targets', targetsFile(keys, 1, now)],
    ['bundles', bundlesFile(keys, 1, [], now)],
    ['mesh', meshFile(keys, 1, documents, now)],
  ])
  const snapshot = snapshotFile(keys, 1, roles, { targets: 1, bundles: 1, mesh: 1 }, now)
  return {
    roots: [rootFile(fleet, keys, now)],
    timestamp: timestampFile(keys, 1, snapshot, 1, now),
    snapshot,
    roles,
    documents,
  }
}

export interface NextRelease {
  readonly previous: MetadataPack
  readonly keys: RepositoryKeys
  readonly now: Instant
  /** All bundles of the release, instead of those before. */
  readonly bundles?: readonly BundleTarget[]
  /** What changes of who may issue, what is revoked, where reports go. */
  readonly documents?: Partial<MeshDocuments>
}

/**
 * The set that follows: only what changed gets a new version, and snapshot and timestamp with it. Misconfigured RELEASE_UNACCEPTABLE where
 * it holds more than members read; then nobody has seen it, and its version number is still free.
 */
export function nextRelease({ previous, keys, now, bundles, documents: news }: NextRelease): MetadataPack {
  const before = versionsOf(previous)
  const roles = new Map(previous.roles)
  const versions = { ...before.roles }
  let { documents } = previous
  if (bundles) {
    versions['bundles'] = (versions['bundles'] ?? 0) + 1
    roles.set('bundles', bundlesFile(keys, versions['bundles'], bundles, now))
  }
  if (news) {
    versions['mesh'] = (versions['mesh'] ?? 0) + 1
    documents = encodeDocuments({ ...readDocuments(previous.documents), ...news })
    roles.set('mesh', meshFile(keys, versions['mesh'], documents, now))
  }
  renew(roles, versions, previous, keys, now)
  const snapshot = snapshotFile(keys, before.snapshot + 1, roles, versions, now)
  const timestamp = timestampFile(keys, before.timestamp + 1, snapshot, before.snapshot + 1, now)
  const next = { roots: previous.roots, timestamp, snapshot, roles, documents }
  requireAcceptable(next)
  return next
}

/** The timestamp signed anew; and the whole set where a part of it would soon expire. */
export function heartbeat({
  previous,
  keys,
  now,
}: {
  previous: MetadataPack
  keys: RepositoryKeys
  now: Instant
}): MetadataPack {
  const before = versionsOf(previous)
  if (before.expires < after(now, longestOutageMs / 2)) return nextRelease({ previous, keys, now })
  const { snapshot } = previous
  assert(snapshot, 'a release has a snapshot')
  return { ...previous, timestamp: timestampFile(keys, before.timestamp + 1, snapshot, before.snapshot, now) }
}

/** Signs roles again that would expire within the longest outage: nobody else would notice before it is too late. */
function renew(
  roles: Map<string, Uint8Array>,
  versions: Record<string, number>,
  previous: MetadataPack,
  keys: RepositoryKeys,
  now: Instant,
): void {
  for (const name of ['targets', 'bundles', 'mesh']) {
    const bytes = roles.get(name)
    if (!bytes || bytes !== previous.roles.get(name)) continue
    if (readTargets(openEnvelope(bytes, 'targets', name), name).expires > after(now, longestOutageMs)) continue
    const version = (versions[name] ?? 0) + 1
    versions[name] = version
    if (name === 'targets') roles.set(name, targetsFile(keys, version, now))
    else if (name === 'mesh') roles.set(name, meshFile(keys, version, previous.documents, now))
    else {
      const held = readTargets(openEnvelope(bytes, 'targets', name), name)
      roles.set(
        name,
        bundlesFile(
          keys,
          version,
          bundlesOf(held, () => true),
          now,
        ),
      )
    }
  }
}

function versionsOf(pack: MetadataPack): {
  timestamp: number
  snapshot: number
  expires: Instant
  roles: Record<string, number>
} {
  assert(pack.timestamp && pack.snapshot, 'the set before is complete')
  const timestamp = readTimestamp(openEnvelope(pack.timestamp, 'timestamp', 'timestamp'), 'timestamp')
  const snapshot = readSnapshot(openEnvelope(pack.snapshot, 'snapshot', 'snapshot'), 'snapshot')
  const roles = Object.fromEntries([...snapshot.meta].map(([name, { version }]) => [name, version]))
  return { timestamp: timestamp.version, snapshot: snapshot.version, expires: snapshot.expires, roles }
}

function rootFile(fleet: string, keys: RepositoryKeys, now: Instant): Uint8Array {
  const role = (list: readonly SigningKey[]): object => ({ keyids: list.map(idOf).toSorted(), threshold: 1 })
  const everybody = [...keys.root, keys.targets, keys.snapshot, keys.timestamp]
  const bytes = file(keys.root, {
    _type: 'root',
    ...common(1, now, lifetimeMs.root),
    consistent_snapshot: true,
    keys: Object.fromEntries(everybody.map((key) => [idOf(key), tufKey(key.public)])),
    roles: {
      root: role(keys.root),
      targets: role([keys.targets]),
      snapshot: role([keys.snapshot]),
      timestamp: role([keys.timestamp]),
    },
    'x-fleet': fleet,
  })
  readRoot(openEnvelope(bytes, 'root', 'root'), 'root')
  return bytes
}

function targetsFile(keys: RepositoryKeys, version: number, now: Instant): Uint8Array {
  const delegation = (name: string, key: SigningKey, path: string): object => ({
    name,
    keyids: [idOf(key)],
    threshold: 1,
    terminating: true,
    paths: [path],
  })
  return file([keys.targets], {
    _type: 'targets',
    ...common(version, now, lifetimeMs.targets),
    targets: {},
    delegations: {
      keys: Object.fromEntries([keys.bundles, keys.mesh].map((key) => [idOf(key), tufKey(key.public)])),
      roles: [delegation('bundles', keys.bundles, 'bundles/*/*'), delegation('mesh', keys.mesh, 'mesh/*')],
    },
  })
}

function bundlesFile(
  keys: RepositoryKeys,
  version: number,
  bundles: readonly BundleTarget[],
  now: Instant,
): Uint8Array {
  const targets = bundles.map(({ name, version: bundleVersion, manifest, custom }) => [
    bundlePath(name, bundleVersion),
    {
      length: manifest.length,
      hashes: { sha256: manifest.digest },
      custom: { ...custom, name, version: bundleVersion, ...(manifest.list !== undefined && { list: manifest.list }) },
    },
  ])
  return file([keys.bundles], {
    _type: 'targets',
    ...common(version, now, lifetimeMs.delegated),
    targets: Object.fromEntries(targets),
  })
}

function meshFile(
  keys: RepositoryKeys,
  version: number,
  documents: ReadonlyMap<string, Uint8Array>,
  now: Instant,
): Uint8Array {
  const targets = [...documents].map(([path, bytes]) => [
    path,
    { length: bytes.byteLength, hashes: { sha256: sha256(bytes) } },
  ])
  return file([keys.mesh], {
    _type: 'targets',
    ...common(version, now, lifetimeMs.delegated),
    targets: Object.fromEntries(targets),
  })
}

function snapshotFile(
  keys: RepositoryKeys,
  version: number,
  roles: ReadonlyMap<string, Uint8Array>,
  versions: Readonly<Record<string, number>>,
  now: Instant,
): Uint8Array {
  const meta = [...roles].map(([name, bytes]) => [`${name}.json`, fileMeta(bytes, versions[name] ?? 0)])
  return file([keys.snapshot], {
    _type: 'snapshot',
    ...common(version, now, lifetimeMs.snapshot),
    meta: Object.fromEntries(meta),
  })
}

function timestampFile(
  keys: RepositoryKeys,
  version: number,
  snapshot: Uint8Array,
  snapshotVersion: number,
  now: Instant,
): Uint8Array {
  return file([keys.timestamp], {
    _type: 'timestamp',
    ...common(version, now, lifetimeMs.timestamp),
    meta: { 'snapshot.json': fileMeta(snapshot, snapshotVersion) },
    'x-issued': toDate(now),
  })
}

const fileMeta = (bytes: Uint8Array, version: number): object => ({
  version,
  length: bytes.byteLength,
  hashes: { sha256: sha256(bytes) },
})

const common = (version: number, now: Instant, lifetime: number): object => ({
  spec_version: specVersion,
  version,
  expires: toDate(after(now, lifetime)),
})

const idOf = (key: SigningKey): string => keyId(tufKey(key.public))

/** The one spelling of a signed file. */
function file(keys: readonly SigningKey[], signed: object): Uint8Array {
  const bytes = utf8(canonicalJson(signed))
  const signatures = keys
    .map((key) => ({ keyid: idOf(key), sig: toHex(sign(key, bytes)) }))
    .toSorted((a, b) => (a.keyid < b.keyid ? -1 : 1))
  return utf8(canonicalJson({ signatures, signed }))
}

/**
 * `rollback`: older content of a bundle under the next version number, from what the origin still holds. The very same manifest is signed
 * again, so a device that still has the chunks fetches nothing. Numbers never go back: the protection against rollback stays whole
 * (decisions/0008).
 */
import { Negative } from '#base/errors.ts'
import { own } from '#base/guard.ts'
import { instant, toTimestamp } from '#base/time.ts'
import { contentRefOf } from '#content/content-ref.ts'
import type { Manifest } from '#content/manifest.ts'
import type { BundleRecord, PublishedVersion } from '#origin/bundle-history.ts'
import { againTarget, releaseWith } from '#origin/release.ts'
import { realTime } from './clock.ts'
import { bundleUnknown, historyOf, keepRecord, wholeManifest } from './published.ts'
import type { Session } from './session.ts'

export interface RollbackDocument {
  readonly release: number
  readonly name: string
  /** The new version; the one in force where nothing changed. */
  readonly version: number
  /** Whose contents it has. */
  readonly from: number
  readonly files: number
  readonly bytes: number
  readonly urgent: boolean
  /** False where the version in force has these contents already. */
  readonly changed: boolean
}

export interface VersionsDocument {
  readonly release: number
  readonly name: string
  /** In force; null where the bundle is withdrawn. */
  readonly version: number | null
  readonly withdrawn: string | null
  /** The newest first. */
  readonly versions: readonly {
    readonly version: number
    /** Null where that is not known. */
    readonly published: string | null
    /** Null where its manifest is gone. */
    readonly files: number | null
    readonly bytes: number | null
    /** The version whose contents it has again. */
    readonly from: number | null
    readonly urgent: boolean
    /** All of it is here, so it can be rolled back to. */
    readonly complete: boolean
  }[]
}

/** Versions of a bundle that this origin keeps. Negative `BUNDLE_UNKNOWN`; Misconfigured `NOT_ORIGIN` elsewhere. */
export async function versions(session: Session, args: Readonly<Record<string, unknown>>): Promise<VersionsDocument> {
  const record = recordOf(session, String(own(args, 'name')))
  const { set } = session.member.protocol.self
  const rows = record.versions.map(async ({ version, manifest, custom, at, from }) => {
    const whole = await wholeManifest(session.store, contentRefOf(manifest, record.name))
    return {
      version,
      published: at === undefined ? null : toTimestamp(instant(at)),
      files: whole?.files.length ?? null,
      bytes: whole ? bytesOf(whole) : null,
      from: from ?? null,
      urgent: own(custom, 'urgent') === true,
      complete: whole !== undefined,
    }
  })
  const { withdrawnAt } = record
  return {
    release: set.release,
    name: record.name,
    version: set.bundles().find(({ name }) => name === record.name)?.version ?? null,
    withdrawn: withdrawnAt === undefined ? null : toTimestamp(instant(withdrawnAt)),
    versions: await Promise.all(rows),
  }
}

/**
 * Negative `BUNDLE_UNKNOWN` for a bundle that was never published here, `VERSION_UNKNOWN` for a version that is not kept or not whole any
 * more; nothing is published then. Misconfigured `NOT_ORIGIN` elsewhere.
 */
export async function rollback(session: Session, args: Readonly<Record<string, unknown>>): Promise<RollbackDocument> {
  const { repository } = session.originPart()
  const [name, to, urgent] = [String(own(args, 'name')), Number(own(args, 'to')), own(args, 'urgent') === true]
  return session.exclusively(async () => {
    const record = recordOf(session, name)
    const { set } = session.member.protocol.self
    const older = record.versions.find(({ version }) => version === to)
    const manifest = older && (await wholeManifest(session.store, contentRefOf(older.manifest, name)))
    if (!older || !manifest) throw await versionUnknown(session, record, to)
    const inForce = set.bundles().find((bundle) => bundle.name === name)
    const answer = { name, from: to, files: manifest.files.length, bytes: bytesOf(manifest) }
    const isSame = inForce?.manifest.digest === older.manifest.digest
    const isUrgent = inForce !== undefined && own(inForce.custom, 'urgent') === true
    if (isSame && (isUrgent || !urgent))
      return { ...answer, release: set.release, version: inForce.version, urgent: isUrgent, changed: false }
    const version = historyOf(session).nextVersion(name)
    const target = againTarget({ name, version, older, urgent })
    const pack = releaseWith(set.state(), set.bundles(), [target], repository, realTime())
    if (pack) {
      session.feed({ type: 'added', refs: [...manifest.contents, contentRefOf(older.manifest, name)] })
      session.feed({ type: 'metadata', pack })
      await session.written()
    }
    await keepRecord(session, historyOf(session).published(name, { ...target, at: realTime(), from: to }))
    return { ...answer, release: set.release, version, urgent, changed: true }
  })
}

function recordOf(session: Session, name: string): BundleRecord {
  const history = historyOf(session)
  const record = history.record(name)
  if (record) return record
  throw bundleUnknown(name, 'the history of this origin', history.names())
}

const bytesOf = ({ files }: Manifest): number => files.reduce((sum, file) => sum + file.length, 0)

async function versionUnknown(session: Session, { name, versions: kept }: BundleRecord, to: number): Promise<Negative> {
  const isWhole = ({ manifest }: PublishedVersion): Promise<Manifest | undefined> =>
    wholeManifest(session.store, contentRefOf(manifest, name))
  const whole: number[] = []
  for (const one of kept) if (await isWhole(one)) whole.push(one.version)
  return new Negative('VERSION_UNKNOWN', {
    message: `The contents of ${name} version ${to} are not here${whole.length > 0 ? `; here are those of ${whole.join(', ')}` : ''}.`,
    next: `See grapevine rollback ${name} --list, or publish the older policy folder again.`,
  })
}

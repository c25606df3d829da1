/**
 * From policy folders to a signed release: checked, packed, cut, stored, bound into new metadata. All folders or none: a faulty one
 * stops the whole before anything is signed. What is stored by then is harmless: nothing names it.
 */
import { Misconfigured } from '#base/errors.ts'
import { own } from '#base/guard.ts'
import { encodeManifest, manifestBytesMax, parseManifest, type Manifest } from '#content/manifest.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { packTree } from '#disk/tree.ts'
import { againTarget, bundleTarget, isSameBundle, releaseWith } from '#origin/release.ts'
import type { Problem } from '#policy/problem.ts'
import type { BundleTarget } from '#trust/metadata-pack.ts'
import { checkFolders, conflictsWith, type CheckedFolder } from './check.ts'
import { realTime } from './clock.ts'
import { historyOf, keepRecord } from './published.ts'
import { publishedPolicies } from './published-policy.ts'
import type { Session } from './session.ts'

export interface PublishDocument {
  readonly release: number
  readonly bundles: readonly {
    readonly name: string
    readonly version: number
    readonly files: number
    /** Of its files; as are the new ones, lists and the manifest not counted. */
    readonly bytes: number
    /** Bytes that no earlier bundle held. */
    readonly newBytes: number
    readonly urgent: boolean
    readonly changed: boolean
  }[]
  readonly problems: readonly Problem[]
}

interface Packed {
  readonly manifest: Manifest
  readonly version: number
  readonly urgent: boolean
  readonly newBytes: number
  /** Undefined where the same bundle is published already. */
  readonly target: BundleTarget | undefined
  readonly refs: readonly ContentRef[]
}

export async function publish(
  session: Session,
  args: Readonly<Record<string, unknown>>,
  progress: (news: unknown) => void,
): Promise<PublishDocument> {
  const { repository } = session.originPart()
  const { set } = session.member.protocol.self
  const urgent = own(args, 'urgent') === true
  const dirs = (own(args, 'dirs') ?? []) as string[]
  const checked = await checkFolders(dirs, (dir) => progress(`checking ${dir}`))
  const problems = [
    ...checked.flatMap((folder) => folder.problems),
    ...conflictsWith(
      await publishedPolicies(session, new Set(checked.flatMap(({ policy }) => policy?.name ?? []))),
      checked,
    ),
  ]
  if (problems.length > 0) return { release: set.release, bundles: [], problems }
  refuseTwins(checked)
  return session.exclusively(async () => {
    const packed: Packed[] = []
    for (const folder of checked) {
      progress(`packing ${folder.dir}`)
      packed.push(await packFolder(session, folder, urgent))
    }
    const changed = packed.flatMap(({ target }) => target ?? [])
    const pack = releaseWith(set.state(), set.bundles(), changed, repository, realTime())
    if (pack) {
      session.feed({ type: 'added', refs: packed.flatMap(({ refs }) => refs) })
      session.feed({ type: 'metadata', pack })
      await session.written()
      for (const target of changed)
        await keepRecord(session, historyOf(session).published(target.name, { ...target, at: realTime() }))
    }
    return {
      release: set.release,
      problems: [],
      bundles: packed.map(({ manifest, version, newBytes, target, urgent: isUrgent }) => ({
        name: manifest.name,
        version,
        files: manifest.files.length,
        bytes: manifest.files.reduce((sum, file) => sum + file.length, 0),
        newBytes: target ? newBytes : 0,
        urgent: isUrgent,
        changed: target !== undefined,
      })),
    }
  })
}

async function packFolder(session: Session, { dir, tree, policy }: CheckedFolder, urgent: boolean): Promise<Packed> {
  const { store } = session
  const name = policy?.name ?? ''
  const published = session.member.protocol.self.set.bundles().find((bundle) => bundle.name === name)
  const before = published && (await store.readWhole(published.manifest.digest, manifestBytesMax))
  const previous = before && parseManifest(before)
  const version = historyOf(session).nextVersion(name)
  const { manifest, newBytes } = await packTree(dir, tree, store, { name, version })
  if (published && previous && isSameBundle(previous, manifest)) {
    const isUrgent = own(published.custom, 'urgent') === true
    // Devices look at a bundle anew by its version alone, so what has only become urgent gets a new one, of the same contents.
    const target = urgent && !isUrgent ? againTarget({ name, version, older: published, urgent }) : undefined
    const stays = target ? version : published.version
    return { manifest: previous, version: stays, urgent: urgent || isUrgent, newBytes: 0, target, refs: [] }
  }
  const manifestRef = await store.add([encodeManifest(manifest)])
  const bytes = manifest.files.reduce((sum, file) => sum + file.length, 0)
  const target = policy && bundleTarget({ policy, manifest, manifestRef, bytes, urgent })
  return { manifest, version, urgent, newBytes, target, refs: [...manifest.contents, manifestRef] }
}

function refuseTwins(checked: readonly CheckedFolder[]): void {
  const seen = new Map<string, string>()
  for (const { dir, policy } of checked) {
    const twin = policy && seen.get(policy.name)
    if (policy && twin !== undefined)
      throw new Misconfigured('PUBLISH_TWINS', {
        message: `Two folders hold a policy called "${policy.name}": ${twin} and this one.`,
        where: dir,
        next: 'Give one of them another name.',
      })
    if (policy) seen.set(policy.name, dir)
  }
}

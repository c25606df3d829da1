/** The policies of the newest release as they were published, read from the store: what a new one is held against at the origin. */
import { textOf } from '#base/bytes.ts'
import type { Digest } from '#base/digest.ts'
import { packBytesMax } from '#content/bundle.ts'
import { contentRefOf } from '#content/content-ref.ts'
import type { Manifest } from '#content/manifest.ts'
import type { FileStore } from '#disk/file-store.ts'
import type { PlacedPolicy } from '#policy/across.ts'
import { parsePolicy } from '#policy/parse.ts'
import { policyFile } from '#policy/problem.ts'
import { wholeManifest } from './published.ts'
import type { Session } from './session.ts'

/** Texts that a policy can name; larger files have none, as at `check`. */
const textBytesMax = 1_048_576

/** All but those of these names. What is not here in whole, or was made by a newer program, is left out. */
export async function publishedPolicies(session: Session, without: ReadonlySet<string>): Promise<PlacedPolicy[]> {
  const found: PlacedPolicy[] = []
  for (const { name, version, manifest } of session.member.protocol.self.set.bundles()) {
    if (without.has(name)) continue
    const whole = await wholeManifest(session.store, contentRefOf(manifest, name))
    const texts = whole && (await textsOf(session.store, whole))
    const text = texts?.get(policyFile)
    if (!texts || text === undefined) continue
    const sizes = new Map(whole?.files.map((file) => [file.path, file.length]))
    const { policy } = parsePolicy(text, { has: (path) => sizes.get(path), text: (path) => texts.get(path) })
    if (policy) found.push({ where: `${name} version ${version}: ${policyFile}`, text, policy })
  }
  return found
}

/** The small texts of a bundle by their path; each content is read once. */
async function textsOf(store: FileStore, { contents, files }: Manifest): Promise<Map<string, string>> {
  const read = new Map<Digest, Uint8Array | undefined>()
  const texts = new Map<string, string>()
  for (const { path, length, content, offset } of files) {
    const ref = contents[content]
    if (!ref || length > textBytesMax || path.startsWith('packages/')) continue
    if (!read.has(ref.digest)) read.set(ref.digest, await store.readWhole(ref.digest, packBytesMax))
    const text = textOf(read.get(ref.digest)?.subarray(offset, offset + length) ?? new Uint8Array())
    if (text !== undefined) texts.set(path, text)
  }
  return texts
}

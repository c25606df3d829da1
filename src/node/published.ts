/** The history of bundles as an origin keeps it in its index: one note a bundle, written after the release that it tells of. */
import { Negative } from '#base/errors.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { manifestBytesMax, parseManifest, type Manifest } from '#content/manifest.ts'
import type { FileStore } from '#disk/file-store.ts'
import type { Home } from '#disk/home.ts'
import { BundleHistory, type BundleRecord } from '#origin/bundle-history.ts'
import { suggest } from '#policy/suggestion.ts'
import { realTime } from './clock.ts'
import type { Session } from './session.ts'

const keyOf = (name: string): string => `published/${name}`

export async function loadHistory(home: Home, versionsMax: number): Promise<BundleHistory> {
  const entries: unknown[] = []
  for await (const entry of home.index.notes(keyOf(''))) entries.push(entry)
  return new BundleHistory(versionsMax, entries)
}

/** The history with the newest release taken up. Misconfigured `NOT_ORIGIN` elsewhere. */
export function historyOf(session: Session): BundleHistory {
  const { history } = session.originPart()
  history.follow(session.member.protocol.self.set.bundles(), realTime())
  return history
}

export async function keepRecord(session: Session, record: BundleRecord | undefined): Promise<void> {
  if (record) await session.home.index.putNote(keyOf(record.name), record)
}

/** What a manifest says, where it and all that it names are here in whole; undefined where something is missing. */
export async function wholeManifest(store: FileStore, manifest: ContentRef): Promise<Manifest | undefined> {
  if (!isHere(store, manifest)) return undefined
  const bytes = await store.readWhole(manifest.digest, manifestBytesMax)
  const parsed = bytes && parseManifest(bytes)
  return parsed?.contents.every((content) => isHere(store, content)) ? parsed : undefined
}

const isHere = (store: FileStore, { digest, list }: ContentRef): boolean =>
  store.holding(digest)?.complete === true && (!list || isHere(store, list))

/** Negative: there is no such bundle among these. */
export const bundleUnknown = (name: string, where: string, known: readonly string[]): Negative =>
  new Negative('BUNDLE_UNKNOWN', {
    message: `No bundle called "${name}" is in ${where}.`,
    next: known.length === 0 ? 'It holds none.' : suggest(name, known),
  })

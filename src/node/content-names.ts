/** What people call a content: its bundle, and the file or files in it. Known of the bundles of the newest release, as far as their manifests are here. */
import type { Digest } from '#base/digest.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { manifestBytesMax, parseManifest, type Manifest } from '#content/manifest.ts'

export interface ContentName {
  readonly bundle: string
  readonly version: number
  readonly what: 'manifest' | 'list' | 'file' | 'pack'
  /** Of a file or its list: its path; of a pack the first one. */
  readonly path: string | null
  /** Files in it: more than one only in a pack. */
  readonly files: number
}

/** The part of a signed bundle that this reads. */
interface Named {
  readonly name: string
  readonly version: number
  readonly manifest: ContentRef
}

export class ContentNames {
  readonly #readWhole: (content: Digest, bytesMax: number) => Promise<Uint8Array | undefined>
  /** By manifest, of the newest release: a manifest never changes. */
  #read = new Map<Digest, ReadonlyMap<Digest, ContentName>>()

  constructor(readWhole: (content: Digest, bytesMax: number) => Promise<Uint8Array | undefined>) {
    this.#readWhole = readWhole
  }

  /** The names of all contents of these bundles. */
  async of(bundles: readonly Named[]): Promise<Map<Digest, ContentName>> {
    const names = new Map<Digest, ContentName>()
    const read = new Map<Digest, ReadonlyMap<Digest, ContentName>>()
    for (const bundle of bundles) {
      const { digest } = bundle.manifest
      const own = { bundle: bundle.name, version: bundle.version, path: null, files: 0 }
      nameRef(names, bundle.manifest, { ...own, what: 'manifest' })
      const known = this.#read.get(digest) ?? (await this.#named(bundle))
      if (!known) continue
      read.set(digest, known)
      for (const [content, name] of known) names.set(content, name)
    }
    this.#read = read
    return names
  }

  async #named({ manifest }: Named): Promise<ReadonlyMap<Digest, ContentName> | undefined> {
    const bytes = await this.#readWhole(manifest.digest, manifestBytesMax)
    return bytes && namesIn(parseManifest(bytes))
  }
}

function namesIn({ name, version, contents, files }: Manifest): Map<Digest, ContentName> {
  const paths: string[][] = contents.map(() => [])
  for (const file of files) paths[file.content]?.push(file.path)
  const names = new Map<Digest, ContentName>()
  for (const [index, ref] of contents.entries()) {
    const held = paths[index] ?? []
    const what = held.length === 1 ? 'file' : 'pack'
    nameRef(names, ref, { bundle: name, version, what, path: held[0] ?? null, files: held.length })
  }
  return names
}

/** A content and the lists below it. */
function nameRef(names: Map<Digest, ContentName>, { digest, list }: ContentRef, name: ContentName): void {
  names.set(digest, name)
  if (list) nameRef(names, list, { ...name, what: 'list' })
}

/** `web 3: packages/data.bin`, `web 3: 200 files, files/a …`, `web 3: manifest`. */
export function nameText({ bundle, version, what, path, files }: ContentName): string {
  const file = files > 1 ? `${files} files, ${path} …` : (path ?? 'manifest')
  return `${bundle} ${version}: ${what === 'list' ? `list of ${file}` : file}`
}

/**
 * How the files of a bundle become contents, and those a manifest. Small files are packed together, in the order of their paths, so
 * that 200 files of 4 KiB are not 200 round trips (protocol.md §4); each larger one is a content of its own, so that two bundles with
 * the same package fetch it once. Never looks at bytes.
 */
import { sha256, type Digest } from '#base/digest.ts'
import type { ContentRef } from './content-ref.ts'
import type { Manifest, ManifestFile } from './manifest.ts'
import { comparePaths } from './manifest-path.ts'

/** 64 KiB: from here on a file stands alone. */
export const packedFileBytesMax = 65_536
/** 4 MiB: a pack is fetched and unpacked as a whole, and a change in one of its files makes it another content. */
export const packBytesMax = 4_194_304

/** One content with the files that it consists of, whose bytes follow each other without gaps. */
export interface PackedContent {
  readonly ref: ContentRef
  readonly files: readonly PackedFile[]
}

export interface PackedFile {
  readonly path: string
  /** 0o644 or 0o755. */
  readonly mode: number
  readonly length: number
  readonly digest: Digest
}

/** Which files go together into one content each. Empty files are in none. */
export function planBundle<File extends { readonly path: string; readonly size: number }>(
  files: readonly File[],
): File[][] {
  const contents: File[][] = []
  let pack: File[] = []
  let packed = 0
  for (const file of files.toSorted((a, b) => comparePaths(a.path, b.path))) {
    if (file.size === 0) continue
    if (file.size >= packedFileBytesMax) {
      contents.push([file])
      continue
    }
    if (pack.length === 0 || packed + file.size > packBytesMax) {
      pack = []
      packed = 0
      contents.push(pack)
    }
    pack.push(file)
    packed += file.size
  }
  return contents
}

export interface BundleParts {
  readonly name: string
  readonly version: number
  readonly contents: readonly PackedContent[]
  readonly empty: readonly Pick<PackedFile, 'path' | 'mode'>[]
}

/** The manifest of contents that were stored. Equal contents are named once. */
export function bundleManifest({ name, version, contents, empty }: BundleParts): Manifest {
  const refs = new Map<Digest, ContentRef>()
  for (const { ref } of contents) refs.set(ref.digest, refs.get(ref.digest) ?? ref)
  const indexes = new Map([...refs.keys()].map((digest, index) => [digest, index]))
  const emptyDigest = sha256(new Uint8Array())
  const files: ManifestFile[] = empty.map(({ path, mode }) => ({
    path,
    mode,
    length: 0,
    digest: emptyDigest,
    content: -1,
    offset: 0,
  }))
  for (const { ref, files: packed } of contents) {
    let offset = 0
    for (const { path, mode, length, digest } of packed) {
      files.push({ path, mode, length, digest, content: indexes.get(ref.digest) ?? -1, offset })
      offset += length
    }
  }
  return { name, version, contents: [...refs.values()], files: files.sort((a, b) => comparePaths(a.path, b.path)) }
}

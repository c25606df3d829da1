/**
 * A bundle as files and contents. The manifest is canonical JSON, a content of its own, bound by the signed target
 * `bundles/<name>/<version>.json`:
 *
 *   { "v": 1, "name": N, "version": V,
 *     "contents": [ { "digest", "length", "list"? } … ],
 *     "files":    [ { "path", "mode", "length", "digest", "content", "offset" } … ] }
 *
 * A manifest is valid if and only if: paths are relative, in byte order, unique, without empty, `.` or `..` segments, without
 * backslash or control characters, at most 1,024 bytes and 32 segments; no path is a folder of another; mode is 420 (0644) or
 * 493 (0755); `content` is an index into `contents`, and offset + length lies within it (an empty file has content -1,
 * offset 0). Small files share a content (a pack), each larger file is a content of its own, at offset 0 and of equal length.
 */
import type { Digest } from '#base/digest.ts'
import type { ContentRef } from './content-ref.ts'

export interface ManifestFile {
  readonly path: string
  /** 0o644 or 0o755. */
  readonly mode: number
  readonly length: number
  readonly digest: Digest
  /** Index into `contents`; -1 for an empty file. */
  readonly content: number
  readonly offset: number
}

export interface Manifest {
  readonly name: string
  readonly version: number
  readonly contents: readonly ContentRef[]
  readonly files: readonly ManifestFile[]
}

/**
 * A bundle as files and contents. The manifest is canonical JSON, a content of its own, bound by the signed target
 * `bundles/<name>/<version>.json`:
 *
 *   { "v": 1, "name": N, "version": V,
 *     "contents": [ { "digest", "length", "list"? } … ],
 *     "files":    [ { "path", "mode", "length", "digest", "content", "offset" } … ] }
 *
 * A manifest is valid if and only if: it is spelled as `encodeManifest` spells it, within the limits below; paths are relative, in
 * byte order, unique, without empty, `.` or `..` segments, without backslash or control characters, in Unicode normal form C, at most
 * 1,024 bytes and 32 segments (written form: `manifest-path.ts`); no path is a folder of another; mode is 420 (0644) or 493 (0755);
 * no content is named twice; `content` is an index into `contents`, and offset + length lies within it (an empty file has content -1,
 * offset 0). Small files share a content (a pack), each larger file is a content of its own, at offset 0 and of equal length.
 */
import { textOf, utf8 } from '#base/bytes.ts'
import { canonicalJson, NotCanonical } from '#base/canonical-json.ts'
import { isDigest, sha256, type Digest } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import { fieldsAt, GuardFailed, listAt, own, textAt, wholeAt, type Fields } from '#base/guard.ts'
import { contentRefOf, type ContentRef } from './content-ref.ts'
import { comparePaths, decodePath, encodePath, pathBytesMax, pathFault } from './manifest-path.ts'

export interface ManifestFile {
  /** As on disk: NFC Unicode, not percent-encoded. */
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

/** 4 MiB: a manifest is held in memory whole, as bytes, text and objects. */
export const manifestBytesMax = 4_194_304
export const manifestFilesMax = 10_000
/** Equals what a neighbour may subscribe to at once (`protocol/params.ts`). */
export const manifestContentsMax = 4_096

const emptyDigest = sha256(new Uint8Array())
/** Letters of a written path: three for each byte at worst. */
const writtenPathMax = 3 * pathBytesMax

/** The one spelling of a manifest. It may be longer than `manifestBytesMax`: then nobody accepts it. */
export function encodeManifest({ name, version, contents, files }: Manifest): Uint8Array {
  const written = files.map((file) => ({ ...file, path: encodePath(file.path) }))
  return utf8(canonicalJson({ v: 1, name, version, contents, files: written }))
}

/** Refused `MANIFEST_INVALID` for anything but the valid spelling of a valid manifest. */
export function parseManifest(bytes: Uint8Array): Manifest {
  try {
    const manifest = manifestAt(bytes)
    const isOneSpelling = Buffer.compare(encodeManifest(manifest), bytes) === 0
    if (!isOneSpelling) throw new GuardFailed('manifest', 'canonical JSON and no other members')
    return manifest
  } catch (error) {
    if (!(error instanceof GuardFailed || error instanceof NotCanonical)) throw error
    throw new Refused('MANIFEST_INVALID', {
      message: `The manifest of a bundle is not valid: ${error.message}.`,
      ...(error instanceof GuardFailed && { where: error.path }),
      next: 'Have the bundle published again: nothing of it was kept.',
      cause: error,
    })
  }
}

function manifestAt(bytes: Uint8Array): Manifest {
  const fields = fieldsAt(parseJson(bytes), 'manifest')
  wholeAt(own(fields, 'v'), 'v', 1, 1)
  const name = textAt(own(fields, 'name'), 'name', 64, /^[a-z0-9][a-z0-9._-]*$/)
  const version = wholeAt(own(fields, 'version'), 'version', 1)
  const contents = listAt(own(fields, 'contents'), 'contents', manifestContentsMax).map((item, index) =>
    contentRefOf(item, `contents[${index}]`),
  )
  if (new Set(contents.map((ref) => ref.digest)).size !== contents.length)
    throw new GuardFailed('contents', 'each content once')
  const files = listAt(own(fields, 'files'), 'files', manifestFilesMax).map((item, index) =>
    fileAt(fieldsAt(item, `files[${index}]`), `files[${index}]`, contents),
  )
  orderAt(files)
  return { name, version, contents, files }
}

function parseJson(bytes: Uint8Array): unknown {
  const text = bytes.byteLength > manifestBytesMax ? undefined : textOf(bytes)
  if (text === undefined) throw new GuardFailed('manifest', `JSON of at most ${manifestBytesMax} bytes`)
  try {
    return JSON.parse(text)
  } catch {
    throw new GuardFailed('manifest', 'JSON')
  }
}

function fileAt(fields: Fields, at: string, contents: readonly ContentRef[]): ManifestFile {
  const path = decodePath(textAt(own(fields, 'path'), `${at}.path`, writtenPathMax))
  const fault = path === undefined ? 'it is not percent-encoded UTF-8' : pathFault(path)
  if (path === undefined || fault !== undefined) throw new GuardFailed(`${at}.path`, `a path in a bundle, but ${fault}`)
  const mode = wholeAt(own(fields, 'mode'), `${at}.mode`, 0o644, 0o755)
  if (mode !== 0o644 && mode !== 0o755) throw new GuardFailed(`${at}.mode`, '420 (0644) or 493 (0755)')
  const length = wholeAt(own(fields, 'length'), `${at}.length`, 0)
  const digest = own(fields, 'digest')
  if (!isDigest(digest) || (length === 0 && digest !== emptyDigest))
    throw new GuardFailed(`${at}.digest`, 'the SHA-256 digest of the file in lower-case hex')
  const content = wholeAt(own(fields, 'content'), `${at}.content`, -1, contents.length - 1)
  const ref = contents[content]
  if ((length === 0) !== (ref === undefined))
    throw new GuardFailed(`${at}.content`, '-1 for an empty file and no other')
  const offset = wholeAt(own(fields, 'offset'), `${at}.offset`, 0, ref ? ref.length - length : 0)
  if (ref && length === ref.length && digest !== ref.digest)
    throw new GuardFailed(`${at}.digest`, 'the digest of its content, which it fills')
  return { path, mode, length, digest, content, offset }
}

/** Byte order, each path once, and none the folder of another. */
function orderAt(files: readonly ManifestFile[]): void {
  const paths = new Set(files.map((file) => file.path))
  let previous: string | undefined
  for (const [index, { path }] of files.entries()) {
    if (previous !== undefined && comparePaths(previous, path) >= 0)
      throw new GuardFailed(`files[${index}].path`, 'paths in byte order, each once')
    for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1))
      if (paths.has(path.slice(0, end)))
        throw new GuardFailed(`files[${index}].path`, 'no file to be a folder of another')
    previous = path
  }
}

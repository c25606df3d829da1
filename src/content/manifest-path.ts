/**
 * Paths of files in a bundle: relative, `/` between segments, the same on every machine. A path that could leave its folder or that
 * looks like another one never gets through here.
 *
 * Written form, in manifests: NFC Unicode as UTF-8, with `%` and every byte outside printable ASCII as `%XX` (upper-case hex), since
 * canonical JSON is ASCII. Each path has exactly one written form.
 */
import { textOf, utf8 } from '#base/bytes.ts'

/** UTF-8 bytes of a path, and its segments. Linux allows 4,096 and 255 a segment; the folder of the home needs some of that. */
export const pathBytesMax = 1_024
const pathSegmentsMax = 32
const segmentBytesMax = 255

/** What is wrong with a path, as the end of a sentence ("it is absolute"); undefined for a good one. */
export function pathFault(path: string): string | undefined {
  if (path === '') return 'it is empty'
  if (path.startsWith('/')) return 'it is absolute'
  if (!path.isWellFormed()) return 'it is not valid Unicode'
  if (/[\p{Cc}\\]/u.test(path)) return 'it holds a backslash or a control character'
  if (path.normalize('NFC') !== path) return 'it is not in Unicode normal form C'
  const segments = path.split('/')
  if (segments.includes('')) return 'it has an empty segment'
  if (segments.includes('.') || segments.includes('..')) return 'it has a segment "." or ".."'
  if (segments.length > pathSegmentsMax) return `it is more than ${pathSegmentsMax} folders deep`
  if (segments.some((segment) => utf8(segment).byteLength > segmentBytesMax)) return 'a name in it is too long'
  if (utf8(path).byteLength > pathBytesMax) return `it is longer than ${pathBytesMax} bytes`
  return undefined
}

/** Byte order of UTF-8, which is the order of manifests: negative, 0 or positive. */
export function comparePaths(a: string, b: string): number {
  return Buffer.compare(utf8(a), utf8(b))
}

export function encodePath(path: string): string {
  return [...utf8(path)]
    .map((byte) =>
      byte < 0x20 || byte > 0x7e || byte === 0x25
        ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
        : String.fromCharCode(byte),
    )
    .join('')
}

/** The path behind its written form; undefined where it is no such form, or not its only one. */
export function decodePath(written: string): string | undefined {
  if (!/^(?:[\x20-\x24\x26-\x7e]|%[0-9A-F]{2})*$/.test(written)) return undefined
  const bytes = written.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  const path = textOf(Uint8Array.from(bytes, (letter) => letter.charCodeAt(0)))
  return path !== undefined && encodePath(path) === written ? path : undefined
}

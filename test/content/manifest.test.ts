import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { textOf, utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import {
  encodeManifest,
  manifestBytesMax,
  manifestContentsMax,
  manifestFilesMax,
  parseManifest,
  type Manifest,
  type ManifestFile,
} from '#content/manifest.ts'

const ref = (label: string, length: number) => ({ digest: sha256(utf8(label)), length })
const file = (path: string, rest: Partial<ManifestFile> = {}): ManifestFile => ({
  path,
  mode: 0o644,
  length: 10,
  digest: sha256(utf8(path)),
  content: 0,
  offset: 0,
  ...rest,
})
const manifest = (files: readonly ManifestFile[], rest: Partial<Manifest> = {}): Manifest => ({
  name: 'web-baseline',
  version: 3,
  contents: [ref('pack', 1_000)],
  files,
  ...rest,
})
const empty = { length: 0, digest: sha256(new Uint8Array()), content: -1, offset: 0 }

/** `valid`, or the code under which the bytes are refused; whatever else is thrown is thrown on. */
function verdictOf(bytes: Uint8Array): string {
  try {
    parseManifest(bytes)
    return 'valid'
  } catch (error) {
    if (error instanceof Refused) return error.code
    throw error
  }
}
const verdictOfFiles = (...files: ManifestFile[]): string => verdictOf(encodeManifest(manifest(files)))
const invalid = 'MANIFEST_INVALID'

describe('a manifest', () => {
  it('is read as it was written', () => {
    const whole = manifest(
      [
        file('files/grüße %41.txt', { mode: 0o755, offset: 990 }),
        file('files/新.txt'),
        file('files/🍇'),
        file('policy.yaml', empty),
        file('whole', { length: 1_000, digest: sha256(utf8('pack')) }),
      ],
      { contents: [ref('pack', 1_000), { ...ref('large', 100_000), list: ref('list', 72) }] },
    )
    expect(parseManifest(encodeManifest(whole))).toEqual(whole)
    expect(JSON.stringify(parseManifest(encodeManifest(whole)))).toBe(JSON.stringify(whole))
  })

  it('is ASCII, with other characters and % percent-encoded', () => {
    const text = textOf(encodeManifest(manifest([file('grüße %41')])))
    expect(text).toContain('"path":"gr%C3%BC%C3%9Fe %2541"')
  })

  it('a path that could leave its folder or that looks like another is refused', () => {
    for (const path of [
      '',
      '/etc/passwd',
      '../up',
      'a/../../up',
      'a/..',
      './a',
      'a//b',
      'a/',
      'a\\b',
      'a\nb',
      'a\0b',
      'a\u0085b',
      'u\u0308',
      `${'a/'.repeat(32)}a`,
      'x'.repeat(256),
      `${'a'.repeat(200)}/`.repeat(6) + 'b',
    ])
      expect(verdictOfFiles(file(path))).toBe(invalid)
  })

  it('a path in another spelling is refused', () => {
    const good = textOf(encodeManifest(manifest([file('é')]))) ?? ''
    expect(good).toContain('%C3%A9')
    for (const spelling of ['%c3%a9', '%C3%a9', '%C3', '%41', '%', '%2', '%G0', 'é', '\\u00e9'])
      expect(verdictOf(utf8(good.replace('%C3%A9', spelling)))).toBe(invalid)
  })

  it('paths stand in byte order, once each, and none is the folder of another', () => {
    expect(verdictOfFiles(file('b'), file('a'))).toBe(invalid)
    expect(verdictOfFiles(file('a'), file('a'))).toBe(invalid)
    expect(verdictOfFiles(file('a'), file('a/b'))).toBe(invalid)
    expect(verdictOfFiles(file('a'), file('a-b'), file('a/b/c'))).toBe(invalid)
    // By UTF-16 units the last two would stand the other way round.
    expect(parseManifest(encodeManifest(manifest([file('a.b'), file('ab'), file('\uff21'), file('🍇')])))).toBeDefined()
    expect(verdictOfFiles(file('🍇'), file('\uff21'))).toBe(invalid)
  })

  it('a file that does not lie within its content is refused', () => {
    expect(verdictOfFiles(file('a', { offset: 991 }))).toBe(invalid)
    expect(verdictOfFiles(file('a', { length: 1_001 }))).toBe(invalid)
    expect(verdictOfFiles(file('a', { content: 1 }))).toBe(invalid)
    expect(verdictOfFiles(file('a', { content: -1 }))).toBe(invalid)
    expect(verdictOfFiles(file('a', { content: -2 }))).toBe(invalid)
    expect(verdictOfFiles(file('a', { ...empty, content: 0 }))).toBe(invalid)
    expect(verdictOfFiles(file('a', { ...empty, offset: 1 }))).toBe(invalid)
    expect(verdictOfFiles(file('a', { ...empty, digest: sha256(utf8('not empty')) }))).toBe(invalid)
    expect(verdictOfFiles(file('a', { length: 1_000 }))).toBe(invalid)
  })

  it('another mode than 0644 and 0755 is refused', () => {
    for (const mode of [0o600, 0o777, 0o4755, 0o645]) expect(verdictOfFiles(file('a', { mode }))).toBe(invalid)
  })

  it('a name that is no name of a policy, a version below 1 and a content named twice are refused', () => {
    for (const name of ['', '..', 'A', 'a/b', '-a', 'a'.repeat(65)])
      expect(verdictOf(encodeManifest(manifest([], { name })))).toBe(invalid)
    for (const version of [0, -1]) expect(verdictOf(encodeManifest(manifest([], { version })))).toBe(invalid)
    expect(verdictOf(encodeManifest(manifest([], { contents: [ref('a', 1), ref('a', 1)] })))).toBe(invalid)
  })

  it('more files, contents or bytes than the limits are refused', () => {
    const files = Array.from({ length: manifestFilesMax + 1 }, (_, at) =>
      file(`f${String(at).padStart(6, '0')}`, empty),
    )
    expect(verdictOf(encodeManifest(manifest(files)))).toBe(invalid)
    expect(parseManifest(encodeManifest(manifest(files.slice(1)))).files).toHaveLength(manifestFilesMax)
    const contents = Array.from({ length: manifestContentsMax + 1 }, (_, at) => ref(String(at), 1))
    expect(verdictOf(encodeManifest(manifest([], { contents })))).toBe(invalid)
    expect(verdictOf(new Uint8Array(manifestBytesMax + 1).fill(0x20))).toBe(invalid)
    expect(verdictOf(utf8('['.repeat(manifestBytesMax)))).toBe(invalid)
  })

  it('the same manifest in another spelling is refused', () => {
    const text = textOf(encodeManifest(manifest([file('a')]))) ?? ''
    expect(parseManifest(utf8(text))).toBeDefined()
    expect(verdictOf(utf8(` ${text}`))).toBe(invalid)
    expect(verdictOf(utf8(`\ufeff${text}`))).toBe(invalid)
    expect(verdictOf(utf8(text.replace('{', '{"extra":1,')))).toBe(invalid)
    expect(verdictOf(utf8(text.replace('"version":3', '"version":3.0')))).toBe(invalid)
    expect(verdictOf(utf8(text.replace('"v":1', '"v":2')))).toBe(invalid)
    expect(verdictOf(utf8(text.replace('"name":', '"name":"x","name":')))).toBe(invalid)
    expect(verdictOf(utf8(text.slice(0, -1)))).toBe(invalid)
    expect(verdictOf(Uint8Array.of(...utf8(text), 0xff))).toBe(invalid)
  })

  it('bytes from anybody throw nothing but Refused', () => {
    const good = encodeManifest(manifest([file('a'), file('b/c', { mode: 0o755 })]))
    const judge = (bytes: Uint8Array): void => {
      expect(['valid', invalid]).toContain(verdictOf(bytes))
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), judge), { seed: 6, numRuns: 300 })
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => judge(utf8(text))),
      { seed: 7, numRuns: 300 },
    )
    const places = fc.array(fc.tuple(fc.nat(good.byteLength - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(places, (changes) => {
        const bytes = good.slice()
        for (const [at, byte] of changes) bytes[at] = byte
        judge(bytes)
      }),
      { seed: 8, numRuns: 1_000 },
    )
  })
})

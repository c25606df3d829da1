import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { bundleManifest, packBytesMax, packedFileBytesMax, planBundle } from '#content/bundle.ts'
import { encodeManifest, parseManifest } from '#content/manifest.ts'

describe('the plan of a bundle', () => {
  it('small files go together in the order of their paths, larger ones stand alone, empty ones are in none', () => {
    const files = [
      { path: 'c', size: 10 },
      { path: 'b', size: packedFileBytesMax },
      { path: 'a', size: 20 },
      { path: 'd', size: 0 },
    ]
    expect(planBundle(files).map((group) => group.map((file) => file.path))).toEqual([['a', 'c'], ['b']])
  })

  it('every file that is not empty is in one content, and no pack is larger than 4 MiB', () => {
    const file = fc.record({ path: fc.string(), size: fc.nat(100_000) })
    fc.assert(
      fc.property(fc.uniqueArray(file, { selector: ({ path }) => path, maxLength: 300 }), (files) => {
        const plan = planBundle(files)
        expect(new Set(plan.flat())).toEqual(new Set(files.filter(({ size }) => size > 0)))
        for (const group of plan) {
          const isPack = group.every(({ size }) => size < packedFileBytesMax)
          expect(isPack || group.length === 1).toBe(true)
          expect(!isPack || group.reduce((sum, { size }) => sum + size, 0) <= packBytesMax).toBe(true)
        }
      }),
      { seed: 11, numRuns: 100 },
    )
  })
})

describe('the manifest of a bundle', () => {
  it('places files in their contents, in order, and names equal contents once', () => {
    const digest = sha256(utf8('pack'))
    const packed = (path: string, length: number) => ({ path, mode: 0o644, length, digest: sha256(utf8(path)) })
    const manifest = bundleManifest({
      name: 'web',
      version: 1,
      contents: [
        { ref: { digest, length: 30 }, files: [packed('a', 10), packed('z', 20)] },
        { ref: { digest, length: 30 }, files: [packed('b', 10), packed('c', 20)] },
      ],
      empty: [{ path: 'm', mode: 0o755 }],
    })
    expect(manifest.contents).toHaveLength(1)
    expect(manifest.files.map(({ path, content, offset }) => [path, content, offset])).toEqual([
      ['a', 0, 0],
      ['b', 0, 0],
      ['c', 0, 10],
      ['m', -1, 0],
      ['z', 0, 10],
    ])
    expect(parseManifest(encodeManifest(manifest))).toEqual(manifest)
  })
})

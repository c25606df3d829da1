import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { comparePaths, decodePath, encodePath, pathFault } from '#content/manifest-path.ts'

describe('a path in a bundle', () => {
  it('has one written form, which leads back to it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (path) => {
        const written = encodePath(path)
        expect(written).toMatch(/^[\x20-\x7e]*$/)
        expect(decodePath(written)).toBe(path)
      }),
      { seed: 9, numRuns: 500 },
    )
  })

  it('a text that is no written form, or not the only one, leads nowhere', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), (text) => {
        const path = decodePath(text)
        expect(path === undefined || encodePath(path) === text).toBe(true)
      }),
      { seed: 10, numRuns: 500 },
    )
    expect(decodePath('%ED%A0%80')).toBeUndefined()
  })

  it('says what is wrong with it', () => {
    expect(pathFault('files/a b.txt')).toBeUndefined()
    expect(pathFault('..hidden/...')).toBeUndefined()
    expect(pathFault('/a')).toBe('it is absolute')
    expect(pathFault('a/../b')).toBe('it has a segment "." or ".."')
    expect(pathFault('\ud800')).toBe('it is not valid Unicode')
    expect(pathFault('u\u0308')).toBe('it is not in Unicode normal form C')
  })

  it('is ordered by its bytes', () => {
    expect(['🍇', 'b', '\uff21', 'a/b', 'a-b', 'a'].toSorted(comparePaths)).toEqual([
      'a',
      'a-b',
      'a/b',
      'b',
      '\uff21',
      '🍇',
    ])
  })
})

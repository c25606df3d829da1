import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GuardFailed } from '#base/guard.ts'
import {
  changesAt,
  changesBetween,
  columnsOf,
  packagesDigest,
  packagesMax,
  packagesOf,
  packagesText,
  withChanges,
  type PackageColumns,
} from '#facts/packages.ts'

const some = new Map([
  ['zlib1g:amd64', '1:1.2.13.dfsg-1'],
  ['adduser:all', '3.134'],
  ['kernel-default:x86_64', '5.14.21-1 5.14.21-2'],
])
const lists = fc
  .dictionary(
    fc.stringMatching(/^[a-z]{1,4}[a-z0-9+.-]{0,6}:(?:all|amd64|i386)$/),
    fc.stringMatching(/^[0-9][0-9a-z.:~+-]{0,8}$/),
    { maxKeys: 30 },
  )
  .map((fields) => packagesText(new Map(Object.entries(fields))))

describe('a list of packages', () => {
  it('has one spelling and one digest, in whatever order it was found', () => {
    const text = packagesText(some)
    expect(text).toBe('adduser:all 3.134\nkernel-default:x86_64 5.14.21-1 5.14.21-2\nzlib1g:amd64 1:1.2.13.dfsg-1\n')
    expect(packagesDigest(packagesText(new Map([...some].toReversed())))).toBe(packagesDigest(text))
    expect(packagesOf(text)).toEqual(some)
  })

  it('leaves out what is no package, and stops at its limit', () => {
    expect(
      packagesText(
        new Map([
          ['a b:all', '1'],
          ['x:all', ''],
          ['y', '1'],
          ['z:all', '-'],
          ['ok:all', '1'],
        ]),
      ),
    ).toBe('ok:all 1\n')
    const many = new Map(Array.from({ length: packagesMax + 5 }, (_, index) => [`p${index}:all`, '1']))
    expect(packagesOf(packagesText(many)).size).toBe(packagesMax)
  })
})

describe('the changes between two lists', () => {
  it('make the one of the other, over the line and back', () => {
    fc.assert(
      fc.property(lists, lists, (before, after) => {
        const columns = JSON.parse(JSON.stringify(columnsOf(changesBetween(before, after)))) as unknown
        expect(withChanges(before, changesAt(columns, 'x'))).toBe(after)
      }),
      { seed: 11, numRuns: 300 },
    )
  })

  it('name only what was added, removed or changed', () => {
    const after = new Map(some)
    after.delete('adduser:all')
    after.set('zlib1g:amd64', '2').set('nginx:amd64', '1.22')
    expect([...changesBetween(packagesText(some), packagesText(after))]).toEqual([
      ['adduser:all', undefined],
      ['nginx:amd64', '1.22'],
      ['zlib1g:amd64', '2'],
    ])
  })

  it.each<[string, Partial<Record<keyof PackageColumns, unknown>>]>([
    ['no object', { names: 5 }],
    ['fewer names than architectures', { names: '0a' }],
    ['more versions than architectures', { versions: '1\n2\n3' }],
    ['an architecture that is not listed', { arch: 'AC' }],
    ['an architecture that is no text', { archs: [{}, 'all'] }],
    ['a name that shares more than there is', { names: '0a\n9b' }],
    ['a name that shares less than nothing', { names: '/a\n0b' }],
    ['names that fall', { names: '0b\n0a' }],
    ['one name twice', { names: '0a\n0a', arch: 'AA' }],
    ['a name with a control character', { names: '0a\u0000\n0b' }],
    ['no version to repeat', { versions: '\n1' }],
    ['a version that is a removal and more', { versions: '-1\n2' }],
    ['a version beyond its length', { versions: `${'1'.repeat(300)}\n2` }],
    ['too many', { arch: 'A'.repeat(packagesMax + 1) }],
  ])('with %s are refused', (_what, bent) => {
    const good = { archs: ['amd64', 'all'], arch: 'AB', names: '0a\n0b', versions: '1\n2' }
    expect(changesAt(good, 'x').size).toBe(2)
    expect(() => changesAt({ ...good, ...bent }, 'x')).toThrow(GuardFailed)
  })
})

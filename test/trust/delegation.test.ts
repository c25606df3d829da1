import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GuardFailed } from '#base/guard.ts'
import { covers, readDelegations } from '#trust/delegation.ts'
import { keyId, tufKey } from '#trust/keys.ts'
import { keyOf } from '../support/fleet.ts'

const key = tufKey(keyOf('team').public)
const id = keyId(key)
const role = { name: 'team', keyids: [id], threshold: 1, terminating: true, paths: ['bundles/team/*'] }
const read = (...roles: unknown[]): ReturnType<typeof readDelegations> =>
  readDelegations({ keys: { [id]: key }, roles })
const outcome = (...roles: unknown[]): string => {
  try {
    read(...roles)
    return 'read'
  } catch (error) {
    return error instanceof GuardFailed ? 'GuardFailed' : String(error)
  }
}
const coversPath = (pattern: string, path: string): boolean => {
  const [delegation] = read({ ...role, paths: [pattern] })
  return delegation !== undefined && covers(delegation, path)
}

describe('a delegated role', () => {
  it.each([
    ['bundles/team/*', 'bundles/team/1.json', true],
    ['bundles/*/*', 'bundles/web/1.json', true],
    ['bundles/web-*/*.json', 'bundles/web-a/1.json', true],
    ['bundles/web-*/*.json', 'bundles/web/1.json', false],
    ['bundles/team/*', 'bundles/other/1.json', false],
    ['bundles/*', 'bundles/team/1.json', false],
    ['*', 'bundles/team/1.json', false],
    ['bundles/team/*', 'bundles/Team/1.json', false],
    ['bundles/team/*', 'bundles/team', false],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
  ])('for %s and the path %s: %s; a wildcard crosses no slash (62)', (pattern, path, covered) => {
    expect(coversPath(pattern, path)).toBe(covered)
  })

  it.each<[string, object]>([
    ['two wildcards in a segment (69)', { paths: ['bundles/*a*'] }],
    ['a bracket', { paths: ['bundles/[ab]'] }],
    ['a path upwards', { paths: ['../x'] }],
    ['an absolute path', { paths: ['/x'] }],
    ['65 paths', { paths: Array.from({ length: 65 }, () => 'a') }],
    ['hash bins beside paths (64)', { path_hash_prefixes: ['00'] }],
    ['no paths', { paths: undefined }],
    ['the name of a top role (65)', { name: 'snapshot' }],
    ['a prototype as its name (31)', { name: '__proto__' }],
    ['a number as its name (31)', { name: '10' }],
    ['a keyid twice (12)', { keyids: [id, id] }],
    ['a keyid that is not listed', { keyids: ['a'.repeat(64)] }],
    ['a prototype as keyid (31)', { keyids: ['constructor'] }],
    ['a threshold of 0 (15)', { threshold: 0 }],
    ['a threshold of one and a half (15)', { threshold: 1.5 }],
    ['terminating left out', { terminating: undefined }],
  ])('with %s is refused', (_what, change) => {
    expect(() => read({ ...role, ...change })).toThrow(GuardFailed)
  })

  it('stands there once, and 32 are the most (65, 66)', () => {
    const roles = (count: number): object[] => Array.from({ length: count }, (_, n) => ({ ...role, name: `r${n}` }))
    expect(read(...roles(32)).length).toBe(32)
    expect(() => read(...roles(33))).toThrow(GuardFailed)
    expect(() => read(role, role)).toThrow(GuardFailed)
  })

  it('of any other shape is refused, and nothing else is thrown', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(role)), fc.jsonValue(), (name, value) => {
        expect(outcome({ ...role, [name]: value })).toMatch(/^(read|GuardFailed)$/)
      }),
    )
  })
})

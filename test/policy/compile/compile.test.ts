import { describe, expect, it } from 'vitest'
import { compilerFor, enginesOf, unsupportedBy } from '#policy/compile/compile.ts'
import type { LineResource, Resource } from '#policy/model.ts'
import { policyOf, renderedOf } from '../../contracts/engine.ts'

const line = (parts: Partial<LineResource>): LineResource => ({
  kind: 'line',
  id: '0:line:/a',
  path: '/a',
  line: 'x',
  ...parts,
})

describe('the compilers', () => {
  it('are there for cfengine and pretend, and not for the words that are only known', () => {
    expect(compilerFor('cfengine')?.engine).toBe('cfengine')
    expect(compilerFor('pretend')?.engine).toBe('pretend')
    expect(compilerFor('ansible')).toBeUndefined()
    expect(compilerFor('constructor')).toBeUndefined()
  })

  it('never offer the pretend engine to a policy', () => {
    expect(enginesOf('auto')).toEqual(['cfengine'])
    expect(enginesOf('cfengine')).toEqual(['cfengine'])
    expect(enginesOf('puppet')).toEqual([])
  })
})

describe('a check', () => {
  it.each(['ansible', 'puppet'] as const)('says clearly that %s has no compiler yet', (engine) => {
    expect(unsupportedBy(policyOf({ engine }))).toEqual([
      {
        file: 'policy.yaml',
        line: 1,
        column: 1,
        code: 'COMPILE_ENGINE_UNSUPPORTED',
        message: `This version has no compiler for ${engine} yet.`,
        next: 'Write engine: cfengine, or leave it out.',
      },
    ])
  })

  it.each<[string, Resource]>([
    ['a path with a variable of CFEngine', line({ path: '/a/$(sys.host)' })],
    ['a line of two lines', line({ line: 'a\nb' })],
    ['a very long line', line({ line: 'x'.repeat(1001) })],
    ['a pattern that only JavaScript knows', line({ match: '\\u0041' })],
    ['the same for a process', { kind: 'process', id: '0', match: '[^]', state: 'absent' }],
    ['a NUL in a command', { kind: 'command', id: '0', run: 'a\0b' }],
  ])('tells %s, and the compiler refuses it', (_, resource) => {
    const problems = unsupportedBy(policyOf({ resources: [resource] }))
    expect(problems.map(({ code }) => code)).toEqual(['COMPILE_TEXT_UNSUPPORTED'])
    expect(problems[0]?.message.startsWith(`${resource.id}: `)).toBe(true)
    const rendered = { ...renderedOf([], '/bundle'), resources: [resource as never] }
    expect(() => compilerFor('cfengine')?.compile(rendered)).toThrow(
      expect.objectContaining({ code: 'COMPILE_TEXT_UNSUPPORTED', where: resource.id }),
    )
  })

  it('has nothing against a policy of ordinary resources', () => {
    expect(unsupportedBy(policyOf({ resources: [line({ match: '^#?x' })] }))).toEqual([])
  })
})

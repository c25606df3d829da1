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
  it('are there for every engine of the language and pretend, and for no other word', () => {
    for (const engine of ['cfengine', 'ansible', 'puppet', 'pretend']) expect(compilerFor(engine)?.engine).toBe(engine)
    expect(compilerFor('constructor')).toBeUndefined()
  })

  it('are best first for a policy that leaves it open, and the pretend engine is never offered to one', () => {
    expect(enginesOf('auto')).toEqual(['cfengine', 'ansible', 'puppet'])
    expect(enginesOf('ansible')).toEqual(['ansible'])
    expect(enginesOf('puppet')).toEqual(['puppet'])
  })
})

describe('a check', () => {
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

  it('tells what one engine cannot say where the policy leaves it open, and which can', () => {
    const resources = [line({ path: '/a/$(sys.host)' }), line({ id: '1:line:/b', line: 'a\nb' })]
    expect(unsupportedBy(policyOf({ resources })).map(({ message, next }) => [message.slice(0, 10), next])).toEqual([
      ['0:line:/a:', 'Write it without that, or name an engine that can: ansible, puppet.'],
      ['1:line:/b:', 'Write it without that.'],
    ])
    expect(unsupportedBy(policyOf({ resources, engine: 'ansible' }))).toHaveLength(1)
    expect(unsupportedBy(policyOf({ resources: resources.slice(0, 1), engine: 'ansible' }))).toEqual([])
  })

  it('tells a path in which a module of Ansible would find a variable', () => {
    const copied = { kind: 'file', id: '0', state: 'present', from: { type: 'source', file: 'files/${HOME}' } } as const
    for (const resource of [{ kind: 'directory', id: '0', path: '/a/$HOME' } as const, { ...copied, path: '/a' }])
      expect(unsupportedBy(policyOf({ engine: 'ansible', resources: [resource] }))).toMatchObject([
        { code: 'COMPILE_TEXT_UNSUPPORTED', next: expect.stringContaining('cfengine') as string },
      ])
  })

  it('has nothing against a policy of ordinary resources', () => {
    expect(unsupportedBy(policyOf({ resources: [line({ match: '^#?x' })] }))).toEqual([])
  })
})

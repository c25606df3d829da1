import { describe, expect, it } from 'vitest'
import { found, problemsOf } from './folder.ts'

const next = (text: string): string | undefined => problemsOf(text)[0]?.next

describe('a policy that is no YAML', () => {
  it('with a tab says so at the tab', () => {
    expect(found('policy: a\nselect:\n\tsites: [x]\n')[0]).toBe('POLICY_YAML_INVALID 3:1')
    expect(next('policy: a\nselect:\n\tsites: [x]\n')).toContain('two for each level')
  })

  it('with a key twice is told of it, and of what else is wrong', () => {
    expect(found('policy: a\npolicy: b\nengine: x\n')).toEqual(['POLICY_YAML_INVALID 2:1', 'POLICY_VALUE_INVALID 3:9'])
  })

  it('with two documents, an unknown tag, or an alias of nothing is refused', () => {
    expect(found('policy: a\n---\npolicy: b\n')).toEqual(['POLICY_YAML_INVALID 2:1'])
    expect(found('policy: !thing a\n')).toEqual(['POLICY_YAML_INVALID 1:9'])
    expect(found('policy: a\ndescription: *gone\n')).toEqual(['POLICY_YAML_INVALID 1:1'])
  })

  it.each(['', '\n\n', '# a comment\n', '---\n', 'null\n'])('with nothing in it (%j) is empty', (text) => {
    expect(found(text)).toEqual(['POLICY_EMPTY 1:1'])
  })

  it.each(['- a\n', 'web\n', '5\n'])('that is no map (%j) is told to begin with its name', (text) => {
    expect(problemsOf(text)[0]).toMatchObject({ code: 'POLICY_VALUE_INVALID', line: 1, column: 1 })
    expect(problemsOf(text)[0]?.message).toContain('must be a map that begins with policy: NAME')
  })

  it('that multiplies itself by aliases is stopped', () => {
    const lines = ['a: &a [x, x, x, x, x, x, x, x, x]']
    for (const [index, name] of ['b', 'c', 'd', 'e', 'f', 'g', 'h'].entries()) {
      const before = 'abcdefg'[index] ?? 'a'
      lines.push(`${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(', ')}]`)
    }
    expect(found(`policy: a\nparameters:\n  ${lines.join('\n  ')}\n`)).toEqual(['POLICY_ALIAS_BOMB 1:1'])
  })

  it('of more than 1 MiB is not even read', () => {
    expect(found(`policy: a\n# ${'é'.repeat(600_000)}\n`)).toEqual(['POLICY_TOO_LARGE 1:1'])
  })

  it('with a hundred thousand brackets is refused, not followed', () => {
    expect(
      found(`policy: a\nparameters: {a: ${'['.repeat(100_000)}`).every((line) => line.startsWith('POLICY_YAML')),
    ).toBe(true)
  })
})

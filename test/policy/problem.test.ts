import { describe, expect, it } from 'vitest'
import { byPosition, formatProblem } from '#policy/problem.ts'
import type { Problem } from '#policy/problem.ts'

const problem = (file: string, line: number, column: number): Problem => ({
  file,
  line,
  column,
  code: 'POLICY_VALUE_INVALID',
  message: 'It is wrong.',
})

describe('a problem', () => {
  it('is one line: file, line, column, what is wrong, what to write', () => {
    expect(formatProblem(problem('policy.yaml', 3, 5))).toBe('policy.yaml:3:5: It is wrong.')
    expect(formatProblem({ ...problem('policy.yaml', 3, 5), next: 'Write x.' }, '/p/web/')).toBe(
      '/p/web/policy.yaml:3:5: It is wrong. Write x.',
    )
  })

  it('stays one line, and steers no terminal, whatever the policy holds', () => {
    expect(formatProblem({ ...problem('policy.yaml', 1, 1), message: 'a\n\u001B[2Jb' })).toBe('policy.yaml:1:1: a [2Jb')
  })
})

describe('problems', () => {
  it('are in order: policy.yaml, then files by name, each from top to bottom', () => {
    const order = [
      problem('policy.yaml', 1, 9),
      problem('policy.yaml', 2, 1),
      problem('files/a', 9, 1),
      problem('files/b', 1, 1),
    ]
    expect(order.toReversed().sort(byPosition)).toEqual(order)
  })
})

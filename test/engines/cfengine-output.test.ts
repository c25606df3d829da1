import { describe, expect, it } from 'vitest'
import { errorsIn, failureOf, readRun, type ResourceRun } from '#engines/cfengine-output.ts'
import { lastWord, reasonLengthMax } from '#engines/script-output.ts'

const one = (...lines: string[]): ResourceRun => {
  const [run] = readRun(['R: GRAPEVINE 0 begin', ...lines].join('\n'), 1)
  if (!run) expect.unreachable()
  return run
}

describe('the output of cf-agent', () => {
  it('gives each resource the worst of what was told of it', () => {
    const runs = readRun(
      'R: GRAPEVINE 0 begin\nR: GRAPEVINE 0 kept\nR: GRAPEVINE 0 repaired\nR: GRAPEVINE 1 begin\n' +
        'R: GRAPEVINE 1 repaired\nR: GRAPEVINE 1 failed\nR: GRAPEVINE 1 kept\nR: GRAPEVINE 2 begin\n',
      4,
    )
    expect(runs.map(({ outcome }) => outcome)).toEqual(['repaired', 'failed', undefined, undefined])
  })

  it('keeps the words of each resource apart', () => {
    const runs = readRun(
      '   error: before all\nR: GRAPEVINE 0 begin\n   error: first\nR: GRAPEVINE 0 failed\n   error: still first\n' +
        'R: GRAPEVINE 1 begin\n warning: second\nR: GRAPEVINE 1 failed\n',
      2,
    )
    expect(runs.map(failureOf)).toEqual(['first | still first', 'second'])
  })

  it('tells what a program said: its verdict first, then its last words', () => {
    const run = one(
      '  notice: Q: ".../bin/sh "/a b/": one',
      'Q: ".../bin/sh "/a b/": R: GRAPEVINE 0 kept',
      'Q: ".../bin/sh "/a b/": failed: exit code 3',
      'R: GRAPEVINE 0 failed',
    )
    expect(run.outcome).toBe('failed')
    expect(failureOf(run)).toBe('exit code 3: one | R: GRAPEVINE 0 kept')
    expect(lastWord(run.printed, 'seen')).toBeUndefined()
  })

  it('has a reason for each failure, of bounded length', () => {
    expect(failureOf(one('R: GRAPEVINE 0 failed'))).toMatch(/./)
    expect(failureOf(one('R: GRAPEVINE 0 because it is a directory', 'R: GRAPEVINE 0 failed'))).toBe(
      'it is a directory',
    )
    expect(failureOf(one(`   error: ${'x'.repeat(2000)}`)).length).toBe(reasonLengthMax)
    const long = one(`Q: "...sh": ${'y'.repeat(2000)}`, 'Q: "...sh": failed: exit code 3')
    expect(failureOf(long).length).toBeLessThanOrEqual(reasonLengthMax)
    expect(failureOf(long)).toMatch(/^exit code 3: y+$/)
  })

  it('steers no terminal, whatever a program prints', () => {
    const run = one('Q: "...sh": \u001b[2J\u0007gone\u009b', 'Q: "...sh": failed: exit code 3', 'R: GRAPEVINE 0 failed')
    expect(failureOf(run)).toBe('exit code 3:  [2J gone ')
  })

  it('is a failure where cf-agent went on without a pattern', () => {
    const run = one('   error: Regular expression error: pcre_compile() x', 'R: GRAPEVINE 0 repaired')
    expect(run.outcome).toBe('failed')
    expect(failureOf(run)).toBe('Regular expression error: pcre_compile() x')
  })

  it('leaves out what comes beside every error', () => {
    expect(
      errorsIn(
        "   error: Failed to chdir into '/x'. (chdir)\n   error: Errors encountered when actuating x\n   error: a",
      ),
    ).toEqual(['a'])
  })

  it('of any kind is read without a throw', () => {
    expect(readRun('R: GRAPEVINE 99999999999999999999 kept\nR: GRAPEVINE x\n\0', 1)[0]?.outcome).toBeUndefined()
  })
})

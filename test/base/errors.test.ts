import { describe, expect, it } from 'vitest'
import { assert, AssertionFailed, unreachable } from '#base/assert.ts'
import {
  codeOf,
  GrapevineError,
  messageOf,
  Misconfigured,
  Negative,
  Refused,
  Unavailable,
  type ErrorText,
} from '#base/errors.ts'

const text: ErrorText = { message: 'It did not work.', where: '/etc/x', next: 'Try again.' }

describe('an error', () => {
  it.each([
    ['Negative', new Negative('A_CODE', text), 1],
    ['Misconfigured', new Misconfigured('A_CODE', text), 2],
    ['Unavailable', new Unavailable('A_CODE', text), 3],
    ['Refused', new Refused('A_CODE', text), 4],
  ] as const)('of the family %s ends a command with its own exit code', (name, error, exitCode) => {
    expect(error).toBeInstanceOf(GrapevineError)
    expect(error.name).toBe(name)
    expect(error.exitCode).toBe(exitCode)
  })

  it('is printed with code, sentence, place and next step; what is unknown is null', () => {
    expect(new Refused('A_CODE', text).toDocument()).toEqual({ code: 'A_CODE', ...text })
    expect(new Refused('A_CODE', { message: 'No.' }).toDocument()).toEqual({
      code: 'A_CODE',
      message: 'No.',
      where: null,
      next: null,
    })
  })

  it('keeps what caused it for the log, and has no empty cause', () => {
    const cause = new TypeError('inner')
    expect(new Unavailable('A_CODE', { message: 'Outer.', cause }).cause).toBe(cause)
    expect('cause' in new Unavailable('A_CODE', { message: 'Outer.' })).toBe(false)
  })

  it('of any kind has a message and perhaps a code, also where no error was thrown', () => {
    expect(messageOf(new Refused('A_CODE', text))).toBe('It did not work.')
    expect(messageOf('just text')).toBe('just text')
    expect(messageOf(undefined)).toBe('undefined')
    expect(codeOf(new Refused('A_CODE', text))).toBe('A_CODE')
    expect(codeOf(Object.assign(new TypeError('full'), { code: 'ENOSPC' }))).toBe('ENOSPC')
    for (const other of [new TypeError('x'), { code: 5 }, null, undefined, 'text'])
      expect(codeOf(other)).toBeUndefined()
  })
})

describe('our own mistake', () => {
  it('is an assertion: of no family, so that no other party is blamed for it', () => {
    const wrong = (): void => assert(Number.isNaN(2), 'two is no number')
    expect(wrong).toThrow(AssertionFailed)
    expect(wrong).not.toThrow(GrapevineError)
    expect(wrong).toThrow(expect.objectContaining({ message: 'two is no number', code: 'BUG' }))
    expect(() => assert('true', 'holds')).not.toThrow()
  })

  it('is also a case that a switch forgot', () => {
    expect(() => unreachable('strange' as never)).toThrow('unreachable case: "strange"')
  })
})

import { describe, expect, it } from 'vitest'
import {
  bytesAt,
  fieldsAt,
  GuardFailed,
  isFields,
  listAt,
  oneOfAt,
  onlyKeys,
  own,
  textAt,
  wholeAt,
} from '#base/guard.ts'

const failsAt = (path: string): unknown => expect.objectContaining({ name: 'GuardFailed', path })

describe('what others sent', () => {
  it('is an object only where it is neither list nor null nor bytes', () => {
    expect(isFields({})).toBe(true)
    for (const other of [[], null, undefined, 'a', 1, new Uint8Array(1)]) expect(isFields(other)).toBe(false)
    expect(() => fieldsAt([], 'head')).toThrow(failsAt('head'))
  })

  it('has the members that it holds itself: __proto__ and constructor are ordinary names', () => {
    const fields = fieldsAt(JSON.parse('{"__proto__":{"role":"origin"},"a":1}'), 'x')
    expect(own(fields, 'a')).toBe(1)
    expect(own(fields, '__proto__')).toEqual({ role: 'origin' })
    expect(own(fields, 'role')).toBeUndefined()
    expect(own({}, 'constructor')).toBeUndefined()
    expect(own({}, 'toString')).toBeUndefined()
  })

  it('may hold no member that the format does not name, whatever that is called', () => {
    expect(() => onlyKeys({ a: 1, b: 2 }, 'x', ['a', 'b'])).not.toThrow()
    expect(() => onlyKeys({ a: 1, c: 2 }, 'x', ['a', 'b'])).toThrow(failsAt('x.c'))
    expect(() => onlyKeys(JSON.parse('{"__proto__":1}') as object as Record<string, unknown>, 'x', ['a'])).toThrow(
      failsAt('x.__proto__'),
    )
  })

  it('is a list up to its limit', () => {
    expect(listAt([1, 2], 'x', 2)).toEqual([1, 2])
    expect(() => listAt([1, 2, 3], 'x', 2)).toThrow(failsAt('x'))
    expect(() => listAt({ length: 1 }, 'x', 2)).toThrow(failsAt('x'))
  })

  it('is text up to its limit and of its pattern', () => {
    expect(textAt('abc', 'x', 3, /^[a-c]+$/)).toBe('abc')
    expect(() => textAt('abcd', 'x', 3)).toThrow(failsAt('x'))
    expect(() => textAt('abd', 'x', 3, /^[a-c]+$/)).toThrow('like ^[a-c]+$')
    expect(() => textAt(1, 'x', 3)).toThrow(failsAt('x'))
  })

  it('is a whole number within its bounds, both included', () => {
    expect(wholeAt(1, 'x', 1, 3)).toBe(1)
    expect(wholeAt(3, 'x', 1, 3)).toBe(3)
    expect(wholeAt(Number.MAX_SAFE_INTEGER, 'x', 0)).toBe(Number.MAX_SAFE_INTEGER)
    for (const other of [0, 4, 1.5, Number.NaN, '1', 1n, undefined])
      expect(() => wholeAt(other, 'x', 1, 3)).toThrow(failsAt('x'))
    expect(() => wholeAt(2 ** 53, 'x', 0)).toThrow(failsAt('x'))
  })

  it('is one of the words, and none that only looks like one', () => {
    expect(oneOfAt('relay', 'role', ['client', 'relay'])).toBe('relay')
    for (const other of ['Relay', 'toString', '', 0, undefined])
      expect(() => oneOfAt(other, 'role', ['client', 'relay'])).toThrow('role: expected one of client, relay')
  })

  it('is bytes between its bounds', () => {
    expect(bytesAt(new Uint8Array(2), 'x', 1, 2)).toHaveLength(2)
    for (const other of [new Uint8Array(), new Uint8Array(3), 'ab', [1]])
      expect(() => bytesAt(other, 'x', 1, 2)).toThrow(GuardFailed)
  })
})

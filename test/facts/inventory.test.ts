import { describe, expect, it } from 'vitest'
import { Refused } from '#base/errors.ts'
import { factAt, readFacts } from '#facts/inventory.ts'

const refusal = (value: unknown): Refused => {
  try {
    readFacts(value)
  } catch (error) {
    if (error instanceof Refused) return error
    throw error
  }
  return expect.fail('these facts were taken')
}
const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) })

describe('facts from another party', () => {
  it('of every type are read as they are', () => {
    const facts = { os: { family: 'debian', major: 12, wsl: false }, interfaces: ['eth0', 'lo'] }
    expect(readFacts(facts)).toEqual(facts)
  })

  it.each([
    ['no object', [], 'facts'],
    ['null inside', { os: { family: null } }, 'facts.os.family'],
    ['a list of lists', { disks: [['sda']] }, 'facts.disks'],
    ['a text longer than 1 KiB', { motd: 'x'.repeat(1025) }, 'facts.motd'],
    ['a name with a line break', { 'a\nb': 1 }, 'facts'],
    ['more than 500 values', { list: Array.from({ length: 501 }, () => 'x') }, 'facts.list'],
    ['a number that is none', { load: Number.NaN }, 'facts.load'],
  ])('with %s are refused, and the place is named', (_, value, where) => {
    expect(refusal(value)).toMatchObject({ code: 'FACTS_INVALID', where })
  })

  it('that are many in several lists are counted together', () => {
    const list = Array.from({ length: 300 }, () => 'x')
    expect(refusal({ a: list, b: list }).message).toContain('at most 500 facts in all')
  })

  it('of eight levels are read and of nine are refused', () => {
    expect(readFacts(nested(8))).toEqual(nested(8))
    expect(refusal(nested(9)).code).toBe('FACTS_INVALID')
  })

  it('called __proto__ or constructor stay ordinary facts', () => {
    const facts = readFacts(JSON.parse('{"__proto__":{"admin":"yes"},"constructor":"x"}'))
    expect(Object.getPrototypeOf(facts)).toBe(Object.prototype)
    expect(factAt(facts, 'admin')).toBeUndefined()
    expect(factAt(facts, 'constructor')).toBe('x')
  })
})

describe('a dotted path', () => {
  it('leads to its fact, and to nothing where a step is missing, inherited or inside a list', () => {
    const facts = { os: { family: 'suse' }, list: ['a'] }
    expect(factAt(facts, 'os.family')).toBe('suse')
    for (const path of ['os.name', 'os.family.x', 'list.0', 'toString', '']) expect(factAt(facts, path)).toBeUndefined()
  })
})

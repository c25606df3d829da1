import { describe, expect, it } from 'vitest'
import { assert, constantFrom, property, string } from 'fast-check'
import { cfPattern, cfText, literalPattern, pathFault, shellWord } from '#policy/compile/quote.ts'

describe('a text in CFEngine', () => {
  it('keeps quotes and backslashes, and no sign of it begins a variable', () => {
    expect(cfText('a "b" \\ c')).toBe('"a \\"b\\" \\\\ c"')
    expect(cfText('$(x) ${x} $x @(y) @{y} $$(z)')).toBe(
      '"$(const.dollar)(x) $(const.dollar){x} $x $(const.at)(y) $(const.at){y} $$(const.dollar)(z)"',
    )
  })

  it('never ends its string early and holds no variable but the two signs, whatever it is', () => {
    const texts = string({ unit: constantFrom('$', '@', '(', '{', ')', '}', '"', '\\', 'a', ' ') })
    assert(
      property(texts, (text) => {
        const inner = cfText(text).slice(1, -1)
        expect(inner.replaceAll(/\\[\\"]/g, '')).not.toMatch(/["\\]/)
        expect(inner.replaceAll(/\$\(const\.(?:dollar|at)\)/g, '|')).not.toMatch(/[$@][({]/)
        const read = inner
          .replaceAll(/\\([\\"])/g, '$1')
          .replaceAll('$(const.dollar)', '$')
          .replaceAll('$(const.at)', '@')
        expect(read).toBe(text)
      }),
      { seed: 1 },
    )
  })
})

describe('a word in a shell', () => {
  it('is one word, whatever it holds', () => {
    expect(shellWord("it's $(x) `y`")).toBe("'it'\\''s $(x) `y`'")
    expect(shellWord('')).toBe("''")
  })
})

describe('a pattern', () => {
  it('made of a text matches that text alone and holds no variable', () => {
    const texts = string({ unit: constantFrom(...Array.from('$@(){}[]\\^.*+?|-/ab ß')) })
    assert(
      property(texts, texts, (text, other) => {
        const pattern = literalPattern(text)
        expect(new RegExp(`^(?:${pattern})$`).test(text)).toBe(true)
        expect(new RegExp(`^(?:${pattern})$`).test(other)).toBe(other === text)
        expect(pattern).not.toMatch(/[$@]/)
      }),
      { seed: 1 },
    )
  })

  it.each([
    ['^#?PermitRootLogin', '^#?PermitRootLogin'],
    ['a$', 'a$'],
    ['(a$)', '(a$)'],
    ['a$(b)?', 'a$(?:)(b)?'],
    ['[$(]x', '[\\x24(]x'],
    ['\\$(x)', '\\x24(x)'],
    ['\\\\$(x)?', '\\\\$(?:)(x)?'],
    ['u@(x|y)', 'u\\x40(x|y)'],
    ['[\\]@(]', '[\\]\\x40(]'],
  ])('%s becomes %s, which matches the same', (pattern, wanted) => {
    expect(cfPattern(pattern)).toBe(wanted)
    for (const text of ['PermitRootLogin', 'a', 'ab', '$(x', '$x', '\\', 'u@x', 'u@y', '@', ']', '(x', 'x'])
      expect(new RegExp(wanted).test(text)).toBe(new RegExp(pattern).test(text))
  })

  it.each([
    ['ü+', '(?:ü)+'],
    ['[[:space:]]', '[[:space:]]'],
    ['(?<n>a)\\k<n>', '(?<n>a)\\k<n>'],
  ])('%s becomes %s for bytes', (pattern, wanted) => {
    expect(cfPattern(pattern)).toBe(wanted)
  })

  it.each(['\\u0041', '[]', 'a[^]b', '\\Qa', '\\p{L}', '[ü]', '[\\ü]', '(?<=a*)b', '(?<!a)b', '[[.x.]]'])(
    '%s, which PCRE reads otherwise, has none',
    (pattern) => {
      expect(cfPattern(pattern)).toBeUndefined()
    },
  )
})

describe('a path', () => {
  it('with what CFEngine takes for a variable is at fault, other odd ones are not', () => {
    expect(pathFault('/a/$(x)')).toMatch(/variable/)
    expect(pathFault('/a/@{x}')).toMatch(/variable/)
    expect(pathFault('/a/$x @ "q" [w]')).toBeUndefined()
  })
})

import { describe, expect, it } from 'vitest'
import { agoText, sizeText, table } from '../../src/cli/print.ts'

describe('what people read', () => {
  it('columns stand under each other without borders, so that lines can be cut', () => {
    expect(
      table(
        ['NAME', 'STATE'],
        [
          ['web', 'applied'],
          ['a-long-name', ''],
        ],
      ),
    ).toEqual(['NAME         STATE', 'web          applied', 'a-long-name'])
  })

  it('sizes are in units of 1024, with as many digits as mean something', () => {
    expect([0, 820, 1024, 1_500_000, 5e12].map(sizeText)).toEqual(['0 B', '820 B', '1.0 KiB', '1.4 MiB', '4.5 TiB'])
  })

  it('times are told from now, on both sides of it', () => {
    const now = 1_000_000_000
    expect(
      [now, now - 5_000, now + 180_000, now - 7_200_000, now + 3 * 86_400_000].map((time) => agoText(time, now)),
    ).toEqual(['now', '5 s ago', 'in 3 min', '2 h ago', 'in 3 d'])
  })
})

import { describe, expect, it } from 'vitest'
import { parseUntil } from '../../src/cli/until.ts'

const now = Date.UTC(2026, 2, 6, 16)

describe('a time that people write', () => {
  it.each([
    ['4h', now + 4 * 3_600_000],
    ['PT30M', now + 1_800_000],
    ['2026-03-07T06:00Z', Date.UTC(2026, 2, 7, 6)],
    ['2026-03-07T06:00:30.5+02:00', Date.UTC(2026, 2, 7, 4, 0, 30, 500)],
    ['2026-03-07T06:00', new Date(2026, 2, 7, 6).getTime()],
    ['2026-03-07', new Date(2026, 2, 7).getTime()],
  ])('is read: %s', (text, time) => {
    expect(parseUntil(text, now)).toBe(time)
  })

  it.each(['', 'tomorrow', '4', '2026-13-07', '2026-03-07 06:00', '7.3.2026', '2026-03-07T25:00Z', '-4h', 'now'])(
    'is none: "%s"',
    (text) => {
      expect(parseUntil(text, now)).toBeUndefined()
    },
  )
})

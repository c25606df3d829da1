import { beforeEach, describe, expect, it } from 'vitest'
import { after, instant } from '#base/time.ts'
import { priorityOf } from '#agent/priority.ts'
import { begin, bundle, digestOf, feed, manifests, of, publish, start } from '../support/agent-stage.ts'

const kib = 1_024
const opensIn = (hours: number) => ({ open: false, opens: after(start, hours * 3_600_000) }) as const
const open = { open: true } as const
const never = { open: false } as const

describe('the order of fetching', () => {
  it('is manifests, policies with their files, packages; of each what is due, then by window, then by size', () => {
    const order = [
      priorityOf(open, undefined),
      priorityOf(opensIn(2), undefined),
      priorityOf(never, undefined),
      priorityOf(open, 3 * kib),
      priorityOf(open, 200 * kib),
      priorityOf(opensIn(2), 3 * kib),
      priorityOf(opensIn(26), 2 * kib),
      priorityOf(never, 1),
      priorityOf(open, 900 * kib),
      priorityOf(open, 2 ** 40),
      priorityOf(opensIn(2), 2 ** 40),
      priorityOf(opensIn(26), 900 * kib),
      priorityOf(never, 900 * kib),
    ]
    expect(order).toEqual(order.toSorted((a, b) => a - b))
    expect(new Set(order).size).toBe(order.length)
  })

  it('puts what is urgent before all else, be its window far and its packages large', () => {
    const [usual, urgent] = [false, true].map((isUrgent) =>
      [open, opensIn(2), never].flatMap((window) =>
        [undefined, 1, 2 ** 40].map((length) => priorityOf(window, length, isUrgent)),
      ),
    ) as [number[], number[]]
    expect(Math.max(...urgent)).toBeLessThan(Math.min(...usual))
    expect(urgent.map((priority) => urgent.toSorted((a, b) => a - b).indexOf(priority))).toEqual(
      usual.map((priority) => usual.toSorted((a, b) => a - b).indexOf(priority)),
    )
  })

  it('says the same of a window whenever it is asked, so that wants of different days compare', () => {
    expect(priorityOf({ open: false, opens: instant(start + 59_999) }, 1)).toBe(
      priorityOf({ open: false, opens: start }, 1),
    )
  })
})

describe('a device with three bundles', () => {
  beforeEach(begin)

  it('fetches first the one without a window, then the one whose window is earlier', () => {
    const at = (hour: number) => ({
      windows: [{ rule: 'FREQ=DAILY', start: `2026-01-01T${hour}:00:00`, durationMs: 3_600_000, zone: 'UTC' }],
    })
    const bundles = [bundle('late', 1, at(23)), bundle('early', 1, at(19)), bundle('now')]
    feed({ type: 'facts', facts: {} })
    publish(...bundles)
    for (const signed of bundles)
      feed({ type: 'manifest', content: digestOf(signed), bytes: manifests.get(digestOf(signed))?.bytes })
    const wants = of('want').toSorted((a, b) => a.priority - b.priority)
    const named = wants.map(({ ref }) => {
      const found = bundles.find(
        (signed) =>
          digestOf(signed) === ref.digest ||
          manifests.get(digestOf(signed))?.contents.some(({ digest }) => digest === ref.digest),
      )
      return `${found?.name} ${found && digestOf(found) === ref.digest ? 'manifest' : 'content'}`
    })
    expect(named).toEqual([
      'now manifest',
      'early manifest',
      'late manifest',
      'now content',
      'early content',
      'late content',
    ])
  })
})

import { beforeEach, describe, expect, it } from 'vitest'
import { after, instant, type Instant } from '#base/time.ts'
import type { TrialEntry } from '#agent/journal.ts'
import { Probation, type ProbationEffect, type Verdict } from '#agent/probation.ts'

const graceMs = 12_000
const roundMs = 2_000
const trial = { name: 'web', version: 3 }
const repaired = [
  { id: '0:file:/x', kind: 'file', outcome: 'repaired' as const },
  { id: '1:package:y', kind: 'package', outcome: 'repaired' as const },
  { id: '2:file:/z', kind: 'file', outcome: 'kept' as const },
]
const applied = { type: 'applied', ...trial, outcome: { type: 'results' as const, results: repaired } } as const

let now: Instant
let effects: ProbationEffect[]
let probation: Probation
let verdict: Verdict | undefined

function feed(input: Parameters<Probation['handle']>[0]): string[] {
  const before = effects.length
  verdict ??= probation.handle(input, now, (effect) => effects.push(effect))
  return effects
    .slice(before)
    .map((effect) => (effect.type === 'journal' ? `journal ${effect.entry.phase}` : effect.type))
}
/** Lets time pass, with every wake; what was asked for meanwhile. */
function pass(ms: number): string[] {
  const until = after(now, ms)
  const asked: string[] = []
  for (let next = probation.nextWake(); next !== undefined && next <= until && !verdict; next = probation.nextWake()) {
    now = instant(Math.max(now, next))
    asked.push(...feed({ type: 'wake' }))
    if (asked.length > 100) throw new TypeError('it never rests')
  }
  now = until
  return asked
}
const check = (...checks: [string, boolean][]): string[] =>
  feed({ type: 'probed', ...trial, checks: checks.map(([name, ok]) => ({ name, ok })) })
/** Up to the run of the engine. */
function begin({
  reach = true,
  monitors = [['web', true]] as [string, boolean][],
  lacking = [] as string[],
} = {}): void {
  feed({ type: 'wake' })
  feed({ type: 'kept', lacking })
  check(...monitors)
  feed({ type: 'reach', ok: reach })
}
const entry = (): TrialEntry | undefined =>
  effects.flatMap((effect) => (effect.type === 'journal' ? [effect.entry] : [])).at(-1)
function restart(): void {
  const kept = entry()
  if (!kept) throw new TypeError('nothing is in the journal')
  probation = Probation.resume(JSON.parse(JSON.stringify(kept)) as TrialEntry, graceMs)
  verdict = undefined
}

beforeEach(() => {
  now = instant(1_000_000)
  effects = []
  verdict = undefined
  probation = new Probation(trial, graceMs)
})

describe('before the apply', () => {
  it('files are kept, monitors run and a neighbour is asked for, and the apply waits for all three', () => {
    expect(feed({ type: 'wake' })).toEqual(['keep', 'probe', 'reach'])
    expect(feed({ type: 'kept', lacking: [] })).toEqual([])
    expect(feed({ type: 'reach', ok: true })).toEqual([])
    expect(check(['web', true], ['db', false])).toEqual(['journal begun', 'apply'])
    expect(entry()).toMatchObject({ connected: true, passing: ['web'] })
  })

  it('a machine that reaches nobody is applied all the same, within ten seconds', () => {
    begin({ reach: false })
    expect(effects.map(({ type }) => type)).toContain('apply')
    probation = new Probation(trial, 60_000)
    feed({ type: 'wake' })
    feed({ type: 'kept', lacking: [] })
    check()
    expect(pass(9_999)).toEqual([])
    expect(pass(1)).toEqual(['journal begun', 'apply'])
    expect(entry()).toMatchObject({ connected: false })
  })
})

describe('after the apply', () => {
  it('offline before and without monitors, nothing is judged: autonomy', () => {
    begin({ reach: false, monitors: [['web', false]] })
    feed(applied)
    expect(verdict).toEqual({ type: 'applied', outcome: applied.outcome })
  })

  it('that changed nothing is not judged: no machine is cut off by that, and nothing is waited for', () => {
    begin()
    const same = repaired.map((result, index) => ({ ...result, outcome: index === 1 ? 'skipped' : 'kept' }) as const)
    const outcome = { type: 'results' as const, results: same }
    expect(feed({ type: 'applied', ...trial, outcome })).toEqual(['forget'])
    expect(verdict).toEqual({ type: 'applied', outcome })
  })

  it('is at its end once a neighbour is reached and what passed passes again', () => {
    begin()
    expect(feed(applied)).toEqual(['journal watching'])
    expect(pass(1_000)).toEqual(['reach', 'probe'])
    feed({ type: 'reach', ok: true })
    expect(verdict).toBeUndefined()
    expect(check(['web', true])).toEqual(['forget'])
    expect(verdict).toEqual({ type: 'applied', outcome: applied.outcome })
  })

  it('what held before is not asked for only once: it may come back within the grace time', () => {
    begin()
    feed(applied)
    pass(1_000)
    check(['web', false])
    feed({ type: 'reach', ok: false })
    expect(pass(roundMs)).toEqual(['reach', 'probe'])
    feed({ type: 'reach', ok: true })
    check(['web', true])
    expect(verdict).toMatchObject({ type: 'applied' })
  })

  it('what answered before the engine ended shows nothing', () => {
    begin()
    feed({ type: 'reach', ok: true })
    feed(applied)
    check()
    expect(verdict).toBeUndefined()
  })

  it('goes back where nobody is reached, and the results say so', () => {
    begin({ lacking: ['/big: 99 bytes do not fit'] })
    feed(applied)
    pass(1_000)
    check(['web', true])
    expect(pass(graceMs)).toEqual([...Array.from({ length: 5 }, () => 'reach'), 'journal restoring', 'restore'])
    feed({ type: 'reach', ok: true })
    expect(verdict).toBeUndefined()
    feed({ type: 'restored', uncovered: ['1:package:y', '9:command:other'], lacking: ['service s: it is stopped'] })
    expect(verdict).toBeUndefined()
    expect(pass(0)).toEqual(['reach'])
    expect(feed({ type: 'reach', ok: true })).toEqual(['forget'])
    expect(verdict).toEqual({
      type: 'rolled-back',
      reason:
        'rolled back: no neighbour was reached within 12 s; not put back: /big: 99 bytes do not fit, service s: it is stopped, 1:package:y',
      results: [
        { id: '0:file:/x', kind: 'file', outcome: 'failed', reason: 'rolled back' },
        { id: '1:package:y', kind: 'package', outcome: 'repaired', reason: 'this cannot be put back' },
        { id: '2:file:/z', kind: 'file', outcome: 'kept' },
      ],
    })
  })

  it('goes back where a monitor that passed before fails, and names it', () => {
    begin({
      monitors: [
        ['web', true],
        ['db', false],
      ],
    })
    feed(applied)
    pass(1_000)
    feed({ type: 'reach', ok: true })
    for (let round = 0; round < 8; round++) {
      check(['web', false], ['db', false])
      pass(roundMs)
    }
    feed({ type: 'restored', uncovered: [], lacking: [] })
    feed({ type: 'reach', ok: true })
    expect(verdict).toMatchObject({ reason: 'rolled back: "web" did not pass within 12 s' })
  })

  it('a monitor that hangs is not run twice at a time, and counts as failing', () => {
    begin()
    feed(applied)
    expect(pass(1_000)).toEqual(['reach', 'probe'])
    feed({ type: 'reach', ok: true })
    expect(pass(graceMs)).toEqual(['journal restoring', 'restore'])
  })

  it('waits after going back until a neighbour is reached, and says where none is within the grace time', () => {
    begin({ monitors: [] })
    feed(applied)
    pass(graceMs + roundMs)
    feed({ type: 'restored', uncovered: [], lacking: [] })
    expect(pass(graceMs).filter((what) => what === 'reach')).toHaveLength(6)
    expect(verdict).toMatchObject({
      reason: 'rolled back: no neighbour was reached within 12 s; still no neighbour is reached',
    })
  })

  it('one that reached nobody before is not waited for: a monitor alone brought it back', () => {
    begin({ reach: false })
    feed(applied)
    pass(graceMs + roundMs)
    feed({ type: 'restored', uncovered: [], lacking: [] })
    expect(verdict).toMatchObject({ reason: 'rolled back: "web" did not pass within 12 s' })
  })

  it("the answer of another bundle's monitors says nothing", () => {
    begin()
    feed(applied)
    pass(1_000)
    feed({ type: 'reach', ok: true })
    feed({ type: 'probed', name: 'other', version: 3, checks: [{ name: 'web', ok: true }] })
    expect(verdict).toBeUndefined()
  })

  it('an engine that gave no results is judged as well', () => {
    begin()
    feed({ type: 'applied', ...trial, outcome: { type: 'failed', reason: 'ENGINE_TIMEOUT' } })
    pass(graceMs + roundMs)
    expect(effects.at(-1)).toMatchObject({ type: 'restore', results: undefined })
  })

  it.each([
    ['forward', 40 * 365 * 86_400_000],
    ['back', -40 * 365 * 86_400_000],
  ])('a clock that the policy sets %s uses up none of the grace time', (_, jumpMs) => {
    begin({ monitors: [] })
    feed(applied)
    pass(1_000)
    now = after(now, jumpMs)
    expect(feed({ type: 'wake' })).toEqual(['reach'])
    expect(pass(roundMs)).toEqual(['reach'])
    feed({ type: 'reach', ok: true })
    expect(verdict).toMatchObject({ type: 'applied' })
  })
})

describe('killed in the middle', () => {
  it('of the apply: it is watched, and done again where it did no harm', () => {
    begin()
    restart()
    pass(1_000)
    check(['web', true])
    feed({ type: 'reach', ok: true })
    expect(verdict).toEqual({ type: 'again' })
  })

  it('of the apply that cut the machine off: it goes back, after twice the grace time', () => {
    begin()
    restart()
    const asked = pass(2 * graceMs)
    expect(asked).not.toContain('restore')
    expect(pass(1_000)).toEqual(['journal restoring', 'restore'])
    feed({ type: 'restored', uncovered: [], lacking: [] })
    feed({ type: 'reach', ok: true })
    expect(verdict).toMatchObject({ type: 'rolled-back', results: [] })
  })

  it('of the grace time: it goes on with the results that were there', () => {
    begin()
    feed(applied)
    restart()
    pass(1_000)
    check(['web', true])
    feed({ type: 'reach', ok: true })
    expect(verdict).toEqual({ type: 'applied', outcome: applied.outcome })
  })

  it('of going back: it goes back, whatever is reached by now', () => {
    begin()
    feed(applied)
    pass(graceMs + roundMs)
    restart()
    feed({ type: 'reach', ok: true })
    expect(effects.at(-1)).toMatchObject({ type: 'restore', results: repaired })
    expect(feed({ type: 'wake' })).toEqual([])
    feed({ type: 'restored', uncovered: [], lacking: [] })
    feed({ type: 'reach', ok: true })
    expect(verdict).toMatchObject({
      reason: 'rolled back: no neighbour was reached and "web" did not pass within 12 s',
    })
  })
})

describe('every state', () => {
  const inputs = [
    { type: 'kept', lacking: [] },
    { type: 'probed', ...trial, checks: [] },
    { type: 'reach', ok: false },
    { type: 'restored', uncovered: [], lacking: [] },
    { ...applied, name: 'other' },
    { ...applied, version: 2 },
    { type: 'release' },
  ] as const
  const states: [string, () => void, (typeof inputs)[number]['type'][]][] = [
    ['before', () => feed({ type: 'wake' }), ['kept', 'probed', 'reach']],
    ['applying', begin, []],
    ['watching', () => (begin(), feed(applied)), ['probed', 'reach']],
    ['restoring', () => (begin(), feed(applied), pass(2 * graceMs)), ['restored']],
    [
      'recovering',
      () => {
        begin()
        feed(applied)
        pass(2 * graceMs)
        feed({ type: 'restored', uncovered: [], lacking: [] })
        pass(0)
      },
      ['reach'],
    ],
  ]
  it.each(states)('%s passes over what does not belong to it', (_, reach, own) => {
    reach()
    for (const input of inputs) {
      if (own.includes(input.type)) continue
      expect(feed(input)).toEqual([])
      expect(verdict, input.type).toBeUndefined()
    }
  })
})

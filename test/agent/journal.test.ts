import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Journal, type BundleEntry } from '#agent/journal.ts'

const facts = sha256(utf8('facts'))
const entry = (name: string, version: number, state: BundleEntry['state'] = 'applied'): BundleEntry => ({
  type: 'bundle',
  name,
  version,
  state,
  at: version,
  prepared: true,
  results: [],
})

describe('the journal of an agent', () => {
  it('says of each bundle what its newest entry says', () => {
    const journal = Journal.replay([entry('web', 1), entry('db', 1), entry('web', 2, 'applying')])
    expect([...journal.bundles.values()]).toEqual([entry('web', 2, 'applying'), entry('db', 1)])
  })

  it('never falls back in the number of the last report', () => {
    const journal = Journal.replay([
      { type: 'report', seq: 7, said: facts },
      { type: 'report', seq: 3 },
    ])
    expect([journal.seq, journal.said, journal.saidSeq]).toEqual([7, facts, 7])
  })

  it('passes over what a newer program wrote, and what is no entry', () => {
    const journal = Journal.replay([
      { type: 'poem' },
      null,
      5,
      'web',
      [],
      { type: 'report', seq: 'many' },
      entry('web', 1),
    ])
    expect([journal.seq, journal.bundles.size]).toEqual([0, 1])
  })

  it('written anew in the fewest entries says the same', () => {
    const entries = fc.array(
      fc.oneof(
        fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(9)).map(([name, version]) => entry(name, version)),
        fc.nat(99).map((seq) => ({ type: 'report', seq, at: seq, said: facts })),
      ),
    )
    fc.assert(
      fc.property(entries, (all) => {
        const journal = Journal.replay(all)
        const again = Journal.replay(JSON.parse(JSON.stringify(journal.entries())) as unknown[])
        expect([again.seq, again.said, again.bundles]).toEqual([journal.seq, journal.said, journal.bundles])
        expect(again.entries()).toEqual(journal.entries())
      }),
      { seed: 3, numRuns: 100 },
    )
  })
})

describe('a trial in the journal', () => {
  const trial = {
    type: 'trial',
    name: 'web',
    version: 2,
    phase: 'watching',
    connected: true,
    passing: [],
    lacking: [],
  } as const
  const end = { type: 'bundle', name: 'web', version: 2, state: 'applied', at: 1, prepared: true, results: [] } as const

  it('is gone on with after a restart, also after the journal was rewritten', () => {
    const journal = Journal.replay([{ ...trial, phase: 'begun' }, { ...end, state: 'applying' }, trial])
    expect(journal.trial).toEqual(trial)
    expect(Journal.replay(journal.entries()).trial).toEqual(trial)
  })

  it.each([
    ['the end of its bundle', end],
    ['its own end', { ...trial, phase: 'ended' }],
  ])('is over with %s, in one line', (_, entry) => {
    expect(Journal.replay([trial, entry]).trial).toBeUndefined()
  })

  it('is not over with what becomes of another bundle or version', () => {
    for (const other of [
      { ...end, name: 'db' },
      { ...end, version: 3 },
    ])
      expect(Journal.replay([trial, other]).trial).toEqual(trial)
  })
})

import { describe, expect, it } from 'vitest'
import { besideRowOf, ownRowOf } from '#sim/bench/beside-table.ts'
import type { PhaseResult } from '#sim/testbed/phase.ts'

/** A thousand bytes for two sites, of which the first took more of its line; the bound is 10 s. */
const phase = (lastS: number, lacking: readonly string[] = []): PhaseResult => ({
  name: 'start',
  done: lacking.length === 0,
  uniqueBytes: 1000,
  boundS: 10,
  firstReadyS: 1,
  lastReadyS: 2,
  firstS: 11,
  lastS,
  originUpBytes: 2100,
  coresIdle: 0,
  sites: [
    { site: 'lyon', bps: 8e6, downBytes: 1060, upBytes: 70_000, factor: 1.06, lastS, series: [] },
    { site: 'berlin', bps: 8e6, downBytes: 1040, upBytes: 30_000, factor: 1.04, lastS, series: [] },
  ],
  lacking,
})
const other = { tool: 'http', version: 'curl 7', setting: '', cpuS: 0.5, faults: [] }

describe('the table of other tools', () => {
  it('shows the worst site, and the time from the start of all for everybody alike', () => {
    expect(besideRowOf('three-sites', { ...other, phase: phase(12) })).toBe(
      '| three-sites | http | 1.060 | 1.20 | 11.0 12.0 | 0.07 | 2.10 | 0.5 |  |',
    )
    const cost = { rssBytes: 1, peakRssBytes: 1, cpuMs: 1500 }
    const members = [
      { name: 'hq', cost },
      { name: 'lyon/desktop/0', cost },
    ]
    const own = { scenario: 'three-sites', phases: [phase(12)], members, drops: { down: 0, up: 0 }, faults: [] }
    expect(ownRowOf('three-sites', own)).toBe(
      '| three-sites | grapevine | 1.060 | 1.20 | 11.0 12.0 | 0.07 | 2.10 | 3.0 |  |',
    )
  })

  it('gives no time to a tool that did not bring everything, or brought wrong bytes', () => {
    expect(besideRowOf('a', { ...other, phase: phase(12, ['lyon/desktop/0']) })).toMatch(
      /\| \? \| 11\.0 \? \|.*\| not done: lyon\/desktop\/0 \|$/,
    )
    expect(besideRowOf('a', { ...other, phase: phase(12), faults: ['x has wrong bytes'] })).toMatch(
      /\| not done: x has wrong bytes \|$/,
    )
  })

  it('names a tool that is not installed, without any number', () => {
    const missing = { tool: 'aria2', version: undefined, setting: '', faults: [] }
    expect(besideRowOf('a', missing)).toBe('| a | aria2 | | | | | | | not installed |')
  })
})

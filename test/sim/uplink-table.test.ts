import { describe, expect, it } from 'vitest'
import { tableOf } from '#sim/bench/uplink-table.ts'
import type { RunResult } from '#sim/testbed/run.ts'

/** A run of one phase: bytes over the line for a thousand that were lacking, and when the last client had them; the bound is 10 s. */
function run(downBytes: number, lastS: number | undefined, lacking: readonly string[] = []): RunResult {
  const site = { site: 'lyon', bps: 8e6, downBytes, upBytes: 0, factor: downBytes / 1000, lastS, series: [] }
  const phase = {
    name: 'start',
    done: lacking.length === 0,
    uniqueBytes: 1000,
    boundS: 10,
    coresIdle: 0,
    originUpBytes: 1000,
  }
  const times = { firstReadyS: 1, lastReadyS: 2, firstS: 3, lastS }
  return {
    scenario: 'one-site-8',
    phases: [{ ...phase, ...times, sites: [site], lacking }],
    members: [],
    drops: { down: 0, up: 0 },
    faults: [],
  }
}

const row = (what: string, ...results: readonly RunResult[]): string =>
  tableOf([{ name: 'one-site-8+relay', results }]).find((line) => line.includes(`| ${what} |`)) ?? ''

describe('the table of the uplink bench', () => {
  it('shows every run, and judges by the worst', () => {
    expect(row('line bytes / unique bytes', run(1050, 11), run(1060, 11))).toBe(
      '| one-site-8+relay | line bytes / unique bytes | 1.050 1.060 | 1.08 |  |',
    )
    expect(row('line bytes / unique bytes', run(1090, 11), run(1060, 11))).toMatch(/\| over \|$/)
    expect(row('last / bound', run(1050, 12.1))).toMatch(/1\.210 \| 1\.2 \| over \|$/)
    expect(row('last / bound, from the first ready', run(1050, 12.9))).toMatch(/1\.190 \| 1\.2 \|  \|$/)
  })

  it('never calls a run good that did not end', () => {
    expect(row('line bytes / unique bytes', run(500, 5, ['lyon/desktop/0']))).toMatch(/\| 1 of 1 runs not done \|$/)
    expect(row('last / bound', run(500, 5, ['lyon/desktop/0']))).toMatch(/\| \? \| 1\.2 \| 1 of 1 runs not done \|$/)
  })
})

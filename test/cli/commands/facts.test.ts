import { describe, expect, it } from 'vitest'
import { factsText } from '#cli/commands/facts.ts'
import type { FactsDocument } from '#node/self-portrait.ts'

const now = Date.UTC(2026, 2, 6, 16)
const document: FactsDocument = {
  name: 'till-7',
  site: 'berlin',
  role: 'client',
  labels: { role: 'web' },
  facts: { hostname: 'till-7', os: { family: 'debian', version: '12' }, local: { floors: ['1', '2'], none: [] } },
  machine: { cpu: { threads: 4 }, disks: {} },
  packages: [{ name: 'nginx', arch: 'amd64', version: '1.22' }],
  reported: { number: 9, at: new Date(now - 120_000).toISOString(), received: true },
  told: { facts: 1, inventory: 4, underWay: false },
  bytes: { first: 16_457, quiet: 329 },
}

describe('the text of facts', () => {
  it('is what is told, one fact a line, and when it was told and what that takes', () => {
    expect(factsText(document, now)).toEqual([
      'hostname: till-7',
      'os.family: debian',
      'os.version: 12',
      'local.floors: 1, 2',
      'cpu.threads: 4',
      'packages: 1 (the list: grapevine facts --json)',
      '',
      'Report 9 was made 2 min ago; the origin has it.',
      'The origin has all of this, the packages by report 4.',
      'On the line: 16.1 KiB to say all of this once, 329 B on a day without news.',
    ])
  })

  it('says what the origin has not got yet', () => {
    const open = { ...document, reported: { number: 0, at: null, received: false } }
    expect(factsText({ ...open, told: { facts: 0, inventory: 0, underWay: false } }, now).slice(-3, -1)).toEqual([
      'Nothing was reported yet.',
      'The origin has no list of packages from here yet.',
    ])
    expect(factsText({ ...document, told: { ...document.told, underWay: true } }, now).at(-2)).toMatch(/on their way/)
  })
})

import { describe, expect, it } from 'vitest'
import { siteText } from '#cli/commands/site.ts'
import type { SiteDocument } from '#node/site.ts'

const now = Date.UTC(2026, 2, 6, 16)
const at = (seconds: number): string => new Date(now + seconds * 1000).toISOString()
const member = { peerId: '12D3KooWtill', role: 'client', release: 4, heardSeconds: 1 } as const
const site: SiteDocument = {
  site: 'berlin',
  release: 4,
  members: [
    { ...member, name: 'relay-1', state: 'ready', missingBytes: 0 },
    { ...member, name: 'till-7', state: 'fetching', missingBytes: 4_194_304 },
    { ...member, name: 'till-8', state: 'absent', missingBytes: 0 },
  ],
  unheard: 1,
  window: { opens: at(7_200), closes: at(10_800), bundle: 'web' },
  ready: false,
  missingBytes: 3_145_728,
  rateBytesPerSecond: 1_048_576,
  readyAt: at(240),
  limit: 'line',
  since: at(-120),
}

describe('the text of site', () => {
  it('says in a few lines what is missing, of whom, and until when', () => {
    expect(siteText(site, now)).toEqual([
      'site berlin is not ready for the window of web, which opens in 2 h: 1 of 2 members have release 4 (so for 2 min)',
      '3.0 MiB have yet to come over the line at 1.0 MiB a second: ready in 4 min by the present rate',
      'open: till-7 (fetching, lacks 4.0 MiB)',
      'known and not there, so not counted: 2',
    ])
  })

  it('says so where that is too late', () => {
    expect(siteText({ ...site, readyAt: at(8_000) }, now)[1]).toMatch(/after the window opens$/)
    const open = { opens: at(-60), closes: at(600), bundle: 'web' }
    expect(siteText({ ...site, window: open }, now)[0]).toContain('for the open window of web, which closes in 10 min')
  })

  it('is one line where all is well', () => {
    const ready = { ...site, ready: true, limit: null, members: site.members.slice(0, 1), unheard: 0, window: null }
    expect(siteText(ready, now)).toEqual(['site berlin is ready: 1 of 1 members have release 4 (so for 2 min)'])
  })

  it('counts members beyond a few', () => {
    const members = Array.from({ length: 11 }, () => site.members[1]!)
    expect(siteText({ ...site, members }, now)[2]).toMatch(/ and 3 more$/)
  })
})

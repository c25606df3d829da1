import { describe, expect, it } from 'vitest'
import type { VersionsDocument } from '#node/rollback.ts'
import { versionsText } from '../../../src/cli/commands/rollback.ts'

const row: VersionsDocument['versions'][number] = {
  version: 2,
  published: '2026-03-06T16:00:30.000Z',
  files: 3,
  bytes: 2_048,
  from: null,
  urgent: false,
  complete: true,
}
const versions: VersionsDocument['versions'] = [
  { ...row, version: 3, from: 1, urgent: true },
  row,
  { ...row, version: 1, published: null, files: null, bytes: null, complete: false },
]

describe('the versions of a bundle', () => {
  it('are told with their date and what can be done with each', () => {
    expect(versionsText({ release: 7, name: 'web', version: 3, withdrawn: null, versions })).toEqual([
      'VERSION  PUBLISHED (UTC)   FILES  SIZE',
      '3        2026-03-06 16:00  3      2.0 KiB  in force, again version 1, urgent',
      '2        2026-03-06 16:00  3      2.0 KiB  can be rolled back to',
      '1        unknown           ?      ?        contents are gone',
    ])
  })

  it('of a withdrawn one say since when, and none is in force', () => {
    const text = versionsText({
      release: 7,
      name: 'web',
      version: null,
      withdrawn: '2026-03-07T09:00:00.000Z',
      versions,
    })
    expect(text[0]).toBe('web is withdrawn since 2026-03-07 09:00 UTC')
    expect(text.join('\n')).not.toContain('in force')
  })
})

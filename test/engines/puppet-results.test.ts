import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readPuppetReport, reasonOf, textAt, type PuppetResource } from '#engines/puppet-report.ts'
import {
  compiledFinding,
  compiledResult,
  indexOf,
  rawFindings,
  rawResults,
  type Told,
} from '#engines/puppet-results.ts'

const resource = (parts: Partial<PuppetResource> = {}): PuppetResource => ({
  type: 'Exec',
  title: '0:line:/a',
  outcome: 'kept',
  events: [],
  words: [],
  ...parts,
})
const told = (resources: PuppetResource[], words: string[] = []): Told => ({
  report: { errors: [], resources },
  words: new Map([[0, words]]),
})
const event = (message: string): PuppetResource['events'][number] => ({
  property: 'ensure',
  previous: 'absent',
  desired: 'file',
  message,
})

describe('the result of a resource', () => {
  it.each<[string, PuppetResource[], string[], ReturnType<typeof compiledResult>]>([
    ['kept', [resource()], [], { outcome: 'kept' }],
    ['changed', [resource({ outcome: 'changed' })], ['x'], { outcome: 'repaired' }],
    ['kept, by its program', [resource()], ['skipped: no need'], { outcome: 'skipped', reason: 'no need' }],
    [
      'failed, with the words of its program',
      [resource({ outcome: 'failed', events: [event('sh returned 1')] })],
      ['no luck', 'failed: exit code 3'],
      { outcome: 'failed', reason: 'exit code 3: no luck' },
    ],
    [
      'skipped by Puppet',
      [
        resource({
          outcome: 'skipped',
          words: [{ level: 'warning', text: 'Skipping because of failed dependencies' }],
        }),
      ],
      [],
      { outcome: 'skipped', reason: 'Skipping because of failed dependencies' },
    ],
    [
      'kept, but its guard could not be run',
      [resource({ words: [{ level: 'err', text: "Could not find command '/bin/sh'" }] })],
      [],
      { outcome: 'failed', reason: "Could not find command '/bin/sh'" },
    ],
    [
      'removed, says Puppet of a directory that it left',
      [
        resource({
          type: 'File',
          outcome: 'changed',
          words: [{ level: 'notice', text: "Not removing directory; use 'force' to override" }],
        }),
      ],
      [],
      { outcome: 'failed', reason: 'it is a directory' },
    ],
    [
      'made, though its place could not be',
      [resource({ title: '0:line:/a place', outcome: 'failed' }), resource({ outcome: 'changed' })],
      [],
      { outcome: 'failed', reason: 'Puppet does not say why' },
    ],
    ['not told', [resource({ title: '1:line:/a' })], [], { outcome: 'failed', reason: 'no result from Puppet' }],
  ])('that is %s', (_, resources, words, result) => {
    expect(compiledResult(told(resources, words), '0:line:/a', 0)).toEqual(result)
  })

  it('that was not compiled is a failure', () => {
    expect(compiledResult(told([]), '9:x', -1)).toEqual({ outcome: 'failed', reason: 'not compiled' })
  })
})

describe('what was seen of a resource', () => {
  const seen = (parts: Partial<PuppetResource>, words: string[] = []): string | undefined =>
    compiledFinding(told([resource(parts)], words), '0:line:/a', 0)

  it('is nothing where it is as wanted, and the reason where that cannot be told', () => {
    expect(seen({})).toBeUndefined()
    expect(seen({ title: 'other' })).toBe('no result from Puppet')
    expect(seen({ outcome: 'pending' }, ['failed: zypper is not here'])).toBe('zypper is not here')
    expect(seen({ outcome: 'failed' }, [])).toBe('Puppet does not say why')
  })

  it.each([
    ['ensure', 'absent', 'file', 'missing'],
    ['ensure', 'file', 'absent', 'present'],
    ['ensure', 'directory', 'file', 'it is a directory'],
    ['ensure', 'link', 'file', 'other content'],
    ['ensure', 'link', 'absent', 'present'],
    ['ensure', 'fifo', 'file', 'a fifo'],
    ['mode', '0644', '0600', 'mode 0644'],
    ['owner', '0', '1', 'another owner'],
    ['group', '0', '1', 'another group'],
    ['content', '{sha256}a', '{sha256}b', 'other content'],
  ])('of a file: %s %s for %s is "%s"', (property, previous, desired, words) => {
    expect(seen({ type: 'File', outcome: 'pending', events: [{ property, previous, desired, message: '' }] })).toBe(
      words,
    )
  })
})

describe("a policy of Puppet's own", () => {
  it('has no result for what Puppet adds by itself or only says, and short ids', () => {
    const resources = [
      resource({ type: 'Schedule', title: 'puppet' }),
      resource({ type: 'Notify', title: 'hello', outcome: 'changed' }),
      resource({ type: 'File', title: `/${'a'.repeat(300)}`, outcome: 'changed' }),
    ]
    const results = rawResults({ errors: [], resources })
    expect(results).toMatchObject([{ kind: 'raw', outcome: 'repaired' }])
    expect(results[0]?.id).toHaveLength(200)
    expect(rawFindings({ errors: [], resources: resources.slice(0, 2) })).toEqual([])
  })

  it('with more resources than a report takes tells those that were not kept', () => {
    const resources = Array.from({ length: 5000 }, (_, index) =>
      resource({ title: String(index), outcome: index % 2500 === 0 ? 'failed' : 'kept' }),
    )
    expect(rawResults({ errors: [], resources }).map(({ id }) => id)).toEqual(['0:raw:Exec[0]', '2500:raw:Exec[2500]'])
    expect(rawFindings({ errors: [], resources })).toMatchObject([{ wanted: 'no failure' }, { wanted: 'no failure' }])
  })
})

describe('a reason', () => {
  it('is the cause alone, once, without the place in a manifest that we wrote', () => {
    const message =
      "change from 'absent' to 'file' failed: Could not set 'file' on ensure: Could not find user x (file: /a b/site.pp, line: 9)"
    const words = [{ level: 'err', text: message }]
    expect(reasonOf(resource({ outcome: 'failed', events: [event(message)], words }))).toBe('Could not find user x')
  })

  it('is cut, and holds nothing that steers a terminal', () => {
    const reason = reasonOf(resource({ outcome: 'failed', events: [event(`\u001b[2J${'x'.repeat(2000)}`)] }))
    expect(reason).toHaveLength(500)
    expect(reason).not.toMatch(/\p{Cc}/u)
  })
})

describe('a report', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'grapevine-puppet-report-test-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('that is not there, cut off, or larger than we read is none', async () => {
    const path = join(folder, 'report.json')
    expect(await readPuppetReport(path)).toBeUndefined()
    await writeFile(path, '{"errors": [')
    expect(await readPuppetReport(path)).toBeUndefined()
    expect(await textAt(path, 11)).toBeUndefined()
    expect(await textAt(path, 12)).toBe('{"errors": [')
  })

  it('counts the words of programs by the names of their files', () => {
    expect(['words-0', 'words-12', 'words-', 'words-1x', 'conf', 'words-9999999999'].map(indexOf)).toEqual([
      0,
      12,
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })
})

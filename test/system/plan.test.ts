/** What an admin asks before and after a publish: who gets it, when it may be applied, and what it would undo. */
import { writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { WindowsDocument } from '#node/windows.ts'
import { Bench } from '../support/program.ts'

let bench: Bench
beforeEach(async () => {
  bench = await Bench.make()
})
afterEach(() => bench.end())

const policy = (name: string, more: string): Promise<string> =>
  bench.policy(name, { 'policy.yaml': `policy: ${name}\n${more}` })
const weekly =
  'windows: [{ rule: "FREQ=WEEKLY;BYDAY=SA", start: "2026-01-03T02:30", duration: 3h, zone: Europe/Berlin }]\n'

describe('check --for', () => {
  it('says which bundles a machine would get and why not the others, by a file of its facts', async () => {
    const [all, web] = [await policy('all', ''), await policy('web', 'select: { labels: { role: web } }\n')]
    const file = bench.path('db.json')
    await writeFile(
      file,
      JSON.stringify({ name: 'db-1', role: 'client', site: 'berlin', labels: { role: 'db' }, facts: {} }),
    )
    const { code, stdout } = await bench.run(['check', '--for', file, all, web])
    expect([code, stdout.split('\n').slice(-3, -1)]).toEqual([
      0,
      ['all: meant for db-1', 'web: not meant for db-1: label role: wanted web, has db'],
    ])
    const { json } = await bench.run(['check', '--for', file, '--json', web])
    expect(json['for']).toMatchObject({
      device: { name: 'db-1', site: 'berlin' },
      policies: [
        { name: 'web', meant: false, mismatches: [{ part: 'label', name: 'role', wanted: 'web', has: 'db' }] },
      ],
    })
    await writeFile(file, '{ "role": "king" }')
    expect((await bench.run(['check', '--for', file, '--json', all])).json['error']).toMatchObject({
      code: 'DEVICE_FILE_INVALID',
    })
  }, 60_000)

  it('reads what a machine says of itself by grapevine facts', async () => {
    await bench.origin()
    await bench.member('web', 'berlin', { labels: ['role=web'] })
    const said = await bench.run(['facts', '--json', '--home', bench.path('web')])
    await writeFile(bench.path('web.json'), said.stdout)
    const web = await policy('web', 'select: { labels: { role: web }, sites: [berlin] }\n')
    const { json } = await bench.run(['check', '--for', bench.path('web.json'), '--json', web])
    expect(json['for']).toMatchObject({ device: { name: 'web' }, policies: [{ name: 'web', meant: true }] })
  }, 60_000)

  it('knows a device of the fleet by its name, and says where it does not', async () => {
    await bench.origin()
    const all = await policy('all', '')
    const answer = await bench.run(['check', '--for', 'ghost', '--home', bench.path('origin'), '--json', all])
    expect([answer.code, answer.json['error']]).toMatchObject([1, { code: 'DEVICE_UNKNOWN' }])
  }, 60_000)
})

describe('bundles that would undo each other', () => {
  it('are refused at check and at publish, with both places, and not where no device gets both', async () => {
    await bench.origin()
    const present = await policy('present', 'resources:\n  - package: { name: nginx }\n')
    const absent = await policy('absent', 'resources:\n  - package: { name: nginx, state: absent }\n')
    const lyon = await policy(
      'lyon',
      'select: { sites: [lyon] }\nresources:\n  - package: { name: nginx, state: absent }\n',
    )
    const checked = await bench.run(['check', present, absent])
    expect([checked.code, checked.stdout]).toEqual([
      1,
      expect.stringMatching(
        /absent\/policy\.yaml:3:22: package nginx is wanted by present too \(.*present\/policy\.yaml:3:22\)/,
      ),
    ])
    const publish = (dir: string) => bench.run(['publish', '--home', bench.path('origin'), '--json', dir])
    expect((await publish(present)).code).toBe(0)
    const refused = await publish(absent)
    expect(refused.code).toBe(1)
    expect(refused.json['problems']).toMatchObject([{ code: 'POLICY_BUNDLES_CONFLICT', line: 3, column: 22 }])
    expect(refused.stdout).toContain('present version 1: policy.yaml:3:22')
    expect((await publish(present)).code).toBe(0)
    await bench.policy('present', {
      'policy.yaml': 'policy: present\nselect: { sites: [berlin] }\nresources:\n  - package: { name: nginx }\n',
    })
    expect((await publish(present)).code).toBe(0)
    expect((await publish(lyon)).code).toBe(0)
  }, 90_000)
})

describe('windows', () => {
  it('tells the next openings of what is meant for a member, without a daemon, of one bundle or of a folder', async () => {
    await bench.origin()
    const dir = await policy('nightly', `${weekly}select: { sites: [origin] }\n`)
    const always = await policy('always', 'select: { sites: [origin] }\n')
    const ofFolder = (await bench.ask('origin', ['windows', dir, '--count', '2'])) as unknown as WindowsDocument
    expect(ofFolder.bundles).toMatchObject([{ name: 'nightly', version: null, anyTime: false }])
    expect(ofFolder.bundles[0]?.openings.map(({ seconds, zone }) => [seconds, zone])).toEqual([
      [10_800, 'Europe/Berlin'],
      [10_800, 'Europe/Berlin'],
    ])
    await bench.ask('origin', ['publish', dir, always])
    const { bundles } = (await bench.ask('origin', ['windows'])) as unknown as WindowsDocument
    expect(bundles).toMatchObject([
      { name: 'always', version: 1, anyTime: true, openings: [] },
      { name: 'nightly', version: 1, openings: Array.from({ length: 5 }, () => ({ seconds: 10_800 })) },
    ])
    const text = await bench.run(['windows', 'nightly', '--home', bench.path('origin')])
    expect(text.stdout).toMatch(/^nightly {2}\d{4}-\d\d-\d\d 0[23]:30 Europe\/Berlin/m)
    const unknown = await bench.run(['windows', 'weekly', '--home', bench.path('origin'), '--json'])
    expect([unknown.code, unknown.json['error']]).toMatchObject([1, { code: 'BUNDLE_UNKNOWN' }])
    const faulty = await bench.run(['windows', '--json', await policy('faulty', 'resurces: []\n')])
    expect([faulty.code, faulty.json['error']]).toMatchObject([1, { code: 'POLICY_FAULTY' }])
  }, 90_000)
})

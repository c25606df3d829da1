import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { bundleBytes, nodesOf, parseScenario } from '#sim/scenario.ts'
import { quantityOf } from '#sim/quantity.ts'

const head = `version: 1
name: two
general: { stop_time: 60 s }
origins:
  - { id: hq, bandwidth_down: 20 Mbit, bandwidth_up: 1 Gbit }
`
const lyon = `sites:
  - id: lyon
    uplink: { bandwidth_down: 2 Mbit, bandwidth_up: 512 kbit }
    groups: [{ id: desktop, role: client, count: 2 }]
`
const app = `bundles:
  - { id: app, size: 4 MiB, files: { count: 200, size: 4 KiB } }
`
const whole = head + lyon + app

/** The error about a text that must be refused. */
function faultOf(text: string): unknown {
  try {
    return parseScenario(text, 'a.yaml')
  } catch (error) {
    return error
  }
}

describe('a scenario file', () => {
  it('gives rates in bits a second, sizes in bytes and times in milliseconds', () => {
    const scenario = parseScenario(whole, 'a.yaml')
    expect(scenario.general.stop_time).toBe(60_000)
    expect(scenario.origins[0]?.bandwidth_up).toBe(1e9)
    expect(scenario.sites[0]?.uplink).toEqual({ bandwidthDown: 2e6, bandwidthUp: 512_000, latency: 0, queue: 100 })
    expect(scenario.bundles.map(bundleBytes)).toEqual([4 * 1_048_576 + 200 * 4096])
  })

  it('counts sites out and names every device by site, group and number', () => {
    const scenario = parseScenario(head + lyon.replace('id: lyon', 'id: lyon\n    count: 2') + app, 'a.yaml')
    expect(scenario.sites.flatMap((site) => nodesOf(site).map(({ name }) => name))).toEqual([
      'lyon-0/desktop/0',
      'lyon-0/desktop/1',
      'lyon-1/desktop/0',
      'lyon-1/desktop/1',
    ])
  })

  it('takes defaults of uplinks where a site says nothing else', () => {
    const text = whole.replace('origins:', 'defaults: { uplink: { latency: 20 ms } }\norigins:')
    expect(parseScenario(text, 'a.yaml').sites[0]?.uplink.latency).toBe(20)
  })

  it('says when: at a time, at a share of what a site lacks, or when all is done', () => {
    const text = `${whole}faults:
  - { kind: crash, at: 1.5 s, node: lyon/desktop/0 }
  - { kind: crash, at: 50 %, site: lyon, pick: busiest, restart_after: 5 s }
  - { kind: uplink_down, at: done, site: lyon }
`
    expect(parseScenario(text, 'a.yaml').faults?.map((fault) => 'at' in fault && fault.at)).toEqual([
      { type: 'time', ms: 1500 },
      { type: 'progress', share: 0.5 },
      { type: 'done' },
    ])
  })

  it.each([
    ['an unknown key', whole.replace('role: client', 'rule: client'), 'a.yaml:9:29', /no setting "rule"/],
    ['a rate without a unit', whole.replace('2 Mbit', '2000'), 'a.yaml:8:31', /must be a quantity such as 2 Mbit/],
    ['a size with a unit of time', whole.replace('4 MiB', '4 ms'), 'a.yaml:11:22', /must be a quantity such as 64 MiB/],
    ['a kind of fault that is none', `${whole}faults: [{ kind: fire, at: done }]`, 'a.yaml:12:18', /crash, pause/],
    ['a moment that is none', `${whole}faults: [{ kind: crash, at: soon }]`, 'a.yaml:12:29', /a time such as 10 s/],
    ['a site without a line', whole.replace(/ {4}uplink.*\n/, ''), 'a.yaml:7:5', /sites\.0\.uplink is missing/],
    ['no YAML', `${whole}\tfaults: []`, 'a.yaml:12:1', /./],
    ['a key that is there twice', `${whole}name: three\n`, 'a.yaml:12:1', /twice/],
  ])('with %s is refused with the place', (_, text, where, message) => {
    const told = {
      name: 'Misconfigured',
      code: 'SCENARIO_INVALID',
      where,
      message: expect.stringMatching(message) as string,
    }
    expect(faultOf(text)).toMatchObject(told)
  })

  it('of the repository can be read, and bears the name of its file', () => {
    const folder = new URL('../../sim/scenarios/', import.meta.url)
    const files = readdirSync(folder)
    expect(files.length).toBeGreaterThan(0)
    for (const file of files)
      expect(`${parseScenario(readFileSync(new URL(file, folder), 'utf8'), file).name}.yaml`).toBe(file)
  })
})

describe('a quantity', () => {
  it('knows decimal rates, binary sizes and times', () => {
    expect(quantityOf('256 kbit', 'rate')).toBe(256_000)
    expect(quantityOf('1.5GiB', 'size')).toBe(1.5 * 1024 ** 3)
    expect(quantityOf('300 us', 'time')).toBe(0.3)
  })

  it.each(['', '5', 'Mbit', '5 mbit', '-5 Mbit', '5 MB', '5 constructor', '1e3 bit', '5  Mbit'])(
    '"%s" is no rate',
    (text) => expect(quantityOf(text, 'rate')).toBeUndefined(),
  )
})

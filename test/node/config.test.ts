import { afterEach, describe, expect, it, vi } from 'vitest'
import { configText, homeFolder, machineName, parseConfig } from '#node/config.ts'

const fault = (text: string): unknown => {
  try {
    return parseConfig(text, 'config.yaml')
  } catch (error) {
    return error
  }
}

describe('config.yaml', () => {
  it('may be empty: every setting has a default', () => {
    expect(parseConfig('', 'config.yaml')).toEqual({
      listen: ['/ip4/0.0.0.0/tcp/47100'],
      bootstrap: [],
      lan: { discovery: true, port: 47_100, up: undefined },
      wan: { down: undefined, up: undefined, polite: true, schedule: [] },
      disk: { quotaBytes: 20 * 2 ** 30, versions: 5 },
      urgent: 'window',
      probationMs: 60_000,
      trade: false,
      facts: {},
      engine: { timeout: 'PT1H', pretendRoot: undefined },
    })
  })

  it('as it is written by init and join reads back as what was given, and shows the rest as comments', () => {
    const text = configText({ listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: ['/ip4/192.0.2.1/tcp/47100'] })
    expect(parseConfig(text, 'c')).toMatchObject({
      listen: ['/ip4/127.0.0.1/tcp/0'],
      bootstrap: ['/ip4/192.0.2.1/tcp/47100'],
    })
    expect(parseConfig(configText({}), 'c')).toEqual(parseConfig('', 'c'))
  })

  it('takes facts of this machine that no program finds out', () => {
    expect(parseConfig('facts: { rack: b7, floor: 3, spare: true }', 'c').facts).toEqual({
      rack: 'b7',
      floor: 3,
      spare: true,
    })
  })

  it('says how long a machine is on probation after an apply, or that it never is', () => {
    expect(parseConfig('probation: 5m', 'c').probationMs).toBe(300_000)
    for (const never of ['off', 'false']) expect(parseConfig(`probation: ${never}`, 'c').probationMs).toBeUndefined()
    for (const wrong of ['60', '0s', '2h', 'on'])
      expect(() => parseConfig(`probation: ${wrong}`, 'c')).toThrow(/duration from 1s to 1h/)
  })

  it('lets a relay trade only where it says so', () => {
    expect([parseConfig('trade: true', 'c').trade, parseConfig('trade: false', 'c').trade]).toEqual([true, false])
  })

  it('takes sizes with their unit', () => {
    const quotaOf = (text: string): number => parseConfig(`disk: { quota: ${text} }`, 'c').disk.quotaBytes
    expect(['500 MiB', '1.5GiB', '2 TiB', '0 MiB'].map(quotaOf)).toEqual([500 * 2 ** 20, 1.5 * 2 ** 30, 2 ** 41, 0])
  })

  it.each([
    ['listne: []', 'config.yaml:1:1', /listne/],
    ['lan:\n  prot: 1', 'config.yaml:2:3', /prot/],
    ['lan:\n  port: 99999', 'config.yaml:2:3', /lan\.port/],
    ['lan: { discovery: maybe }', 'config.yaml:1:8', /true or false/],
    ['trade: maybe', 'config.yaml:1:1', /true or false/],
    ['listen: [nowhere]', 'config.yaml:1:1', /listen/],
    ['engine: { timeout: soon }', 'config.yaml:1:11', /duration/],
    ['facts: { "a b": 1 }', 'config.yaml:1:10', /facts/],
    ['disk: { quota: 20 }', 'config.yaml:1:9', /20 GiB/],
    ['urgent: always', 'config.yaml:1:1', /window, any/],
    ['disk: { versions: 0 }', 'config.yaml:1:9', /from 1 to 100/],
    ['disk: { quota: 20 GB }', 'config.yaml:1:9', /20 GiB/],
    ['disk: { quota: -1 GiB }', 'config.yaml:1:9', /20 GiB/],
    ['disk:\n  size: 1 GiB', 'config.yaml:2:3', /quota/],
    ['wan: { down: 4 MB }', 'config.yaml:1:8', /256 kbit/],
    ['wan: { up: 8 kbit }', 'config.yaml:1:8', /at least 32 kbit/],
    ['wan: { polite: maybe }', 'config.yaml:1:8', /true or false/],
    ['wan:\n  speed: 1 Mbit', 'config.yaml:2:3', /down, up, polite, schedule/],
    [
      'wan:\n  schedule:\n    - { from: "07:00", to: "19:00" }\n    - { from: 7, to: "19:00" }',
      'config.yaml:4:9',
      /07:00/,
    ],
    ['wan:\n  schedule:\n    - { days: mon-mo, from: "07:00", to: "19:00" }', 'config.yaml:3:9', /mon-fri/],
    ['wan:\n  schedule:\n    - { from: "07:00", to: "07:00" }', 'config.yaml:3:24', /another time/],
    ['wan:\n  schedule:\n    - { from: "07:00", till: "08:00" }', 'config.yaml:3:24', /till/],
    ['wan: { schedule: mon-fri }', 'config.yaml:1:8', /schedule/],
    ['lan: { up: fast }', 'config.yaml:1:8', /rate/],
    ['facts: [1]', 'config.yaml:1:1', /facts/],
    ['- a', 'config.yaml:1:1', /object/],
    ['a: [', 'config.yaml:1:5', /./],
  ])('%s is refused with its line and column', (text, where, message) => {
    expect(fault(text)).toMatchObject({
      code: 'CONFIG_INVALID',
      where,
      message: expect.stringMatching(message) as string,
    })
  })
})

describe('the home folder', () => {
  afterEach(() => vi.unstubAllEnvs())

  it('is the one given, else the one of the environment, else by who we are', () => {
    vi.stubEnv('GRAPEVINE_HOME', '/srv/g')
    expect([homeFolder('/x'), homeFolder(undefined)]).toEqual(['/x', '/srv/g'])
    vi.stubEnv('GRAPEVINE_HOME', '')
    expect(homeFolder(undefined)).toMatch(process.getuid?.() === 0 ? /^\/var\/lib\/grapevine$/ : /\/grapevine$/)
  })
})

describe('the name of a machine', () => {
  it('is made fit for a membership, whatever the host is called', () => {
    expect([machineName('web 01.example'), machineName('ü'.repeat(80)).length, machineName('')]).toEqual([
      'web-01.example',
      63,
      'unnamed',
    ])
  })
})

import { describe, expect, it } from 'vitest'
import { renderMonitors } from '#policy/render.ts'
import { found, parsed, problemsOf } from './folder.ts'

const policy = (monitor: string): string => `policy: a\nmonitor:\n  - ${monitor}\n`
const checkOf = (monitor: string): unknown => parsed(policy(`{ name: m, every: 5m, ${monitor} }`)).monitors[0]?.check

describe('a monitor', () => {
  it.each([
    ['command: "curl -fsS localhost"', { type: 'command', run: 'curl -fsS localhost' }],
    ['disk: { path: /, free: "10 %" }', { type: 'disk', path: '/', free: { type: 'percent', least: 10 } }],
    [
      'disk: { path: /var, free: "2GiB" }',
      { type: 'disk', path: '/var', free: { type: 'bytes', least: 2_147_483_648 } },
    ],
    ['load: { max: 2.5 }', { type: 'load', max: 2.5 }],
    ['service: nginx', { type: 'service', name: 'nginx' }],
    ['port: 443', { type: 'port', host: '127.0.0.1', port: 443 }],
    ['port: "db.example.com:5432"', { type: 'port', host: 'db.example.com', port: 5432 }],
    ['port: "[::1]:53"', { type: 'port', host: '::1', port: 53 }],
    ['file: { path: /b, youngerThan: PT26H }', { type: 'file', path: '/b', youngerThanMs: 93_600_000 }],
  ])('may check by %s', (text, check) => expect(checkOf(text)).toEqual(check))

  it('has a time, three fails and two passes where it says nothing else, and never a time longer than its interval', () => {
    const of = (text: string): unknown => parsed(policy(`{ name: m, service: x, ${text} }`)).monitors[0]
    expect(of('every: 5m')).toMatchObject({ everyMs: 300_000, timeoutMs: 30_000, fails: 3, passes: 2 })
    expect(of('every: 10s')).toMatchObject({ everyMs: 10_000, timeoutMs: 10_000 })
    expect(of('every: 1h, timeout: 2m, fails: 1, passes: 5, react: apply')).toMatchObject({
      timeoutMs: 120_000,
      fails: 1,
      passes: 5,
      react: 'apply',
    })
  })

  it.each([
    ['{ name: m, every: 5m }', 'This monitor checks nothing.'],
    ['{ name: m, every: 5m, service: x, port: 1 }', 'One monitor makes one check; this has service and port.'],
    ['{ name: m, every: 1s, service: x }', 'every must be from 10 seconds to 31 days, not 1s.'],
    ['{ name: m, every: 20s, timeout: 30s, service: x }', 'timeout must be from 1 seconds to 20 seconds, not 30s.'],
    ['{ name: m, every: 5m, disk: { path: var, free: "10 %" } }', '"var" is not an absolute path.'],
    ['{ name: m, every: 5m, disk: { path: /, free: "101 %" } }', 'More than 100 % cannot be free.'],
    ['{ name: m, every: 5m, port: "x:70000" }', 'There is no port 70000.'],
    ['{ name: m, every: 5m, file: { path: /x, youngerThan: soon } }', '"soon" is no duration.'],
  ])('%s is refused', (text, message) => expect(problemsOf(policy(text)).map((it) => it.message)).toEqual([message]))

  it('with a wrong setting is told by its place, and does not hide the others', () => {
    const text =
      '{ name: m, every: 5m, port: 0 }\n  - { name: n, every: 5m, load: { max: -1 } }\n  - { name: o, every: 5m }'
    expect(found(policy(text)).map((told) => told.split(':')[0])).toEqual(
      [3, 4, 5].map((at) => `POLICY_VALUE_INVALID ${at}`),
    )
  })

  it('is filled in on the device, and an unknown parameter is told at the origin', () => {
    const text = `policy: a
parameters: { port: 8080, unit: web }
monitor:
  - { name: m, every: 5m, command: "curl localhost:{{port}}" }
  - { name: n, every: 5m, service: "{{unit}}" }
  - { name: o, every: 5m, disk: { path: "{{facts.local.data}}", free: "1 GiB" } }
`
    const input = { policy: parsed(text), bundle: '/b', text: () => '', facts: { local: { data: '/srv' } } }
    expect(renderMonitors(input).map(({ check }) => check)).toMatchObject([
      { run: 'curl localhost:8080' },
      { name: 'web' },
      { path: '/srv' },
    ])
    expect(() => renderMonitors({ ...input, facts: {} })).toThrow(
      expect.objectContaining({ code: 'POLICY_FACT_MISSING' }),
    )
    expect(problemsOf(policy('{ name: m, every: 5m, command: "curl {{prot}}" }'))).toMatchObject([
      { line: 3, code: 'POLICY_TEMPLATE_INVALID' },
    ])
  })

  it('has a name that no other of its policy has', () => {
    const text = '{ name: m, every: 5m, port: 1 }\n  - { name: m, every: 5m, port: 2 }'
    expect(problemsOf(policy(text))).toMatchObject([{ line: 4, code: 'POLICY_RESOURCE_CONFLICT' }])
  })
})

import { describe, expect, it } from 'vitest'
import { conflictProblems, neverOpening } from '#policy/across.ts'
import { conflictsOf, mayMeet } from '#policy/conflict.ts'
import { instant } from '#base/time.ts'
import { parsed } from './folder.ts'

const policy = (name: string, resources: string, more = ''): string =>
  `policy: ${name}\n${more}resources:\n  - ${resources}\n`
const clash = (first: string, second: string): string[] =>
  conflictsOf(parsed(policy('a', first)), parsed(policy('b', second))).map(({ thing, why }) => `${thing}: ${why}`)

describe('two bundles for one device', () => {
  it.each([
    ['file: { path: /etc/x, content: "1" }', 'file: { path: /etc/x, content: "1" }', '/etc/x: a file has one owner'],
    ['file: { path: /etc/x, content: "1" }', 'file: { path: /etc/x, state: absent }', '/etc/x: a file has one owner'],
    [
      'file: { path: /etc/x, content: "1" }',
      'line: { path: /etc/x, line: y }',
      '/etc/x: the file is written whole, so the line would go each time',
    ],
    [
      'line: { path: /etc/x, line: y }',
      'file: { path: /etc/x, content: "1" }',
      '/etc/x: the file is written whole, so the line would go each time',
    ],
    [
      'line: { path: /etc/x, line: "k=1", match: "^k=" }',
      'line: { path: /etc/x, line: "k=2", match: "^k=" }',
      '/etc/x: the match of one replaces the line of the other',
    ],
    ['file: { path: /srv, content: "1" }', 'directory: { path: /srv }', '/srv: it cannot be a file and a directory'],
    [
      'directory: { path: /srv, mode: "0750" }',
      'directory: { path: /srv, mode: "0755" }',
      '/srv: mode is 0750 there and 0755 here',
    ],
    [
      'package: { name: nginx }',
      'package: { name: nginx, state: absent }',
      'package nginx: it is present there and absent here',
    ],
    [
      'package: { name: nginx, version: "1.22-1" }',
      'package: { name: nginx, version: "1.24-1" }',
      'package nginx: it is present 1.22-1 there and present 1.24-1 here',
    ],
    [
      'package: { name: nginx, version: "1.22-1" }',
      'package: { name: nginx, state: latest }',
      'package nginx: it is present 1.22-1 there and latest here',
    ],
    [
      'service: { name: nginx, state: running }',
      'service: { name: nginx, state: stopped }',
      'service nginx: state is running there and stopped here',
    ],
    [
      'service: { name: nginx, enabled: true }',
      'service: { name: nginx, state: running, enabled: false }',
      'service nginx: enabled is true there and false here',
    ],
    [
      'process: { match: telnetd, state: absent }',
      'process: { match: telnetd, state: running, start: telnetd }',
      'process telnetd: state is absent there and running here',
    ],
    [
      'file: { path: "/etc/{{facts.os.id}}", content: "1" }',
      'file: { path: "/etc/{{facts.os.id}}", content: "2" }',
      '/etc/{{facts.os.id}}: a file has one owner',
    ],
  ])('conflict: %s and %s', (first, second, expected) => {
    expect(clash(first, second)).toEqual([expected])
  })

  it.each([
    ['file: { path: /etc/x, state: absent }', 'file: { path: /etc/x, state: absent }'],
    ['line: { path: /etc/x, line: a }', 'line: { path: /etc/x, line: b }'],
    ['line: { path: /etc/x, line: "k=1", match: "^k=" }', 'line: { path: /etc/x, line: "k=1", match: "^#?k=" }'],
    ['directory: { path: /srv, mode: "0750" }', 'directory: { path: /srv, owner: app }'],
    ['package: { name: nginx }', 'package: { name: nginx, version: ">=1.22" }'],
    ['package: { name: nginx }', 'package: { name: nginx, state: latest }'],
    ['package: { name: nginx }', 'service: { name: nginx, state: running }'],
    ['service: { name: nginx, state: running }', 'service: { name: nginx, enabled: true }'],
    ['command: { run: "true" }', 'command: { run: "true" }'],
  ])('agree: %s and %s', (first, second) => {
    expect(clash(first, second)).toEqual([])
  })

  it('are not said to conflict over what a parameter of their own fills in', () => {
    const of = (name: string): string =>
      policy(name, 'file: { path: "/etc/{{x}}", content: "1" }', 'parameters: { x: y }\n')
    expect(conflictsOf(parsed(of('a')), parsed(of('b')))).toEqual([])
  })

  it('are told with both places', () => {
    const [first, second] = [
      policy('a', 'package: { name: nginx }'),
      policy('b', 'package: { name: nginx, state: absent }'),
    ]
    const problems = conflictProblems(
      { where: 'a/policy.yaml', text: first, policy: parsed(first) },
      { where: 'b/policy.yaml', text: second, policy: parsed(second) },
    )
    expect(problems).toMatchObject([{ file: 'b/policy.yaml', line: 3, column: 22, code: 'POLICY_BUNDLES_CONFLICT' }])
    expect(problems[0]?.message).toContain('a too (a/policy.yaml:3:22)')
  })
})

describe('two bundles that no device can be meant for', () => {
  it.each([
    [{ sites: ['berlin'] }, { sites: ['lyon'] }],
    [{ labels: { role: 'web' } }, { labels: { role: 'db', tier: '1' } }],
    [{ facts: { 'os.family': 'debian' } }, { facts: { 'os.family': 'suse' } }],
  ])('%j and %j never conflict', (first, second) => {
    expect([mayMeet(first, second), mayMeet(second, first)]).toEqual([false, false])
  })

  it.each([
    [undefined, { labels: { role: 'web' } }],
    [{ sites: ['berlin', 'lyon'] }, { sites: ['lyon'] }],
    [{ labels: { role: 'web' } }, { labels: { tier: '1' } }],
    [{ facts: { 'local.roles': 'web' } }, { facts: { 'local.roles': 'db' } }],
  ])('%j and %j may meet', (first, second) => {
    expect([mayMeet(first, second), mayMeet(second, first)]).toEqual([true, true])
  })
})

describe('a window that does not open within five years', () => {
  const now = instant(Date.UTC(2026, 2, 6))
  const warned = (window: string): string[] => {
    const text = `policy: a\nwindows:\n  - ${window}\n`
    return neverOpening(parsed(text), text, now).map(({ code, line, column }) => `${code} ${line}:${column}`)
  }
  it.each([
    '{ start: "2020-01-01T02:00", duration: 2h }',
    '{ start: "2040-01-01T02:00", duration: 2h }',
    '{ start: "2020-01-01T02:00", duration: 2h, rule: "FREQ=DAILY;COUNT=3" }',
  ])('is told: %s', (window) => expect(warned(window)).toEqual(['POLICY_WINDOW_NEVER 3:5']))
  it.each([
    '{ start: "2026-03-05T23:00", duration: 2h }',
    '{ start: "2030-01-01T02:00", duration: 2h }',
    '{ start: "2020-02-29T02:00", duration: 2h, rule: "FREQ=YEARLY" }',
  ])('is not told: %s', (window) => expect(warned(window)).toEqual([]))
})

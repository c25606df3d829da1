import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson } from '#base/canonical-json.ts'
import { readSelect } from '#policy/select.ts'
import { readWindows } from '#policy/window.ts'
import { parsePolicy } from '#policy/parse.ts'
import { formatProblem } from '#policy/problem.ts'
import { folder, found, parsed, problemsOf } from './folder.ts'

const fixture = (path: string): string => readFileSync(new URL(`web-baseline/${path}`, import.meta.url), 'utf8')
const sample = fixture('policy.yaml')
const sampleFiles = { 'files/issue.net.mustache': fixture('files/issue.net.mustache') }
const next = (text: string, files = {}): string | undefined => problemsOf(text, files)[0]?.next

describe('the sample policy', () => {
  it('becomes the whole model', () => {
    expect(parsed(sample, sampleFiles)).toEqual({
      name: 'web-baseline',
      description: 'nginx with our banner, patched',
      select: { labels: { role: 'web' }, sites: ['berlin', 'lyon'] },
      windows: [
        { rule: 'FREQ=WEEKLY;BYDAY=SA', start: '2026-01-03T02:00', durationMs: 10_800_000, zone: 'Europe/Berlin' },
      ],
      prepareAheadMs: 43_200_000,
      drift: { everyMs: 1_800_000, mode: 'repair', outside: false },
      parameters: { banner: 'Authorised use only', workers: 4 },
      resources: [
        { kind: 'package', id: '0:package:nginx', name: 'nginx', state: 'present', version: '>=1.22' },
        { kind: 'patch', id: '1:patch:SUSE-2026-1234', patch: 'SUSE-2026-1234' },
        {
          kind: 'file',
          id: '2:file:/etc/issue.net',
          path: '/etc/issue.net',
          state: 'present',
          from: { type: 'template', file: 'files/issue.net.mustache' },
          mode: '0644',
        },
        {
          kind: 'line',
          id: '3:line:/etc/ssh/sshd_config',
          path: '/etc/ssh/sshd_config',
          line: 'PermitRootLogin no',
          match: '^#?PermitRootLogin',
        },
        { kind: 'service', id: '4:service:nginx', name: 'nginx', state: 'running', enabled: true },
        { kind: 'process', id: '5:process:telnetd', match: 'telnetd', state: 'absent' },
        {
          kind: 'command',
          id: '6:command:/usr/sbin/update-ca-certificates',
          run: '/usr/sbin/update-ca-certificates',
          unless: 'test -e /etc/ssl/certs/corp.pem',
        },
        { kind: 'directory', id: '7:directory:/srv/app', path: '/srv/app', owner: 'app', mode: '0750' },
        { kind: 'reboot', id: '8:reboot:needed', when: 'needed' },
      ],
      monitors: [
        {
          name: 'web answers',
          everyMs: 300_000,
          timeoutMs: 30_000,
          fails: 3,
          passes: 2,
          check: { type: 'command', run: 'curl -fsS localhost' },
        },
      ],
      engine: 'auto',
    })
  })

  it('may be written in blocks instead of braces', () => {
    const text = 'policy: a\nresources:\n  - file:\n      path: /etc/motd\n      content: |\n        hello\n'
    expect(parsed(text).resources).toEqual([
      {
        kind: 'file',
        id: '0:file:/etc/motd',
        path: '/etc/motd',
        state: 'present',
        from: { type: 'content', text: 'hello\n' },
      },
    ])
  })
})

describe('a faulty setting', () => {
  it('is told with all others at once, each at its own place', () => {
    const text = [
      'policy: Web',
      'selct: {}',
      'drift: { every: 30, outside: yes }',
      'resources:',
      '  - package: { name: nginx, state: there }',
      '  - file: { path: etc/motd, template: ../secret, mode: 0644 }',
      '  - servce: { name: x }',
      '  - reboot:',
      'engine: cfengin',
    ]
    expect(found(text.join('\n'))).toEqual([
      'POLICY_VALUE_INVALID 1:9',
      'POLICY_KEY_UNKNOWN 2:1',
      'POLICY_VALUE_INVALID 3:17',
      'POLICY_VALUE_INVALID 3:30',
      'POLICY_VALUE_INVALID 5:36',
      'POLICY_PATH_NOT_ABSOLUTE 6:19',
      'POLICY_PATH_LEAVES 6:39',
      'POLICY_VALUE_INVALID 6:56',
      'POLICY_KIND_UNKNOWN 7:5',
      'POLICY_VALUE_INVALID 8:12',
      'POLICY_VALUE_INVALID 9:9',
    ])
  })

  it('that is an unquoted mode says which quotes to write', () => {
    const text = 'policy: a\nresources:\n  - directory: { path: /srv, mode: 0750 }\n'
    expect(problemsOf(text).map((problem) => formatProblem(problem, 'web/'))).toEqual([
      'web/policy.yaml:3:36: resources[0].directory.mode must be an octal mode in quotes such as "0644", not the number 750. Put it in quotes: mode: "0750"',
    ])
  })

  it('that is unknown names the one that was meant, at the key itself', () => {
    expect(problemsOf('policy: a\nresources:\n  - file: { path: /a, content: "", ownr: root }\n')).toEqual([
      {
        file: 'policy.yaml',
        line: 3,
        column: 36,
        code: 'POLICY_KEY_UNKNOWN',
        message: 'resources[0].file has no setting "ownr".',
        next: 'Did you mean "owner"?',
      },
    ])
    expect(next('policy: a\nprepare: { foo: 1 }\n')).toBe('Known here: ahead.')
  })

  it('that is missing is asked for, unless it is there with a typing error', () => {
    expect(problemsOf('description: x\n').map(({ message }) => message)).toEqual(['The policy has no "policy".'])
    expect(found('polcy: a\n')).toEqual(['POLICY_KEY_UNKNOWN 1:1'])
  })

  it('beside its resource is told to go inside it', () => {
    const text = 'policy: a\nresources:\n  - file:\n    path: /etc/motd\n    content: x\n'
    expect(found(text)).toEqual(['POLICY_KEY_UNKNOWN 4:5', 'POLICY_KEY_UNKNOWN 5:5'])
    expect(next(text)).toBe('Indent the settings of file by two more spaces.')
  })

  it.each([
    ['a number for text', 'policy: a\nselect: { facts: { os.major: 12 } }\n', 'Put it in quotes: os.major: "12"'],
    [
      'a version that YAML would shorten',
      'policy: a\nresources: [package: { name: x, version: 1.20 }]\n',
      'Put it in quotes: version: "1.20"',
    ],
    ['yes for true', 'policy: a\ndrift: { every: 1h, outside: yes }\n', 'Write true.'],
    ['a duration without unit', 'policy: a\ndrift: { every: 30 }\n', 'Give it a unit: 30s, 30m or 30h.'],
    ['a value near a word', 'policy: a\nengine: puppett\n', 'Did you mean "puppet"?'],
    ['nothing', 'policy: a\nselect:\n', 'Give select a value, or leave it out.'],
    [
      'one thing for a list',
      'policy: a\nselect: { sites: berlin }\n',
      'Write it as a list: each entry on its own line after "- ".',
    ],
  ])('that is %s says what to write', (_, text, words) => {
    expect(next(text)).toBe(words)
  })

  it.each([
    ['a label outside ASCII', 'select: { labels: { röle: web } }', '3:21'],
    ['a site with a space', 'select: { sites: ["new york"] }', '3:19'],
    ['a drift interval below a minute', 'drift: { every: 5s }', '3:17'],
    ['an empty list of sites', 'select: { sites: [] }', '3:18'],
    ['a fact path that begins with facts.', 'select: { facts: { facts.os.family: x } }', '3:20'],
    ['a parameter named facts', 'parameters: { facts: 1 }', '3:15'],
    ['a parameter that no template could name', 'parameters: { "a b": 1 }', '3:15'],
    ['parameters nested without end', `parameters: { a: ${'['.repeat(30)}${']'.repeat(30)} }`, '3:18'],
    ['raw beside resources', 'raw: { engine: cfengine, entry: main.cf }\nresources: [reboot: { when: once }]', '3:1'],
    ['an engine that raw is not for', 'raw: { engine: cfengine, entry: main.cf }\nengine: puppet', '4:9'],
  ])('that is %s is refused where it stands', (_, line, place) => {
    expect(found(`policy: a\n\n${line}\n`, { 'files/main.cf': 'x' })).toEqual([`POLICY_VALUE_INVALID ${place}`])
  })

  it('more of a kind than there may be is refused', () => {
    const many = (key: string, item: string, count: number): string =>
      `policy: a\n${key}:\n${`  - ${item}\n`.repeat(count)}`
    expect(found(many('resources', 'reboot: { when: once }', 2001))).toEqual(['POLICY_VALUE_INVALID 3:3'])
    expect(found(many('monitor', '{ name: a, command: b, every: 1m }', 65))).toEqual(['POLICY_VALUE_INVALID 3:3'])
    expect(found(many('windows', '{ start: "2026-01-03T02:00", duration: 1h }', 33))).toEqual([
      'POLICY_VALUE_INVALID 3:3',
    ])
  })
})

describe('a resource', () => {
  const resource = (text: string, files = {}): string[] => found(`policy: a\nresources:\n  - ${text}\n`, files)

  it.each([
    ['of two kinds', 'reboot: { when: once }\n    package: { name: x }', '4:5'],
    ['with nothing in it', '{}', '3:5'],
    ['that is a file without content', 'file: { path: /a }', '3:5'],
    ['that is a file of two origins', 'file: { path: /a, content: "", source: x }', '3:36'],
    ['that is absent and has a mode', 'file: { path: /a, state: absent, mode: "0644" }', '3:38'],
    ['that is an absent package with a version', 'package: { name: x, state: absent, version: "1" }', '3:40'],
    ['that is a service and wants nothing', 'service: { name: x }', '3:5'],
    ['that is an absent process with a start', 'process: { match: x, state: absent, start: x }', '3:41'],
    ['with a pattern that is none', 'line: { path: /a, line: x, match: "(" }', '3:32'],
  ])('%s is refused', (_, text, place) => {
    expect(resource(text, { 'files/x': 'x' })).toEqual([`POLICY_VALUE_INVALID ${place}`])
  })

  it.each(['etc/motd', '/etc/../root', '/etc/', '/', '/etc//motd', '/etc/./motd', '"/etc/\\u0007"'])(
    'with the path %s is refused: it is not absolute, climbs, or has two names',
    (path) => {
      expect(resource(`directory: { path: ${path} }`)).toEqual(['POLICY_PATH_NOT_ABSOLUTE 3:24'])
    },
  )

  it('and another for the same path, package or file with a line in it conflict', () => {
    const text = [
      'policy: a',
      'resources:',
      '  - file: { path: /etc/motd, content: "" }',
      '  - directory: { path: /etc/motd }',
      '  - line: { path: /etc/motd, line: x }',
      '  - package: { name: nginx }',
      '  - package: { name: nginx, state: absent }',
    ].join('\n')
    expect(found(text)).toEqual([
      'POLICY_RESOURCE_CONFLICT 4:24',
      'POLICY_RESOURCE_CONFLICT 5:19',
      'POLICY_RESOURCE_CONFLICT 7:22',
    ])
    expect(problemsOf(text)[0]?.message).toBe('/etc/motd is managed already by resources[0] in line 3.')
  })

  it('with a very long command has a short name', () => {
    const [command] = parsed(`policy: a\nresources:\n  - command: { run: "echo ${'x'.repeat(500)}" }\n`).resources
    expect(command?.id.length).toBeLessThan(140)
  })
})

describe('a file that the policy names', () => {
  const template = (name: string): string => `policy: a\nresources:\n  - file: { path: /a, template: ${name} }\n`

  it.each(['/etc/passwd', '../x', 'a/../../x', '"a\\\\b"'])('by %s leads out of the folder', (name) => {
    expect(found(template(name))).toEqual(['POLICY_PATH_LEAVES 3:33'])
  })

  it('is looked for in files/, then in the folder', () => {
    const file = (files: Record<string, string>): unknown => parsed(template('sub/x'), files).resources[0]
    expect(file({ 'files/sub/x': 'a', 'sub/x': 'b' })).toMatchObject({ from: { file: 'files/sub/x' } })
    expect(file({ 'sub/x': 'b' })).toMatchObject({ from: { file: 'sub/x' } })
    expect(parsed(template('./files/x'), { 'files/x': 'a' }).resources[0]).toMatchObject({ from: { file: 'files/x' } })
  })

  it('and that is not there is told with the place to put it', () => {
    expect(found(template('x'))).toEqual(['POLICY_FILE_MISSING 3:33'])
    expect(next(template('files/x'))).toBe('Put it at files/x, or correct the name.')
  })

  it('and that is empty is told how to ship an empty file', () => {
    expect(found(template('x'), { 'files/x': '' })).toEqual(['POLICY_FILE_EMPTY 3:33'])
    expect(next(template('x'), { 'files/x': '' })).toBe('Fill it; to ship an empty file write content: "".')
  })

  it('as raw entry must be there too', () => {
    const text = 'policy: a\nraw: { engine: cfengine, entry: files/main.cf }\n'
    expect(found(text)).toEqual(['POLICY_FILE_MISSING 2:33'])
    expect(parsed(text, { 'files/main.cf': 'x' })).toMatchObject({
      engine: 'cfengine',
      raw: { engine: 'cfengine', entry: 'files/main.cf' },
    })
  })
})

describe('a window', () => {
  const window = (text: string): string[] => found(`policy: a\nwindows:\n  - { ${text} }\n`)

  it('with several faults tells all of them', () => {
    expect(window('rule: "FREQ=WEKLY", start: "2026-02-30T02:00", duration: PT3H, zone: Europe/Berln')).toEqual([
      'POLICY_WINDOW_INVALID 3:13',
      'POLICY_WINDOW_INVALID 3:34',
      'POLICY_WINDOW_INVALID 3:76',
    ])
  })

  it.each([
    ['without start', 'duration: 1h', '3:5'],
    ['without duration', 'start: "2026-01-03T02:00"', '3:5'],
    ['of a duration that is none', 'start: "2026-01-03T02:00", duration: long', '3:44'],
    ['longer than 31 days', 'start: "2026-01-03T02:00", duration: 32d', '3:44'],
    ['that never opens', 'start: "2026-01-03T02:00", duration: 1h, rule: "FREQ=DAILY;UNTIL=20250101"', '3:54'],
    ['with a rule beside its calendar', 'ics: x.ics, rule: "FREQ=DAILY"', '3:19'],
  ])('%s is refused', (_, text, place) => {
    const files = {
      'x.ics': 'BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260103T020000Z\nDURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR\n',
    }
    expect(found(`policy: a\nwindows:\n  - { ${text} }\n`, files)).toEqual([`POLICY_WINDOW_INVALID ${place}`])
  })

  it('and all others, and the select, are what a member reads from signed metadata', () => {
    const days = Array.from({ length: 28 }, (_, day) => `202602${String(day + 1).padStart(2, '0')}T000000Z`)
    const event = `BEGIN:VEVENT\nDTSTART:20260101T000000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nEXDATE:${days.join()}\nEND:VEVENT\n`
    const text = (events: number): string[] | undefined => {
      const files = { 'files/x.ics': `BEGIN:VCALENDAR\n${event.repeat(events)}END:VCALENDAR\n` }
      const policy = 'policy: a\nselect: { labels: { a: b }, facts: { c.d: "e f" } }\nwindows: [{ ics: x.ics }]\n'
      if (events > 32) return found(policy, files)
      const { windows, select } = parsed(policy, files)
      expect(readWindows(JSON.parse(canonicalJson(windows)))).toEqual(windows)
      expect(readSelect(JSON.parse(canonicalJson(select)))).toEqual(select)
      return undefined
    }
    text(32)
    expect(text(33)).toEqual(['POLICY_WINDOW_INVALID 3:10'])
    const exceptions = Array.from({ length: 1001 }, (_, i) => `2026${String((i % 12) + 1).padStart(2, '0')}01T000000Z`)
    const long = event.replace(days.join(), exceptions.join())
    expect(found('policy: a\nwindows: [{ ics: x }]\n', { x: `BEGIN:VCALENDAR\n${long}END:VCALENDAR\n` })).toEqual([
      'POLICY_WINDOW_INVALID 2:10',
    ])
    const labels = Array.from({ length: 65 }, (_, index) => `l${index}: x`)
    expect(found(`policy: a\nselect: { labels: { ${labels.join(', ')} } }\n`)).toEqual(['POLICY_VALUE_INVALID 2:19'])
  })

  it('from a calendar file is read, and its faults are told in that file', () => {
    const event = (duration: string): string =>
      `BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;TZID=Europe/Berlin:20260103T020000\r\n${duration}END:VEVENT\r\nEND:VCALENDAR\r\n`
    const text = 'policy: a\nwindows: [{ ics: x.ics }]\n'
    expect(parsed(text, { 'files/x.ics': event('DURATION:PT1H\r\n') }).windows).toEqual([
      { start: '2026-01-03T02:00:00', durationMs: 3_600_000, zone: 'Europe/Berlin' },
    ])
    expect(problemsOf(text, { 'files/x.ics': event('') })[0]).toMatchObject({
      file: 'files/x.ics',
      line: 2,
      code: 'POLICY_WINDOW_INVALID',
    })
  })
})

describe('any text', () => {
  const lines = sample.split('\n')
  /** The sample with some lines changed, moved or cut: mostly YAML, mostly wrong. */
  const damaged = fc
    .array(
      fc.record({
        line: fc.nat(lines.length - 1),
        to: fc.oneof(
          fc.string(),
          fc.constantFrom('- x: [', '&a *a', '  - file: 5', 'windows: {a: [}', '<<: *x', '? [a]: b', '__proto__: 1'),
        ),
      }),
      { minLength: 1, maxLength: 4 },
    )
    .map((changes) => {
      const copy = [...lines]
      for (const { line, to } of changes) copy[line] = to
      return copy.join('\n')
    })

  it('gives problems or a policy, never both and never a throw', () => {
    fc.assert(
      fc.property(fc.oneof(damaged, fc.string(), fc.json()), (text) => {
        const { policy, problems } = parsePolicy(text, folder(sampleFiles))
        expect(policy === undefined).toBe(problems.length > 0)
        for (const problem of problems) {
          expect(problem.line).toBeGreaterThan(0)
          expect(problem.column).toBeGreaterThan(0)
          expect(formatProblem(problem)).not.toContain('\n')
        }
      }),
      { seed: 1, numRuns: 400 },
    )
  })
})

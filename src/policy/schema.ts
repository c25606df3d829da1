/**
 * The language of `policy.yaml` as a schema: which keys there are, what each may hold, and how many. The message of a leaf
 * is a noun phrase for "must be …"; `issue.ts` makes the sentence. What needs two fields at once is checked in
 * `resource.ts` and `parse.ts`. Editors read the same schema from docs/policy.schema.json.
 */
import * as z from 'zod'

import {
  diskFreePattern,
  factPathPattern,
  factTextPattern,
  guardMax,
  hostPortPattern,
  monitorRunsMax,
  monitorsMax,
  parameterPattern,
  resourcesMax,
  sitesMax,
  windowsMax,
  wordPattern,
} from './limits.ts'

const words = text('a word of at most 63 letters, digits and ._/-', wordPattern)
const line = (wants: string, max = 4096): z.ZodString => text(wants, new RegExp(`^[^\\u0000\\n\\r]{1,${max}}$`))
const path = line('an absolute path such as /etc/motd', 1024)
const file = line('the name of a file below files/', 1024)
const mode = text('an octal mode in quotes such as "0644"', /^[0-7]{3,4}$/)
const account = text('the name of an account such as root', /^[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?$/)
const time = (example: string): z.ZodString => line(`a duration such as ${example}`, 32)
const portWants = 'a port such as 443, or host:port in quotes such as "db.example.com:5432"'
const flag = z.boolean({ error: 'true or false' })

const select = map('a map of labels, sites and facts', {
  labels: z.record(words, words, { error: 'a map of labels such as { role: web }' }).optional(),
  sites: list('a list of site names such as [berlin]', words, sitesMax).optional(),
  facts: z
    .record(
      text('a dotted fact path such as os.family', factPathPattern),
      text('the text to compare with, at most 128 printable ASCII characters', factTextPattern),
      { error: 'a map from fact to text such as { os.family: debian }' },
    )
    .optional(),
})

const window = map('a window: rule, start, duration and zone, or ics', {
  rule: line('an RFC 5545 rule such as "FREQ=WEEKLY;BYDAY=SA"', 512).optional(),
  start: line('a local time such as "2026-01-03T02:00"', 32).optional(),
  duration: time('PT3H or 90m').optional(),
  zone: line('a time zone such as Europe/Berlin', 64).optional(),
  ics: file.optional(),
}).meta({ oneOf: [{ required: ['start', 'duration'] }, { required: ['ics'] }] })

/** One schema for each kind of resource, by its key. */
export const resourceKinds = {
  package: map('a map with the name of a package', {
    name: line('the name of a package', 256),
    state: word('present', 'absent', 'latest').optional(),
    version: text(
      'a version in quotes such as "1.22-1" or ">=1.22"',
      /^(?:>=)?\s*[A-Za-z0-9][A-Za-z0-9.+~:_-]{0,127}$/,
    ).optional(),
  }),
  patch: map('a map with the id of a patch', {
    id: text('the id of a patch such as SUSE-2026-1234', /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/),
  }),
  file: map('a map with the path of a file', {
    path,
    state: word('present', 'absent').optional(),
    template: file.optional(),
    source: file.optional(),
    content: z.string({ error: 'the text of the file' }).optional(),
    mode: mode.optional(),
    owner: account.optional(),
    group: account.optional(),
  }),
  line: map('a map with the path of a file and the line that must be in it', {
    path,
    line: line('the line that must be in the file'),
    match: line('a regular expression in quotes', 1024).optional(),
  }),
  service: map('a map with the name of a service', {
    name: text('the name of a service', /^[^\s/\p{Cc}]{1,256}$/u),
    state: word('running', 'stopped').optional(),
    enabled: flag.optional(),
  }),
  process: map('a map with a pattern to match', {
    match: line('a regular expression over the command line', 1024),
    state: word('absent', 'running'),
    start: line('the command that starts it').optional(),
  }),
  command: map('a map with the command to run', {
    run: line('the command to run'),
    unless: line('a command that succeeds where nothing is to be done').optional(),
    onlyIf: line('a command that succeeds where there is something to do').optional(),
    undo: line('the command that takes back what run did').optional(),
  }),
  directory: map('a map with the path of a directory', {
    path,
    owner: account.optional(),
    group: account.optional(),
    mode: mode.optional(),
  }),
  reboot: map('a map such as { when: needed }', { when: word('needed', 'once') }),
}

const resource = z
  .strictObject(
    {
      package: resourceKinds.package.optional(),
      patch: resourceKinds.patch.optional(),
      file: resourceKinds.file.optional(),
      line: resourceKinds.line.optional(),
      service: resourceKinds.service.optional(),
      process: resourceKinds.process.optional(),
      command: resourceKinds.command.optional(),
      directory: resourceKinds.directory.optional(),
      reboot: resourceKinds.reboot.optional(),
    },
    { error: typeOnly('one kind of resource with its settings, such as { package: { name: nginx } }') },
  )
  .meta({ minProperties: 1, maxProperties: 1 })

const count = (example: number): z.ZodNumber => {
  const wants = `a whole number from 1 to ${monitorRunsMax} such as ${example}`
  return z.int({ error: wants }).min(1, { error: wants }).max(monitorRunsMax, { error: wants }).describe(wants)
}
const portNumber = z.int({ error: portWants }).min(1, { error: portWants }).max(65_535, { error: portWants })
const loadWants = 'a number above 0 such as 4'

/** One schema for each kind of check, by its key. */
const monitorChecks = {
  command: line('the command that must succeed'),
  disk: map('a map such as { path: /var, free: "10 %" }', {
    path,
    free: text('a share or a size in quotes such as "10 %" or "2 GiB"', diskFreePattern),
  }),
  load: map('a map such as { max: 4 }', {
    max: z.number({ error: loadWants }).positive({ error: loadWants }).max(100_000, { error: loadWants }),
  }),
  service: resourceKinds.service.shape.name,
  port: z.union([portNumber, text(portWants, hostPortPattern)], { error: portWants }).describe(portWants),
  file: map('a map such as { path: /var/backups/db, youngerThan: PT26H }', { path, youngerThan: time('PT26H') }),
}

const monitor = map('a monitor: name, every and a check', {
  name: line('a short name', 64),
  every: time('PT5M'),
  command: monitorChecks.command.optional(),
  disk: monitorChecks.disk.optional(),
  load: monitorChecks.load.optional(),
  service: monitorChecks.service.optional(),
  port: monitorChecks.port.optional(),
  file: monitorChecks.file.optional(),
  timeout: time('30s').optional(),
  fails: count(3).optional(),
  passes: count(2).optional(),
  react: word('apply').optional(),
}).meta({ oneOf: Object.keys(monitorChecks).map((check) => ({ required: [check] })) })

export const policySchema = map('a map that begins with policy: NAME', {
  policy: text('a name of at most 64 lower-case letters, digits and ._-', /^[a-z0-9][a-z0-9._-]{0,63}$/),
  description: z.string({ error: 'a text' }).max(2000, { error: 'a text of at most 2000 characters' }).optional(),
  select: select.optional(),
  windows: list('a list of windows', window, windowsMax).optional(),
  prepare: map('a map such as { ahead: PT12H }', { ahead: time('PT12H').optional() }).optional(),
  drift: map('a map such as { every: PT30M, mode: report }', {
    every: time('PT30M'),
    mode: word('report', 'repair').optional(),
    outside: flag.optional(),
  }).optional(),
  parameters: z
    .record(text('a name of letters, digits, _ and - that begins with a letter', parameterPattern), z.unknown(), {
      error: 'a map from name to value',
    })
    .optional(),
  resources: list('a list of resources', resource, resourcesMax).optional(),
  monitor: list('a list of monitors', monitor, monitorsMax).optional(),
  guard: list('a list of paths to put back where the change goes wrong', path, guardMax).optional(),
  engine: word('auto', 'cfengine', 'ansible', 'puppet').optional(),
  raw: map('a map with an engine and an entry', {
    engine: word('cfengine', 'ansible', 'puppet'),
    entry: line("the path of the engine's own policy such as files/main.cf", 1024),
  }).optional(),
})

export type PolicyText = z.output<typeof policySchema>
export type WindowText = z.output<typeof window>
export type MonitorText = z.output<typeof monitor>
export type ResourceText = z.output<typeof resource>

/** The JSON Schema that docs/policy.schema.json holds, for editors. */
export function policyJsonSchema(): string {
  const schema = {
    ...z.toJSONSchema(policySchema, { io: 'input' }),
    title: 'Grapevine policy',
    description: 'policy.yaml of a policy folder; docs/policy.md explains it.',
  }
  return `${JSON.stringify(schema, null, 2)}\n`
}

function text(wants: string, pattern: RegExp): z.ZodString {
  return z.string({ error: wants }).regex(pattern, { error: wants }).describe(wants)
}

function word<const T extends readonly [string, ...string[]]>(...choices: T): z.ZodEnum<z.core.util.ToEnum<T[number]>> {
  return z.enum(choices, { error: choices.join(', ').replace(/, ([^,]*)$/, ' or $1') })
}

function list<T extends z.ZodType>(wants: string, item: T, max: number): z.ZodArray<T> {
  return z.array(item, { error: wants }).max(max, { error: `${wants}, at most ${max}` })
}

function map<T extends z.core.$ZodLooseShape>(wants: string, shape: T): z.ZodObject<T, z.core.$strict> {
  return z.strictObject(shape, { error: typeOnly(wants) }).describe(wants)
}

/** An object's own error text is for a wrong type; an unknown key gets its sentence in `issue.ts`. */
function typeOnly(wants: string): z.core.$ZodErrorMap {
  return (issue) => (issue.code === 'invalid_type' ? wants : undefined)
}

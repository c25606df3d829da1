/**
 * `HOME/config.yaml`: what an admin may edit. Every default stands here with its reason; the file that `init` and `join` write
 * shows them as comments. Read once at start; a faulty file stops the daemon with the line, never half of it taken.
 */
import { homedir, hostname } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { LineCounter, isMap, isNode, isScalar, isSeq, parseDocument } from 'yaml'
import { Misconfigured } from '#base/errors.ts'
import { fieldsAt, GuardFailed, isFields, listAt, oneOfAt, own, textAt, wholeAt, type Fields } from '#base/guard.ts'
import { hour, parseDuration, second } from '#base/time.ts'
import type { Rate } from '#protocol/budget.ts'
import { isAddress, type Address } from '#protocol/link.ts'
import { rateAt, scheduleAt, type ScheduledBudget } from './budget.ts'

/** One port for everything between members: one firewall rule (interfaces, "Ports and directions"). */
const portDefault = 47_100
/** All interfaces: inside a site members listen on the LAN. */
const listenDefault = `/ip4/0.0.0.0/tcp/${portDefault}` as Address
/** A day's operating-system update with what came before it, and little enough to leave room on the disk of a small machine. */
const quotaDefault = '20 GiB'
/** A fault is noticed within a version or two; five leave room for those that were meant to mend it. */
const versionsDefault = 5
/** An hour for one run of an engine: package installations on a slow disk take most of one. */
const applyTimeoutDefault = 'PT1H'

/** Whoever works at the site goes first; what it costs is a little of the line where others use it (protocol.md §6). */
const politeDefault = true

/** A switch that learns a new neighbour, a name server that starts: half of it does. Each rolled-back policy costs the machine that long. */
const probationDefault = '60s'

export interface Config {
  readonly listen: readonly Address[]
  readonly bootstrap: readonly Address[]
  readonly lan: { readonly discovery: boolean; readonly port: number; readonly up: Rate }
  /** Bytes a second over the line to other sites, and whether it yields to whatever else is on that line. */
  readonly wan: {
    readonly down: Rate
    readonly up: Rate
    readonly polite: boolean
    readonly schedule: readonly ScheduledBudget[]
  }
  /**
   * `quotaBytes`: contents and prepared bundles together; beyond it nothing is fetched that is not for this device. `versions`: of each
   * bundle, how many an origin keeps, so that it can go back to them.
   */
  readonly disk: { readonly quotaBytes: number; readonly versions: number }
  /** When urgent bundles may be applied here: in their windows like all others, or at any time (decisions/0018). */
  readonly urgent: 'window' | 'any'
  /** Whether this relay trades chunks with those of other sites. Off: most sites reach only the head office, and pay for what they upload. */
  readonly trade: boolean
  /** `facts.local.*` in templates and selects. */
  readonly facts: Readonly<Record<string, string | number | boolean>>
  readonly engine: {
    readonly timeout: string
    /** The demo's scratch folder where no engine is installed; nothing else may set it. */
    readonly pretendRoot: string | undefined
  }
  /** How long a machine may take after an apply to be as well as it was, or what was changed goes back; undefined: nothing does. */
  readonly probationMs: number | undefined
}

/** The configuration in the text of `config.yaml`. Misconfigured `CONFIG_INVALID` with line and column; an empty file is all defaults. */
export function parseConfig(text: string, path: string): Config {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const [fault] = document.errors
  if (fault) throw invalid(path, lines, fault.pos[0], fault.message.split('\n')[0] ?? 'no YAML')
  try {
    return configOf(document.toJS() ?? {})
  } catch (error) {
    if (!(error instanceof GuardFailed)) throw error
    throw invalid(path, lines, offsetOf(document.contents, error.path.split('.')), error.message)
  }
}

/** What `init` and `join` write: given values, and the other settings as comments. */
export function configText(given: {
  listen?: readonly string[] | undefined
  bootstrap?: readonly string[] | undefined
}): string {
  const lines = (name: string, values: readonly string[] | undefined, sample: string): string =>
    values && values.length > 0
      ? `${name}:\n${values.map((value) => `  - ${JSON.stringify(value)}`).join('\n')}\n`
      : `# ${name}:\n#   - ${sample}\n`
  return `# Settings of this Grapevine member. Read when the daemon starts; docs/operate.md explains each.

# Where it listens for other members: one port for everything.
${lines('listen', given.listen, listenDefault)}
# Members of this site to look for where LAN discovery cannot find them.
${lines('bootstrap', given.bootstrap, `/ip4/192.0.2.10/tcp/${portDefault}`)}
# LAN discovery: UDP multicast on the same port number, link-local.
# lan:
#   discovery: true
#   port: ${portDefault}
#   up: 200 Mbit

# What the line to other sites may carry, down and up; no limit where nothing is said. The same in all members of a site.
# "polite" yields to whatever else is on that line.
# wan:
#   down: 4 Mbit
#   up: 1 Mbit
#   polite: ${politeDefault}
#   schedule:
#     - { days: mon-fri, from: "07:00", to: "19:00", down: 1 Mbit, up: 256 kbit }

# How much contents and prepared bundles may take. What is assigned to this machine is fetched all the same.
# "versions" counts at the origin alone: so many of each bundle can be rolled back to, the one in force among them.
# disk:
#   quota: ${quotaDefault}
#   versions: ${versionsDefault}

# When an urgent bundle may be applied here: in its window like any other ("window"), or at any time ("any").
# urgent: window

# Whether this relay trades with relays of other sites that do so too: it spares the line of the head office, and uses this one's upload.
# trade: false

# Facts of this machine that no program can find out: facts.local.NAME in templates and selects.
# facts:
#   rack: b7

# How long one run of the configuration-management tool may take.
# engine:
#   timeout: ${applyTimeoutDefault}

# What is changed goes back where this machine then reaches no neighbour any more for this long, or fails a monitor; "off" for never.
# probation: ${probationDefault}
`
}

/** The state folder: `--home`, else $GRAPEVINE_HOME, else by who we are. Absolute. */
export function homeFolder(given: string | undefined): string {
  const chosen = given ?? process.env['GRAPEVINE_HOME']
  if (chosen !== undefined && chosen !== '') return resolve(chosen)
  if (process.getuid?.() === 0) return '/var/lib/grapevine'
  const state = process.env['XDG_STATE_HOME']
  return state !== undefined && isAbsolute(state) ? join(state, 'grapevine') : join(homedir(), '.local/state/grapevine')
}

/** The name of this machine in reports, as far as a membership can carry it. */
export function machineName(given: string | undefined): string {
  const name = (given ?? hostname()).replaceAll(/[^A-Za-z0-9._-]/g, '-').slice(0, 63)
  return name === '' ? 'unnamed' : name
}

const settings = {
  '': ['listen', 'bootstrap', 'lan', 'wan', 'disk', 'urgent', 'trade', 'facts', 'engine', 'probation'],
  lan: ['discovery', 'port', 'up'],
  wan: ['down', 'up', 'polite', 'schedule'],
  disk: ['quota', 'versions'],
  engine: ['timeout', 'pretendRoot'],
}
const factNamePattern = /^[a-z][a-z0-9_]{0,62}$/i

/** By hand: a schema library would cost an idle daemon more memory than all of its own state. Throws GuardFailed. */
function configOf(value: unknown): Config {
  const fields = sectionAt({ '': value }, '')
  const lan = sectionAt(fields, 'lan')
  const wan = sectionAt(fields, 'wan')
  const disk = sectionAt(fields, 'disk')
  const engine = sectionAt(fields, 'engine')
  const timeout = own(engine, 'timeout')
  if (timeout !== undefined && (typeof timeout !== 'string' || parseDuration(timeout) === undefined))
    throw new GuardFailed('engine.timeout', 'a duration such as PT1H or 30m')
  const pretendRoot = own(engine, 'pretendRoot')
  return {
    listen: addressesAt(fields, 'listen', 8) ?? [listenDefault],
    bootstrap: addressesAt(fields, 'bootstrap', 64) ?? [],
    lan: {
      discovery: switchAt(own(lan, 'discovery'), 'lan.discovery') ?? true,
      port: own(lan, 'port') === undefined ? portDefault : wholeAt(own(lan, 'port'), 'lan.port', 1, 65_535),
      up: rateAt(own(lan, 'up'), 'lan.up'),
    },
    wan: {
      down: rateAt(own(wan, 'down'), 'wan.down'),
      up: rateAt(own(wan, 'up'), 'wan.up'),
      polite: switchAt(own(wan, 'polite'), 'wan.polite') ?? politeDefault,
      schedule: scheduleAt(own(wan, 'schedule') ?? [], 'wan.schedule'),
    },
    disk: {
      quotaBytes: sizeAt(own(disk, 'quota') ?? quotaDefault, 'disk.quota'),
      versions: wholeAt(own(disk, 'versions') ?? versionsDefault, 'disk.versions', 1, 100),
    },
    urgent: oneOfAt(own(fields, 'urgent') ?? 'window', 'urgent', ['window', 'any'] as const),
    trade: switchAt(own(fields, 'trade'), 'trade') ?? false,
    facts: factsAt(own(fields, 'facts')),
    engine: {
      timeout: typeof timeout === 'string' ? timeout : applyTimeoutDefault,
      pretendRoot: pretendRoot === undefined ? undefined : textAt(pretendRoot, 'engine.pretendRoot', 4096),
    },
    probationMs: probationAt(own(fields, 'probation') ?? probationDefault),
  }
}

function sectionAt(parent: Fields, name: keyof typeof settings): Fields {
  const value = own(parent, name)
  if (value === undefined || value === null) return {}
  const fields = fieldsAt(value, name === '' ? 'config.yaml' : name)
  for (const key of Object.keys(fields))
    if (!settings[name].includes(key))
      throw new GuardFailed(name === '' ? key : `${name}.${key}`, `one of the settings ${settings[name].join(', ')}`)
  return fields
}

const unitBytes = { MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }

/** Bytes of a size such as `20 GiB`. */
function sizeAt(value: unknown, name: string): number {
  const [, number, unit] = /^(\d{1,6}(?:\.\d{1,3})?) ?([MGT]iB)$/.exec(typeof value === 'string' ? value : '') ?? []
  if (number === undefined) throw new GuardFailed(name, 'a size such as 500 MiB or 20 GiB')
  return Math.floor(Number(number) * unitBytes[unit as keyof typeof unitBytes])
}

function probationAt(value: unknown): number | undefined {
  if (value === 'off' || value === false) return undefined
  const length = typeof value === 'string' ? parseDuration(value) : undefined
  if (length === undefined || length < second || length > hour)
    throw new GuardFailed('probation', 'a duration from 1s to 1h such as 60s, or off')
  return length
}

function switchAt(value: unknown, name: string): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value
  throw new GuardFailed(name, 'true or false')
}

function addressesAt(fields: Fields, name: string, max: number): Address[] | undefined {
  const value = own(fields, name)
  if (value === undefined || value === null) return undefined
  return listAt(value, name, max).map((item) => {
    const address = textAt(item, name, 256)
    if (isAddress(address)) return address
    throw new GuardFailed(name, `addresses such as ${listenDefault}; "${address}" is none`)
  })
}

function factsAt(value: unknown): Config['facts'] {
  if (value === undefined || value === null) return {}
  if (!isFields(value)) throw new GuardFailed('facts', 'names and values')
  for (const [name, fact] of Object.entries(value)) {
    const isPlain =
      typeof fact === 'number' || typeof fact === 'boolean' || (typeof fact === 'string' && fact.length <= 1024)
    if (!factNamePattern.test(name) || !isPlain)
      throw new GuardFailed(`facts.${name}`, 'a word, and a text, number or yes/no')
  }
  return value as Config['facts']
}

function invalid(path: string, lines: LineCounter, offset: number, message: string): Misconfigured {
  const { line, col } = lines.linePos(offset)
  return new Misconfigured('CONFIG_INVALID', {
    message: `The configuration is not valid: ${message}.`,
    where: `${path}:${line}:${col}`,
    next: 'Correct that line; docs/operate.md lists the settings.',
  })
}

/** Where in the text the member at a path begins; the start of the document where it has no place of its own. */
function offsetOf(contents: unknown, path: readonly PropertyKey[]): number {
  let node = contents
  let offset = 0
  for (const name of path) {
    if (isSeq(node)) {
      const item: unknown = node.items[Number(name)]
      if (isNode(item)) offset = item.range?.[0] ?? offset
      node = item
      continue
    }
    if (!isMap(node)) break
    const pair = node.items.find((item) => isScalar(item.key) && item.key.value === name)
    if (!pair) break
    if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset
    node = pair.value
  }
  return offset
}

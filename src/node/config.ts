/**
 * `HOME/config.yaml`: what an admin may edit. Every default stands here with its reason; the file that `init` and `join` write
 * shows them as comments. Read once at start; a faulty file stops the daemon with the line, never half of it taken.
 */
import { homedir, hostname } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { LineCounter, isMap, isScalar, parseDocument } from 'yaml'
import * as z from 'zod'
import { Misconfigured } from '#base/errors.ts'
import type { Address } from '#protocol/link.ts'

/** One port for everything between members: one firewall rule (interfaces, "Ports and directions"). */
export const portDefault = 47_100
/** All interfaces: inside a site members listen on the LAN. */
export const listenDefault = `/ip4/0.0.0.0/tcp/${portDefault}` as Address
/** An hour for one run of an engine: package installations on a slow disk take most of one. */
const applyTimeoutDefault = 'PT1H'

const address = z.string().regex(/^\/(?:ip4|ip6|dns|dns4|dns6)\/[^/\s]+\/tcp\/\d{1,5}(?:\/p2p\/\w+)?$/)
const fact = z.union([z.string().max(1024), z.number(), z.boolean()])

const schema = z.strictObject({
  listen: z.array(address).max(8).optional(),
  bootstrap: z.array(address).max(64).optional(),
  lan: z
    .strictObject({ discovery: z.boolean().optional(), port: z.number().int().min(1).max(65_535).optional() })
    .optional(),
  facts: z.record(z.string().regex(/^[a-z][a-z0-9_]{0,62}$/i), fact).optional(),
  engine: z.strictObject({ timeout: z.string().optional(), pretendRoot: z.string().optional() }).optional(),
})

export interface Config {
  readonly listen: readonly Address[]
  readonly bootstrap: readonly Address[]
  readonly lan: { readonly discovery: boolean; readonly port: number }
  /** `facts.local.*` in templates and selects. */
  readonly facts: Readonly<Record<string, string | number | boolean>>
  readonly engine: {
    readonly timeout: string
    /** The demo's scratch folder where no engine is installed; nothing else may set it. */
    readonly pretendRoot: string | undefined
  }
}

/** The configuration in the text of `config.yaml`. Misconfigured `CONFIG_INVALID` with line and column; an empty file is all defaults. */
export function parseConfig(text: string, path: string): Config {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const [fault] = document.errors
  if (fault) throw invalid(path, lines, fault.pos[0], fault.message.split('\n')[0] ?? 'no YAML')
  const parsed = schema.safeParse(document.toJS() ?? {})
  if (parsed.success) return withDefaults(parsed.data)
  const [issue] = parsed.error.issues
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const at = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])]
  const message =
    unknown === undefined ? `${at.join('.')}: ${issue?.message ?? 'not understood'}` : `"${at.join('.')}" is no setting`
  throw invalid(path, lines, offsetOf(document.contents, at), message)
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

# Facts of this machine that no program can find out: facts.local.NAME in templates and selects.
# facts:
#   rack: b7

# How long one run of the configuration-management tool may take.
# engine:
#   timeout: ${applyTimeoutDefault}
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

function withDefaults(given: z.infer<typeof schema>): Config {
  return {
    listen: (given.listen ?? [listenDefault]) as Address[],
    bootstrap: (given.bootstrap ?? []) as Address[],
    lan: { discovery: given.lan?.discovery ?? true, port: given.lan?.port ?? portDefault },
    facts: given.facts ?? {},
    engine: { timeout: given.engine?.timeout ?? applyTimeoutDefault, pretendRoot: given.engine?.pretendRoot },
  }
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
    if (!isMap(node)) break
    const pair = node.items.find((item) => isScalar(item.key) && item.key.value === name)
    if (!pair) break
    if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset
    node = pair.value
  }
  return offset
}

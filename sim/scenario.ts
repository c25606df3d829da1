/**
 * A scenario file: sites, lines, devices, what is published, and what goes wrong when. One file for the test bed (real processes,
 * `sim/testbed/`) and for the simulator. An unknown key or a wrong value is an error with file, line and column; nothing has a silent
 * meaning. Times are counted from the start of the devices.
 */
import * as z from 'zod'
import { Misconfigured } from '#base/errors.ts'
import { readDocument, type Path, type PolicyDocument } from '#policy/document.ts'
import { quantityOf } from './quantity.ts'

/** When something happens: a time, a share of what a site has to get, or once everybody has everything. */
export type When =
  | { readonly type: 'time'; readonly ms: number }
  | { readonly type: 'progress'; readonly share: number }
  | { readonly type: 'done' }

const quantity = (kind: 'rate' | 'size' | 'time', example: string): z.ZodType<number> =>
  z.string({ error: `a quantity such as ${example}` }).transform((text, context) => {
    const value = quantityOf(text, kind)
    if (value !== undefined) return value
    context.addIssue({ code: 'custom', message: `a quantity such as ${example}` })
    return z.NEVER
  })
const rate = quantity('rate', '2 Mbit')
const size = quantity('size', '64 MiB')
const time = quantity('time', '30 ms')
const count = z.int({ error: 'a whole number' }).min(1, 'at least 1').max(5_000, 'at most 5000')
const share = z.number({ error: 'a share from 0 to 1' }).min(0, 'a share from 0 to 1').max(1, 'a share from 0 to 1')
const name = z.string({ error: 'a name' }).regex(/^[a-z0-9][a-z0-9-]{0,30}$/, 'a name of small letters, digits and -')
const node = z
  .string({ error: 'a node such as lyon/relay/0' })
  .regex(/^[a-z0-9-]+(?:\/[a-z0-9-]+\/\d+)?$/, 'a node such as lyon/relay/0, or an origin')

const when = z.string({ error: whenWords() }).transform((text, context): When => {
  const ms = quantityOf(text, 'time')
  const [, percent] = /^(\d+(?:\.\d+)?) ?%$/.exec(text) ?? []
  if (text === 'done') return { type: 'done' }
  if (ms !== undefined) return { type: 'time', ms }
  if (percent !== undefined && Number(percent) <= 100) return { type: 'progress', share: Number(percent) / 100 }
  context.addIssue({ code: 'custom', message: whenWords() })
  return z.NEVER
})

const link = { bandwidth_down: rate, bandwidth_up: rate }
const uplink = z.strictObject({ ...link, latency: time.optional(), queue: time.optional() })
const group = z.strictObject({
  id: name,
  role: z.enum(['client', 'relay'], { error: 'client or relay' }),
  count,
  start: when.optional(),
})
const site = z.strictObject({
  id: name,
  count: count.optional(),
  /** Its relays trade with those of other sites. */
  trade: z.boolean({ error: 'true or false' }).optional(),
  uplink,
  groups: z.array(group).min(1, 'at least one group'),
})
const bundle = z.strictObject({
  id: name,
  size,
  files: z.strictObject({ count, size }).optional(),
  publish: z.strictObject({ at: when }).optional(),
  /** Later versions: `changed` of the bytes in so many `places`, and so many bytes inserted. */
  revisions: z.array(z.strictObject({ at: when, changed: share, places: count, inserted: size })).optional(),
})
const victim = { node: node.optional(), site: name.optional(), pick: z.literal('busiest').optional() }
const fault = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('crash'), at: when, ...victim, restart_after: time.optional() }),
    z.strictObject({ kind: z.literal('pause'), at: when, ...victim, for: time.optional() }),
    z.strictObject({ kind: z.literal('uplink_down'), at: when, site: name, for: time.optional() }),
    z.strictObject({
      kind: z.literal('byzantine'),
      node,
      behaviour: z.enum(['corrupt_chunks', 'never_answers'], { error: 'corrupt_chunks or never_answers' }),
    }),
  ],
  { error: 'a fault of the kind crash, pause, uplink_down or byzantine' },
)
const scenario = z.strictObject({
  version: z.literal(1, { error: '1' }),
  name,
  general: z.strictObject({
    seed: z.int({ error: 'a whole number' }).optional(),
    /** The run ends then, done or not. */
    stop_time: time,
    /** Rest before what happens at `done`, so that reports and gossip of the time before do not count into it. */
    settle_time: time.optional(),
    /** So long the line is watched after everything. */
    idle_time: time.optional(),
  }),
  defaults: z
    .strictObject({
      lan: z.strictObject({ bandwidth: rate }).optional(),
      uplink: z.strictObject({ latency: time.optional(), queue: time.optional() }).optional(),
    })
    .optional(),
  origins: z.array(z.strictObject({ id: name, ...link })).length(1, 'one origin'),
  sites: z.array(site).min(1, 'at least one site').max(200, 'at most 200 sites'),
  bundles: z.array(bundle).min(1, 'at least one bundle'),
  faults: z.array(fault).optional(),
  probes: z.array(z.strictObject({ kind: z.literal('ping'), site: name, interval: time })).optional(),
})

type Written = z.output<typeof scenario>
export type Fault = z.output<typeof fault>
export type Group = z.output<typeof group>
export type RevisionPlan = NonNullable<BundlePlan['revisions']>[number]
export type BundlePlan = z.output<typeof bundle>

export interface SitePlan {
  readonly id: string
  readonly uplink: {
    readonly bandwidthDown: number
    readonly bandwidthUp: number
    /** One way, ms. */
    readonly latency: number
    /** What waits before the line at most, ms. */
    readonly queue: number
  }
  readonly trade: boolean
  readonly groups: readonly Group[]
}

/** The file with its defaults filled in and its sites counted out. Rates in bits a second, sizes in bytes, times in ms. */
export interface Scenario extends Omit<Written, 'sites' | 'defaults'> {
  readonly lanBandwidth: number
  readonly sites: readonly SitePlan[]
}

/** A LAN of 200 Mbit/s: two cores and twenty processes carry it, and no line here is near it. */
const lanBandwidthDefault = 200e6
const queueMsDefault = 100

/** The scenario in a text. Misconfigured `SCENARIO_INVALID` with file, line and column of the first fault. */
export function parseScenario(text: string, file: string): Scenario {
  const { document, problems } = readDocument(text)
  const [problem] = problems
  if (!document || problem)
    throw invalid(file, problem ?? { line: 1, column: 1 }, problem?.message ?? 'This is no YAML.')
  const read = scenario.safeParse(document.value)
  if (read.success) return filled(read.data)
  const faults = read.error.issues.map((issue) => faultOf(issue, document))
  // A wrong key makes the right one missing: the wrong one is what to correct.
  faults.sort((a, b) => a.line - b.line || Number(b.isKey) - Number(a.isKey) || a.column - b.column)
  const [first] = faults
  throw invalid(file, first ?? { line: 1, column: 1 }, first?.message ?? 'It is no scenario.')
}

/** Every device of a site by name, `site/group/index`, with its group. */
export function nodesOf(plan: SitePlan): { name: string; group: Group }[] {
  return plan.groups.flatMap((part) =>
    Array.from({ length: part.count }, (_, index) => ({ name: `${plan.id}/${part.id}/${index}`, group: part })),
  )
}

/** Bytes of content in the first version of a bundle. */
export const bundleBytes = (plan: BundlePlan): number =>
  plan.size + (plan.files ? plan.files.count * plan.files.size : 0)

function filled({ defaults, sites, ...rest }: Written): Scenario {
  return {
    ...rest,
    lanBandwidth: defaults?.lan?.bandwidth ?? lanBandwidthDefault,
    sites: sites.flatMap((written) => {
      const plan = {
        uplink: {
          bandwidthDown: written.uplink.bandwidth_down,
          bandwidthUp: written.uplink.bandwidth_up,
          latency: written.uplink.latency ?? defaults?.uplink?.latency ?? 0,
          queue: written.uplink.queue ?? defaults?.uplink?.queue ?? queueMsDefault,
        },
        trade: written.trade ?? false,
        groups: written.groups,
      }
      if (written.count === undefined) return [{ id: written.id, ...plan }]
      return Array.from({ length: written.count }, (_, index) => ({ id: `${written.id}-${index}`, ...plan }))
    }),
  }
}

interface Fallen {
  readonly line: number
  readonly column: number
  readonly message: string
  readonly isKey: boolean
}

function faultOf(issue: z.core.$ZodIssue, document: PolicyDocument): Fallen {
  const path = issue.path as Path
  const words = path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys
    const message = `${words === '' ? 'A scenario' : words} has no setting "${key}".`
    return { ...document.place([...path, key], 'key'), message, isKey: true }
  }
  const isMissing = issue.code === 'invalid_type' && valueAt(document.value, path) === undefined
  const wanted = issue.message
  const message = isMissing ? `${words} is missing: ${wanted}.` : `${words} must be ${wanted}.`
  return { ...document.place(path), message, isKey: false }
}

function valueAt(value: unknown, path: Path): unknown {
  let found = value
  for (const step of path) found = (found as Record<string | number, unknown> | null | undefined)?.[step]
  return found
}

function invalid(file: string, at: { line: number; column: number }, message: string): Misconfigured {
  return new Misconfigured('SCENARIO_INVALID', {
    message,
    where: `${file}:${at.line}:${at.column}`,
    next: 'Correct that line; sim/scenario.ts lists the settings.',
  })
}

function whenWords(): string {
  return 'a time such as 10 s, a share such as 50 %, or done'
}

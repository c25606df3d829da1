/**
 * What two policies would undo of each other at every run: two owners of one path, a line in a file that another writes whole, one
 * package or service in two states. Only where both can be meant for one device, and only what differs: two bundles that want the
 * same agree. A text that the device fills in from parameters is not known here, and never said to conflict.
 */
import type { LineResource, PackageResource, Policy, Resource, Select } from './model.ts'

export interface Conflict {
  /** Index of the resource in the first policy, and in the second. */
  readonly first: number
  readonly second: number
  /** Key of the second resource that names the thing. */
  readonly key: 'path' | 'name' | 'match'
  /** What both want: a path, `package nginx`. */
  readonly thing: string
  /** Why that cannot be, in a few words. */
  readonly why: string
}

/** Conflicts of two policies in the order of the second; none where no device can be meant by both. */
export function conflictsOf(first: Policy, second: Policy): Conflict[] {
  if (!mayMeet(first.select, second.select)) return []
  const owners = Map.groupBy(first.resources.entries(), ([, resource]) => thingOf(resource))
  return second.resources.flatMap((resource, index) => {
    const thing = thingOf(resource)
    if (thing === undefined) return []
    const key = 'path' in resource ? 'path' : resource.kind === 'process' ? 'match' : 'name'
    for (const [owner, other] of owners.get(thing) ?? []) {
      const why = clashOf(other, resource)
      if (why !== undefined) return [{ first: owner, second: index, key, thing, why } as const]
    }
    return []
  })
}

/** Whether one device could be meant by both. A relay's part is not looked at: it can only make them meet less. */
export function mayMeet(a: Select | undefined, b: Select | undefined): boolean {
  const { sites } = a ?? {}
  if (sites && b?.sites && !b.sites.some((site) => sites.includes(site))) return false
  if (differs(a?.labels, b?.labels)) return false
  return !differs(scalar(a?.facts), scalar(b?.facts))
}

type Texts = Readonly<Record<string, string>>

const differs = (a: Texts = {}, b: Texts = {}): boolean =>
  Object.entries(a).some(([name, value]) => Object.hasOwn(b, name) && b[name] !== value)

/** Facts that have one value: a list, as `local.roles` may be, can hold both. */
const scalar = (facts: Texts = {}): Texts =>
  Object.fromEntries(Object.entries(facts).filter(([path]) => /^(?:os\.|hostname$|memoryMiB$|cpus$)/.test(path)))

/** The same text on every device that both are meant for: no parameter in it, which each policy has of its own. */
const isKnown = (text: string): boolean =>
  [...text.matchAll(/\{\{([^}]*)/g)].every(([, tag = '']) => /^\s*(?:facts|labels)\./.test(tag))

function thingOf(resource: Resource): string | undefined {
  switch (resource.kind) {
    case 'file':
    case 'directory':
    case 'line':
      return isKnown(resource.path) ? resource.path : undefined
    case 'package':
    case 'service':
      return isKnown(resource.name) ? `${resource.kind} ${resource.name}` : undefined
    case 'process':
      return `process ${resource.match}`
    default:
      return undefined
  }
}

/** Both are owners of one thing. */
function clashOf(a: Resource, b: Resource): string | undefined {
  if (a.kind === 'package' && b.kind === 'package') return packageClash(a, b)
  if (a.kind === 'service' && b.kind === 'service') return fieldClash(a, b, ['state', 'enabled'])
  if (a.kind === 'process' && b.kind === 'process') return fieldClash(a, b, ['state', 'start'])
  if (a.kind === 'directory' && b.kind === 'directory') return fieldClash(a, b, ['mode', 'owner', 'group'])
  if (a.kind === 'line' && b.kind === 'line') return lineClash(a, b)
  if (a.kind === 'file' && b.kind === 'file')
    return a.state === 'absent' && b.state === 'absent' ? undefined : 'a file has one owner'
  if (a.kind === 'line' || b.kind === 'line') return 'the file is written whole, so the line would go each time'
  return 'it cannot be a file and a directory'
}

function fieldClash<Fields>(a: Fields, b: Fields, keys: readonly (keyof Fields & string)[]): string | undefined {
  const key = keys.find((name) => a[name] !== undefined && b[name] !== undefined && a[name] !== b[name])
  return key && `${key} is ${String(a[key])} there and ${String(b[key])} here`
}

function packageClash(a: PackageResource, b: PackageResource): string | undefined {
  const [there, here] = [a, b].map(({ state, version }) => (version === undefined ? state : `${state} ${version}`))
  const why = `it is ${there} there and ${here} here`
  if ((a.state === 'absent') !== (b.state === 'absent')) return why
  const exact = [a, b].filter(({ version }) => version !== undefined && !version.startsWith('>='))
  if (exact.length === 2) return a.version === b.version ? undefined : why
  return exact.length === 1 && (a.state === 'latest' || b.state === 'latest') ? why : undefined
}

/** Two lines in one file agree, unless one takes the other for what it replaces. */
function lineClash(a: LineResource, b: LineResource): string | undefined {
  if (a.line === b.line) return undefined
  const takes = ({ match }: LineResource, { line }: LineResource): boolean =>
    match !== undefined && isKnown(line) && new RegExp(match).test(line)
  return takes(a, b) || takes(b, a) ? 'the match of one replaces the line of the other' : undefined
}

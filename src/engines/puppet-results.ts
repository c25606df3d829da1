/**
 * From what Puppet told of a run to what the Engine contract gives: results and findings, in the same words as the other engines.
 *
 * | Puppet's outcome     | result                                                     | finding                          |
 * | `kept`               | kept; skipped where its program says so                    | none                             |
 * | `changed`            | repaired                                                   | –                                |
 * | `pending`            | –                                                          | what the program or Puppet saw   |
 * | `failed`, `skipped`  | failed, skipped, with the program's reason or Puppet's     | the reason                       |
 */
import type { Finding } from '#facts/finding.ts'
import type { ResourceResult } from '#facts/report.ts'
import { placeMark } from '#policy/compile/puppet.ts'
import { reasonOf, type PuppetEvent, type PuppetReport, type PuppetResource } from './puppet-report.ts'
import { cut, failureIn, lastWord } from './script-output.ts'

export interface Told {
  readonly report: PuppetReport
  /** Lines that the programs of the policy printed, by the index of the resource. */
  readonly words: ReadonlyMap<number, readonly string[]>
}

type Outcome = Pick<ResourceResult, 'outcome' | 'reason'>

/** A report takes no more results (facts/report.ts), and a policy of Puppet's own may have any number of resources. */
const rawMax = 2000

/** What became of the resource with this id and index. */
export function compiledResult(told: Told, id: string, index: number): Outcome {
  const parts = partsOf(told, id)
  if (parts.length === 0) return { outcome: 'failed', reason: index < 0 ? 'not compiled' : 'no result from Puppet' }
  const words = told.words.get(index) ?? []
  const failed = parts.find((part) => hasFailed(part))
  if (failed) return { outcome: 'failed', reason: failureIn(words) ?? reasonOf(failed) }
  const left = parts.find(({ outcome }) => outcome === 'skipped')
  if (left) return { outcome: 'skipped', reason: reasonOf(left) }
  if (parts.some(({ outcome }) => outcome === 'changed')) return { outcome: 'repaired' }
  const skipped = lastWord(words, 'skipped')
  return skipped === undefined ? { outcome: 'kept' } : { outcome: 'skipped', reason: cut(skipped) }
}

/** What was seen of the resource, or undefined where it is as wanted. */
export function compiledFinding(told: Told, id: string, index: number): string | undefined {
  const parts = partsOf(told, id)
  if (parts.length === 0) return 'no result from Puppet'
  const words = told.words.get(index) ?? []
  const failed = parts.find((part) => hasFailed(part) || part.outcome === 'skipped')
  if (failed) return failureIn(words) ?? reasonOf(failed)
  // The file, not what makes its place.
  const pending = parts.findLast(({ outcome }) => outcome === 'pending')
  if (pending?.type === 'File') return cut(seenOf(pending.events))
  return pending && cut(lastWord(words, 'seen') ?? failureIn(words) ?? reasonOf(pending))
}

/** One for each resource of a policy of Puppet's own, as they were evaluated; where they are too many those that were not kept. */
export function rawResults({ resources }: PuppetReport): ResourceResult[] {
  const all = ownOf(resources)
  const told = all.length > rawMax ? all.filter(({ resource }) => resource.outcome !== 'kept') : all
  return told.slice(0, rawMax).map(({ resource, id }) => ({ id, kind: 'raw', ...rawOutcome(resource) }))
}

export function rawFindings({ resources }: PuppetReport): Pick<Finding, 'resource' | 'path' | 'wanted' | 'seen'>[] {
  return ownOf(resources)
    .filter(({ resource }) => resource.outcome !== 'kept')
    .slice(0, rawMax)
    .map(({ resource, id }) => {
      const { type, title, events } = resource
      const place = type === 'File' && title.startsWith('/') ? { path: title } : {}
      if (resource.outcome !== 'pending' || events.length === 0)
        return { resource: id, ...place, wanted: 'no failure', seen: reasonOf(resource) }
      const words = (key: 'desired' | 'previous'): string =>
        cut(events.map((event) => `${event.property} ${event[key]}`).join(', '))
      return { resource: id, ...place, wanted: words('desired'), seen: words('previous') }
    })
}

/** The index in the name of a file of a program's words, or undefined. */
export function indexOf(name: string): number | undefined {
  const index = /^words-(\d{1,9})$/.exec(name)?.[1]
  return index === undefined ? undefined : Number(index)
}

const partsOf = ({ report }: Told, id: string): PuppetResource[] =>
  report.resources.filter(({ title }) => title === id || title === `${id}${placeMark}`)

/** A guard that could not be run is an error that Puppet goes on from as if there were nothing to do. */
const hasFailed = ({ type, outcome, words }: PuppetResource): boolean =>
  outcome === 'failed' ||
  (type === 'Exec' && words.some(({ level }) => level === 'err')) ||
  (type === 'File' && outcome === 'changed' && words.some(({ text }) => text.startsWith('Not removing directory')))

function rawOutcome(resource: PuppetResource): Outcome {
  if (hasFailed(resource)) return { outcome: 'failed', reason: reasonOf(resource) }
  if (resource.outcome === 'skipped') return { outcome: 'skipped', reason: reasonOf(resource) }
  return { outcome: resource.outcome === 'changed' ? 'repaired' : 'kept' }
}

/** What Puppet adds to each run by itself, and what only says something: a `notify` would be drift for ever. */
const noState = new Set(['Schedule', 'Filebucket', 'Stage', 'Class', 'Whit', 'Node', 'Notify'])

const ownOf = (resources: readonly PuppetResource[]): { resource: PuppetResource; id: string }[] =>
  resources
    .filter(({ type }) => !noState.has(type))
    .map((resource, index) => ({ resource, id: `${index}:raw:${resource.type}[${resource.title}]`.slice(0, 200) }))

/** What differs in a file, in fewer words. */
function seenOf(events: readonly PuppetEvent[]): string {
  const seen = events.map(({ property, previous, desired }) => {
    if (property === 'mode') return `mode ${previous}`
    if (property === 'owner' || property === 'group') return `another ${property}`
    if (property !== 'ensure' || previous === 'link') return desired === 'absent' ? 'present' : 'other content'
    if (previous === 'absent') return 'missing'
    if (previous === 'directory') return 'it is a directory'
    return desired === 'absent' ? 'present' : `a ${previous}`
  })
  return seen.length > 0 ? seen.join(', ') : 'different'
}

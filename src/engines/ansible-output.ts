/**
 * From what Ansible told of its tasks (ansible-callback.ts) to results and findings, for a compiled policy, whose tasks are named by the
 * index of their resource, and for a playbook of the policy's own, where each task is a result.
 */
import { unreachable } from '#base/assert.ts'
import type { ResourceResult } from '#facts/report.ts'
import { cut, failureIn, lastWord } from './script-output.ts'
import type { RunEvents, TaskEvent } from './ansible-callback.ts'

type Outcome = Pick<ResourceResult, 'outcome' | 'reason'>

/** As many as a report holds. */
const rawResultsMax = 2000

/** The tasks of each of `count` resources. */
export function byResource(tasks: readonly TaskEvent[], count: number): TaskEvent[][] {
  const groups = Array.from({ length: count }, (): TaskEvent[] => [])
  for (const task of tasks) groups[Number(/^\d+/.exec(task.name)?.[0])]?.push(task)
  return groups
}

/** What became of a resource, by its tasks. */
export function outcomeOf(tasks: readonly TaskEvent[] | undefined): Outcome {
  if (!tasks) return { outcome: 'failed', reason: 'not compiled' }
  if (tasks.length === 0) return { outcome: 'failed', reason: 'no result: Ansible did not come to it' }
  const failed = tasks.filter(hasFailed)
  if (failed.length > 0) return { outcome: 'failed', reason: cut([...new Set(failed.map(failureOf))].join(' | ')) }
  if (tasks.some(({ how }) => how === 'changed')) return { outcome: 'repaired' }
  const skipped = lastWord(linesOf(tasks.at(-1)), 'skipped')
  return skipped === undefined ? { outcome: 'kept' } : { outcome: 'skipped', reason: cut(skipped) }
}

/** How a resource is, after a run that only looked; undefined where it is as wanted. */
export function seenOf(tasks: readonly TaskEvent[]): string | undefined {
  const { outcome, reason } = outcomeOf(tasks)
  if (outcome === 'failed') return reason ?? 'different'
  if (outcome !== 'repaired') return undefined
  const changed = tasks.filter(({ how }) => how === 'changed')
  const seen = lastWord(linesOf(changed.at(-1)), 'seen')
  if (seen !== undefined) return cut(seen)
  const name = (task: TaskEvent): string => task.name.replace(/^\d+ /, '')
  if (changed.some((task) => name(task) === 'absence')) return 'present'
  if (changed.some((task) => name(task) === 'folder' || (name(task) === 'content' && task.absent))) return 'missing'
  const parts = changed.flatMap((task) =>
    name(task) === 'content' || name(task) === 'link' ? ['other content'] : beforeOf(task),
  )
  return parts.length > 0 ? [...new Set(parts)].join(', ') : 'different'
}

/** A result for each task of a playbook that is the policy's own. */
export const rawResults = (events: RunEvents): ResourceResult[] => rawOutcomes(events).map(({ result }) => result)

interface RawDrift {
  readonly resource: string
  readonly path?: string
  readonly seen: string
}

/** Tasks of such a playbook that would change something, or cannot tell. */
export function rawDrift(events: RunEvents): RawDrift[] {
  return rawOutcomes(events).flatMap(({ task, result }) => {
    if (result.outcome !== 'repaired' && result.outcome !== 'failed') return []
    const place = task.path === undefined ? {} : { path: task.path }
    const seen =
      result.outcome === 'failed' ? (result.reason ?? 'fails') : ['would change', ...beforeOf(task)].join(', ')
    return [{ resource: result.id, ...place, seen: cut(seen) }]
  })
}

function rawOutcomes({ tasks, failures }: RunEvents): { readonly task: TaskEvent; readonly result: ResourceResult }[] {
  const failed = tasks.filter(({ how }) => how === 'failed')
  // A failure that a rescue section took up is none: only the last ones ended the play.
  const fatal = new Set(failed.slice(failed.length - Math.min(failures ?? 0, failed.length)))
  const outcomes = tasks.map((task, index) => {
    const id = `${index}:raw:${task.name.replaceAll(/\p{Cc}+/gu, ' ')}`
    return { task, result: { id, kind: 'raw', ...rawOutcome(task, fatal.has(task)) } }
  })
  if (outcomes.length <= rawResultsMax) return outcomes
  // Those that went wrong, or did something, before those that did not.
  const did = outcomes.filter(({ result }) => result.outcome === 'failed' || result.outcome === 'repaired')
  return (did.length > 0 ? did : outcomes).slice(-rawResultsMax)
}

function rawOutcome(task: TaskEvent, isFatal: boolean): Outcome {
  switch (task.how) {
    case 'ok':
      return { outcome: 'kept' }
    case 'changed':
      return { outcome: 'repaired' }
    case 'skipped':
      return { outcome: 'skipped', reason: cut(task.message || 'its condition does not hold') }
    case 'ignored':
      return { outcome: 'skipped', reason: cut(`failed, which the playbook ignores: ${failureOf(task)}`) }
    case 'failed':
      return isFatal
        ? { outcome: 'failed', reason: failureOf(task) }
        : { outcome: 'skipped', reason: cut(`failed, and was rescued: ${failureOf(task)}`) }
    default:
      return unreachable(task.how)
  }
}

/** What ansible-playbook said against a playbook, with the place first. */
export function errorsIn(output: string): string {
  const at = output.indexOf('ERROR! ')
  const text = at === -1 ? output : output.slice(at + 'ERROR! '.length)
  const place = /The error appears to be in '(.+)': line (\d+), column (\d+)/.exec(text)
  const words = text
    .slice(0, place?.index)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('[WARNING]'))
    .join(' | ')
  const where = place ? `${place[1]}:${place[2]}:${place[3]}: ` : ''
  return cut(`${where}${words || 'ansible-playbook does not say why'}`)
}

const hasFailed = ({ how }: TaskEvent): boolean => how === 'failed' || how === 'ignored'

const linesOf = (task: TaskEvent | undefined): string[] => task?.stdout?.split(/\r?\n/) ?? []

function failureOf(task: TaskEvent): string {
  const said = failureIn(linesOf(task))
  if (said !== undefined) return said
  const words = [task.message, task.stderr].filter((text) => text !== undefined && text.trim() !== '')
  return cut(words.length > 0 ? words.join(' | ') : 'Ansible does not say why')
}

function beforeOf({ before }: TaskEvent): string[] {
  if (!before) return []
  if (before['state'] === 'absent') return ['missing']
  return [
    ...(before['mode'] === undefined ? [] : [`mode ${before['mode']}`]),
    ...(before['owner'] === undefined ? [] : ['another owner']),
    ...(before['group'] === undefined ? [] : ['another group']),
  ]
}

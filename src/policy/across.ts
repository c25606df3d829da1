/**
 * What shows only beside other policies or beside the calendar, as problems at their places: bundles that would undo each other, and
 * windows that do not open for years. Positions are found anew in the text, since a policy keeps none.
 */
import type { Instant } from '#base/time.ts'
import { conflictsOf } from './conflict.ts'
import { readDocument, type Path } from './document.ts'
import type { Policy } from './model.ts'
import { nextOpening, latestOpening } from './opening.ts'
import { policyFile, type Problem } from './problem.ts'

/** A policy with its text, and what its file is called in a message. */
export interface PlacedPolicy {
  readonly where: string
  readonly text: string
  readonly policy: Policy
}

const unopenedYears = 5
const yearMs = 366 * 86_400_000

/** Problems of the later policy, each naming the place in the earlier one. */
export function conflictProblems(earlier: PlacedPolicy, later: PlacedPolicy): Problem[] {
  if (earlier.policy.name === later.policy.name) return []
  const conflicts = conflictsOf(earlier.policy, later.policy)
  if (conflicts.length === 0) return []
  const [placeThere, placeHere] = [placesIn(earlier.text), placesIn(later.text)]
  return conflicts.map(({ first, second, key, thing, why }) => {
    const kinds = [earlier.policy.resources[first]?.kind ?? '', later.policy.resources[second]?.kind ?? '']
    const keyThere = kinds[0] === 'package' || kinds[0] === 'service' ? 'name' : key
    const there = placeThere(['resources', first, kinds[0] ?? '', keyThere])
    return {
      file: later.where,
      ...placeHere(['resources', second, kinds[1] ?? '', key]),
      code: 'POLICY_BUNDLES_CONFLICT',
      message: `${thing} is wanted by ${earlier.policy.name} too (${earlier.where}:${there.line}:${there.column}): ${why}.`,
      next: 'Leave it to one of the two, or select other devices in each.',
    }
  })
}

/** Windows that open at no time within five years: their year, UNTIL or COUNT is over, or far away. */
export function neverOpening({ windows }: Policy, text: string, now: Instant): Problem[] {
  const until = now + unopenedYears * yearMs
  const place = placesIn(text)
  return windows.flatMap((window, index) => {
    const next = nextOpening(window, now)
    const latest = latestOpening(window, now)
    const isOpen = latest !== undefined && latest + window.durationMs > now
    if (isOpen || (next !== undefined && next < until)) return []
    return [
      {
        file: policyFile,
        ...place(['windows', index]),
        code: 'POLICY_WINDOW_NEVER',
        message: `This window (from ${window.start}, ${window.zone}) does not open within ${unopenedYears} years.`,
        next: 'Correct its start or rule, or take it out.',
      } as const,
    ]
  })
}

/** Where a path of the policy stands in its text; the nearest part of it that is there. */
function placesIn(text: string): (path: Path) => { line: number; column: number } {
  const { document } = readDocument(text)
  return (path) => document?.place(path) ?? { line: 1, column: 1 }
}

/** What a release means for one device: which bundles it applies, and which it holds for its neighbours. */
import { selects, type Device } from '#policy/select.ts'
import { assignmentOf, mayConcernSite, type Assignment, type SignedBundle } from './assignment.ts'

export interface Selected {
  readonly assignment: Assignment
  readonly purpose: 'apply' | 'hold'
}

export interface Selection {
  /** By the name of the bundle. */
  readonly wanted: Map<string, Selected>
  /** Names of what is to be applied, and of what is not understood: of that it cannot be said that it is withdrawn. */
  readonly meant: ReadonlySet<string>
}

/** `carries`: neighbours rely on this device for what is meant for them. */
export function selectionOf(signed: readonly SignedBundle[], device: Device, carries: boolean): Selection {
  const wanted = new Map<string, Selected>()
  const meant = new Set<string>()
  for (const bundle of signed) {
    const assignment = assignmentOf(bundle)
    const purpose = assignment && purposeOf(assignment, device, carries)
    if (!assignment || purpose === 'apply') meant.add(bundle.name)
    if (assignment && purpose) wanted.set(assignment.name, { assignment, purpose })
  }
  return { wanted, meant }
}

function purposeOf({ select }: Assignment, device: Device, carries: boolean): 'apply' | 'hold' | undefined {
  if (selects(select, device)) return 'apply'
  return (carries || device.role !== 'client') && mayConcernSite(select, device.site) ? 'hold' : undefined
}

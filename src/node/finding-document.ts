/** Findings, repairs and monitors as documents for people and programs: times as text, what is not known as null. */
import { instant, toTimestamp } from '#base/time.ts'
import type { Finding, Repair } from '#facts/finding.ts'
import type { MonitorReport, MonitorState } from '#facts/monitor.ts'

export interface FindingDocument {
  readonly bundle: string
  readonly resource: string
  readonly path: string | null
  readonly wanted: string
  readonly seen: string
  readonly since: string
  /** Who did it, where the machine's own history tells. */
  readonly by: string | null
}

export interface RepairDocument extends FindingDocument {
  readonly repairedAt: string
}

export interface MonitorDocument {
  readonly bundle: string
  readonly name: string
  readonly state: MonitorState
  readonly since: string
  readonly said: string
}

export const findingDocument = ({ bundle, resource, path, wanted, seen, since, by }: Finding): FindingDocument => ({
  bundle,
  resource,
  path: path ?? null,
  wanted,
  seen,
  since: timestampOf(since),
  by: by ?? null,
})

export const repairDocument = (repair: Repair): RepairDocument => ({
  ...findingDocument(repair),
  repairedAt: timestampOf(repair.repairedAt),
})

export const monitorDocument = ({ bundle, name, state, since, said }: MonitorReport): MonitorDocument => ({
  bundle,
  name,
  state,
  since: timestampOf(since),
  said,
})

/** A device may report any number; a date ends in the year 275760. */
const timestampOf = (time: number): string => toTimestamp(instant(Math.min(time, 8.64e15)))

/** What a device found out about its applied bundles, as lines for people: drift, what was mended, monitors. */
import type { FindingDocument, MonitorDocument, RepairDocument } from '#node/finding-document.ts'
import { agoText, table } from './print.ts'

/** `2 resources differ, 1 monitor failing`, or nothing. */
export function watchedWords(differ: number, failing: number): string {
  const parts = [
    ...(differ > 0 ? [`${differ} ${differ === 1 ? 'resource differs' : 'resources differ'}`] : []),
    ...(failing > 0 ? [`${failing} ${failing === 1 ? 'monitor' : 'monitors'} failing`] : []),
  ]
  return parts.join(', ')
}

export function watchedText(
  watched: {
    readonly drift: readonly FindingDocument[]
    readonly repaired: readonly RepairDocument[]
    readonly monitors: readonly MonitorDocument[]
  },
  now: number,
): string[] {
  const { drift, repaired, monitors } = watched
  const rows = monitors.map(({ bundle, name, state, since, said }) => [
    bundle,
    name,
    state,
    agoText(Date.parse(since), now),
    said,
  ])
  return [
    ...(drift.length > 0 ? ['', ...findingTable(drift, now)] : []),
    ...(repaired.length > 0 ? ['', ...repairTable(repaired, now)] : []),
    ...(rows.length > 0 ? ['', ...table(['BUNDLE', 'MONITOR', 'STATE', 'SINCE', 'SAID'], rows)] : []),
  ]
}

/** A resource by its kind and name: of `3:package:nginx` the number says nothing to people. */
const nameOf = ({ resource }: FindingDocument): string => resource.replace(/^\d+:/, '')

export const findingTable = (drift: readonly FindingDocument[], now: number): string[] =>
  table(
    ['BUNDLE', 'RESOURCE', 'WANTED', 'SEEN', 'SINCE', 'BY'],
    drift.map((finding) => [
      finding.bundle,
      nameOf(finding),
      shortened(finding.wanted),
      shortened(finding.seen),
      agoText(Date.parse(finding.since), now),
      finding.by ?? '',
    ]),
  )

export const repairTable = (repaired: readonly RepairDocument[], now: number): string[] =>
  table(
    ['BUNDLE', 'RESOURCE', 'SEEN', 'SINCE', 'MENDED', 'BY'],
    repaired.map((repair) => [
      repair.bundle,
      nameOf(repair),
      shortened(repair.seen),
      agoText(Date.parse(repair.since), now),
      agoText(Date.parse(repair.repairedAt), now),
      repair.by ?? '',
    ]),
  )

/** The whole stands in the JSON. */
const cellMax = 48
const shortened = (text: string): string => (text.length > cellMax ? `${text.slice(0, cellMax - 1)}…` : text)

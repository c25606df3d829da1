/**
 * The results of one run, small enough to be journaled and reported: a policy of thousands of resources that all fail says the same a
 * thousand times, and must not end the device for it.
 */
import { resultsMax, type ResourceResult } from './report.ts'

/** Characters of all reasons together, and of one at least: with ids of 200 characters the whole stays below 1 MiB. */
const reasonsLengthMax = 262_144
const reasonLengthMin = 80
const idLengthMax = 200

/** The first `resultsMax` results; the more have a reason, the shorter each is. */
export function boundedResults(results: readonly ResourceResult[]): ResourceResult[] {
  const kept = results.slice(0, resultsMax)
  const reasons = kept.filter(({ reason }) => reason !== undefined).length
  const most = Math.max(reasonLengthMin, Math.floor(reasonsLengthMax / Math.max(1, reasons)))
  return kept.map(({ id, reason, ...result }) => ({
    ...result,
    id: cut(id, idLengthMax),
    ...(reason !== undefined && { reason: cut(reason, most) }),
  }))
}

const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text)

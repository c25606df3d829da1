/**
 * What a device tells the origin: JSON inside a sealed box (trust/seal.ts), numbered per device so that the origin counts
 * it once (protocol.md §8). At most 64 KiB; `encodeReport` gives up detail to stay below, never the state of a bundle.
 * A reader leaves out members that it does not know, so that newer devices may say more.
 */
import { assert } from '#base/assert.ts'
import { textOf, utf8 } from '#base/bytes.ts'
import { Refused } from '#base/errors.ts'
import { GuardFailed, fieldsAt, listAt, oneOfAt, own, textAt, wholeAt } from '#base/guard.ts'
import { findingAt, repairAt } from './finding.ts'
import { factsAt } from './inventory.ts'
import { monitorReportAt, monitorSaidMax, type MonitorReport } from './monitor.ts'
import { pauseAt, pausesMax, type Pause } from './pause.ts'
import type { Finding, Repair } from './finding.ts'
import type { Facts } from './inventory.ts'

/** One resource of a policy after an apply. `id` is `<index>:<kind>:<name or path>`, such as `2:file:/etc/issue.net`. */
export interface ResourceResult {
  readonly id: string
  readonly kind: string
  readonly outcome: ResourceOutcome
  /** Why it failed or was skipped; the engine's own words, at most 500 characters. */
  readonly reason?: string
}

export type ResourceOutcome = 'kept' | 'repaired' | 'failed' | 'skipped'
const resourceOutcomes: readonly ResourceOutcome[] = ['kept', 'repaired', 'failed', 'skipped']

/** The fixed words for a bundle on a device, the same in status, fleet, reports and metrics (docs/glossary.md). */
export type BundleState =
  | 'pending' // selected, nothing fetched yet
  | 'fetching' // some content is missing
  | 'preparing' // all content here; unpacking, compiling, checking
  | 'prepared' // ready; its window is not open
  | 'applying'
  | 'applied'
  | 'failed' // prepare or apply failed; the reason is in the results
  | 'blocked' // prepared, but no engine is installed
  | 'withdrawn' // not meant for this device any more; what it did stays
export const bundleStates: readonly BundleState[] = [
  'pending',
  'fetching',
  'preparing',
  'prepared',
  'applying',
  'applied',
  'failed',
  'blocked',
  'withdrawn',
]

/** What a resource is told to be that was not begun because the window of its bundle closed. */
export const windowClosed = 'the window closed'

/** Windows of a bundle that passed without it being applied to its end. */
export interface MissedWindows {
  readonly count: number
  /** Milliseconds since 1970 at which the last of them closed. */
  readonly closed: number
  /** Why the last of them was missed. */
  readonly reason: string
}

export interface BundleReport {
  readonly name: string
  readonly version: number
  readonly state: BundleState
  /** Why it is failed or blocked, or what it waits for. */
  readonly reason?: string
  /** Engine that applied it. */
  readonly engine?: string
  /** Milliseconds since 1970 of the last apply. */
  readonly appliedAt?: number
  /** Published as urgent; absent where it was not. */
  readonly urgent?: boolean
  /** Since when it is withdrawn, in the same way. */
  readonly withdrawnAt?: number
  readonly results: readonly ResourceResult[]
  /** Since this version is known, and until it is applied. */
  readonly missed?: MissedWindows
}

export interface Report {
  readonly v: 1
  /** 1, 2, 3 … per device; never reused. */
  readonly seq: number
  /** Milliseconds since 1970, by the device's clock. */
  readonly at: number
  readonly release: number
  readonly bundles: readonly BundleReport[]
  /** What differs now. */
  readonly drift: readonly Finding[]
  /** What differed lately and was mended; absent where nothing was. */
  readonly repaired?: readonly Repair[]
  /** Absent where there are none. */
  readonly monitors?: readonly MonitorReport[]
  /** What is left alone for a while by the word of somebody there; absent where nothing is. */
  readonly pauses?: readonly Pause[]
  /** Its last one: it leaves the fleet. */
  readonly left?: boolean
  /** Full until the origin has them, then only when they changed. */
  readonly facts?: Facts
  /** How fresh the signed metadata is that this device verified last. */
  readonly trust?: Freshness
  /** All is as it was: bundles, drift and whatever else is no part of a number, facts and inventory, are in these reports. */
  readonly same?: Same
}

export interface Freshness {
  /** Version of the newest timestamp. */
  readonly version: number
  /** Milliseconds since 1970 when the origin signed it, by the origin's clock. */
  readonly signedAt: number
}

/** Numbers of the reports that said last what has not changed since; 0 where nothing of it was ever said. */
export interface Same {
  readonly state: number
  readonly facts: number
  readonly inventory: number
}

export const reportBytesMax = 65_536

const bundlesMax = 256
export const resultsMax = 2000
const driftMax = 2000
const repairedMax = 500
const monitorsMax = 1000
const textLengthMax = 1024
const idLengthMax = 200
const reasonLengthMax = 500
const shortListMax = 100
const nameLengthMax = 64
const missedReasonMax = 200
/** The last millisecond that a date can stand for (ECMA-262 §21.4.1.1). */
const dateMax = 8_640_000_000_000_000

/**
 * The bytes of a report, at most reportBytesMax. What does not fit is thinned in this order: long reasons, facts (the
 * caller sends them again while the origin has none), reasons at all, results that changed nothing, drift, repairs and
 * monitors beyond the first hundred (those that are not well come first), all results, all drift and monitors. Names,
 * versions and states of bundles always stay.
 */
export function encodeReport(report: Report): Uint8Array {
  const whole = limited(report)
  let bytes: Uint8Array = new Uint8Array()
  for (const thin of thinnings) {
    bytes = utf8(JSON.stringify(thin(whole)))
    if (bytes.byteLength <= reportBytesMax) return bytes
  }
  assert(false, `a report of ${bytes.byteLength} bytes with nothing but states`)
}

/** The report in these bytes. Refused REPORT_INVALID says what is wrong with them. */
export function readReport(bytes: Uint8Array): Report {
  try {
    return reportAt(jsonOf(bytes))
  } catch (error) {
    if (!(error instanceof GuardFailed)) throw error
    throw new Refused('REPORT_INVALID', { message: `This is no report: ${error.message}.`, where: error.path })
  }
}

const thinnings: readonly ((report: Report) => Report)[] = [
  (report) => withReasons(report, reasonLengthMax),
  (report) => withReasons(report, 100),
  (report) => withReasons(withoutFacts(report), 100),
  (report) => withReasons(withoutFacts(report), 0),
  (report) => withResults(withReasons(withoutFacts(report), 0), (result) => result.outcome !== 'kept'),
  (report) => withShortDrift(withResults(withReasons(withoutFacts(report), 0), (result) => result.outcome !== 'kept')),
  (report) => ({ ...withShortDrift(withoutFacts(report)), bundles: bare(report).bundles }),
  bare,
]

/** What a reader takes: it refuses longer texts and lists, and facts beyond their limits would cost the whole report. */
function limited(report: Report): Report {
  const bundles = report.bundles.slice(0, bundlesMax).map((bundle) => ({
    ...bundle,
    ...(bundle.missed && { missed: cutReason(bundle.missed, missedReasonMax) }),
    results: bundle.results.slice(0, resultsMax).map((result) => ({ ...result, id: cut(result.id, idLengthMax) })),
  }))
  return {
    ...(isReadable(report.facts) ? report : withoutFacts(report)),
    bundles,
    drift: report.drift.slice(0, driftMax).map((finding) => cutFinding(finding, textLengthMax)),
    ...(report.repaired && {
      repaired: report.repaired.slice(0, repairedMax).map((repair) => cutFinding(repair, textLengthMax)),
    }),
    ...(report.monitors && {
      monitors: badFirst(report.monitors)
        .slice(0, monitorsMax)
        .map((monitor) => ({ ...monitor, said: cut(monitor.said, monitorSaidMax) })),
    }),
    ...(report.pauses && { pauses: report.pauses.slice(0, pausesMax) }),
  }
}

const badFirst = (monitors: readonly MonitorReport[]): MonitorReport[] => [
  ...monitors.filter(({ state }) => state !== 'ok'),
  ...monitors.filter(({ state }) => state === 'ok'),
]

function isReadable(facts: unknown): boolean {
  if (facts === undefined) return true
  try {
    return Boolean(factsAt(facts, 'facts'))
  } catch {
    return false
  }
}

function withoutFacts(report: Report): Report {
  const { facts: _, ...rest } = report
  return rest
}

function withReasons(report: Report, lengthMax: number): Report {
  return {
    ...report,
    bundles: report.bundles.map((bundle) => ({
      ...cutReason(bundle, Math.max(lengthMax, 100)),
      results: bundle.results.map((result) => cutReason(result, lengthMax)),
    })),
  }
}

function withResults(report: Report, keep: (result: ResourceResult) => boolean): Report {
  return { ...report, bundles: report.bundles.map((bundle) => ({ ...bundle, results: bundle.results.filter(keep) })) }
}

function withShortDrift(report: Report): Report {
  const { drift, repaired, monitors } = report
  return {
    ...report,
    drift: drift.slice(0, shortListMax).map(shortFinding),
    ...(repaired && { repaired: repaired.slice(0, shortListMax).map(shortFinding) }),
    ...(monitors && { monitors: monitors.slice(0, shortListMax).map((it) => ({ ...it, said: cut(it.said, 80) })) }),
  }
}

function bare(report: Report): Report {
  const bundles = report.bundles.map((bundle) => {
    const { missed: _, ...rest } = cutReason(bundle, 0)
    return { ...rest, results: [] }
  })
  const pauses = report.pauses?.map((pause) => ({ ...pause, reason: cut(pause.reason, 40) }))
  const { repaired: _, monitors: __, ...rest } = withoutFacts(report)
  return { ...rest, bundles, drift: [], ...(pauses && { pauses }) }
}

function cutReason<T extends { readonly reason?: string }>(item: T, lengthMax: number): T {
  const { reason, ...rest } = item
  return (reason === undefined || lengthMax === 0 ? rest : { ...rest, reason: cut(reason, lengthMax) }) as T
}

function shortFinding<T extends Finding>(finding: T): T {
  return cutFinding(finding, 80)
}

function cutFinding<T extends Finding>(finding: T, lengthMax: number): T {
  return {
    ...finding,
    resource: cut(finding.resource, lengthMax),
    ...(finding.path === undefined ? {} : { path: cut(finding.path, lengthMax) }),
    wanted: cut(finding.wanted, lengthMax),
    seen: cut(finding.seen, lengthMax),
    ...(finding.by === undefined ? {} : { by: cut(finding.by, lengthMax) }),
  }
}

/** At most `lengthMax` UTF-16 units; no half of a surrogate pair at the end. */
function cut(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}

function jsonOf(bytes: Uint8Array): unknown {
  const text = bytes.byteLength <= reportBytesMax ? textOf(bytes) : undefined
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown)
  } catch {
    return undefined
  }
}

function reportAt(value: unknown): Report {
  const fields = fieldsAt(value, 'report')
  if (own(fields, 'v') !== 1) throw new GuardFailed('report.v', '1')
  const facts = own(fields, 'facts')
  // Devices with an older program say nothing of these.
  const repaired = listAt(own(fields, 'repaired') ?? [], 'report.repaired', repairedMax)
  const monitors = listAt(own(fields, 'monitors') ?? [], 'report.monitors', monitorsMax)
  const pauses = own(fields, 'pauses')
  const trust = own(fields, 'trust')
  const same = own(fields, 'same')
  return {
    v: 1,
    seq: wholeAt(own(fields, 'seq'), 'report.seq', 1),
    at: wholeAt(own(fields, 'at'), 'report.at', 0),
    release: wholeAt(own(fields, 'release'), 'report.release', 0),
    bundles: listAt(own(fields, 'bundles'), 'report.bundles', bundlesMax).map((item, i) =>
      bundleAt(item, `bundles[${i}]`),
    ),
    drift: listAt(own(fields, 'drift'), 'report.drift', driftMax).map((item, i) => findingAt(item, `drift[${i}]`)),
    ...(repaired.length > 0 && { repaired: repaired.map((item, i) => repairAt(item, `repaired[${i}]`)) }),
    ...(monitors.length > 0 && { monitors: monitors.map((item, i) => monitorReportAt(item, `monitors[${i}]`)) }),
    ...(own(fields, 'left') === true && { left: true }),
    ...(pauses !== undefined && {
      pauses: listAt(pauses, 'report.pauses', pausesMax).map((item, i) => pauseAt(item, `pauses[${i}]`)),
    }),
    ...(facts === undefined ? {} : { facts: factsAt(facts, 'facts') }),
    ...(trust === undefined ? {} : { trust: freshnessAt(trust) }),
    ...(same === undefined ? {} : { same: sameAt(same) }),
  }
}

function freshnessAt(value: unknown): Freshness {
  const fields = fieldsAt(value, 'trust')
  return {
    version: wholeAt(own(fields, 'version'), 'trust.version', 0),
    signedAt: wholeAt(own(fields, 'signedAt'), 'trust.signedAt', 0, dateMax),
  }
}

function sameAt(value: unknown): Same {
  const fields = fieldsAt(value, 'same')
  return {
    state: wholeAt(own(fields, 'state'), 'same.state', 0),
    facts: wholeAt(own(fields, 'facts'), 'same.facts', 0),
    inventory: wholeAt(own(fields, 'inventory'), 'same.inventory', 0),
  }
}

function bundleAt(value: unknown, path: string): BundleReport {
  const fields = fieldsAt(value, path)
  const engine = own(fields, 'engine')
  const appliedAt = own(fields, 'appliedAt')
  const withdrawnAt = own(fields, 'withdrawnAt')
  const missed = own(fields, 'missed')
  return {
    name: textAt(own(fields, 'name'), `${path}.name`, nameLengthMax),
    version: wholeAt(own(fields, 'version'), `${path}.version`, 0),
    state: oneOfAt(own(fields, 'state'), `${path}.state`, bundleStates),
    ...reasonAt(own(fields, 'reason'), path),
    ...(engine === undefined ? {} : { engine: textAt(engine, `${path}.engine`, nameLengthMax) }),
    ...(appliedAt === undefined ? {} : { appliedAt: wholeAt(appliedAt, `${path}.appliedAt`, 0) }),
    ...(withdrawnAt === undefined ? {} : { withdrawnAt: wholeAt(withdrawnAt, `${path}.withdrawnAt`, 0) }),
    ...(own(fields, 'urgent') === true && { urgent: true }),
    results: listAt(own(fields, 'results'), `${path}.results`, resultsMax).map((item, i) =>
      resultAt(item, `${path}.results[${i}]`),
    ),
    ...(missed === undefined ? {} : { missed: missedAt(missed, `${path}.missed`) }),
  }
}

function resultAt(value: unknown, path: string): ResourceResult {
  const fields = fieldsAt(value, path)
  return {
    id: textAt(own(fields, 'id'), `${path}.id`, textLengthMax),
    kind: textAt(own(fields, 'kind'), `${path}.kind`, nameLengthMax),
    outcome: oneOfAt(own(fields, 'outcome'), `${path}.outcome`, resourceOutcomes),
    ...reasonAt(own(fields, 'reason'), path),
  }
}

function missedAt(value: unknown, path: string): MissedWindows {
  const fields = fieldsAt(value, path)
  return {
    count: wholeAt(own(fields, 'count'), `${path}.count`, 1),
    closed: wholeAt(own(fields, 'closed'), `${path}.closed`, 0),
    reason: textAt(own(fields, 'reason'), `${path}.reason`, missedReasonMax),
  }
}

function reasonAt(reason: unknown, path: string): { reason?: string } {
  return reason === undefined ? {} : { reason: textAt(reason, `${path}.reason`, reasonLengthMax) }
}

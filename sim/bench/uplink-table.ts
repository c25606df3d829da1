/** The results of the uplink bench as a Markdown table: the worst of the runs of each case, beside what was promised. */
import type { PhaseResult } from '../testbed/phase.ts'
import type { RunResult } from '../testbed/run.ts'

export interface Measured {
  readonly name: string
  readonly results: readonly RunResult[]
}

/** One promise: what is measured in one run, and what it may be at most. */
interface Bar {
  readonly what: string
  readonly max: number
  readonly of: (result: RunResult) => number
}

const factor: Bar['of'] = (result) => Math.max(...(last(result)?.sites.map((site) => site.factor) ?? [NaN]))
const ratio: Bar['of'] = (result) => over(last(result), 0)
/** Where two cores start twenty processes, the first one that is ready begins the time. */
const ratioSinceReady: Bar['of'] = (result) => over(last(result), last(result)?.firstReadyS ?? NaN)
const originCopies: Bar['of'] = (result) => (last(result)?.originUpBytes ?? NaN) / (last(result)?.uniqueBytes ?? NaN)
const lastS: Bar['of'] = (result) => whole(last(result))
const lineBytes: Bar['of'] = (result) => Math.max(...(last(result)?.sites.map(bothWays) ?? [NaN]))
const idleBytes: Bar['of'] = (result) => Math.max(...(result.idle?.map(bothWays) ?? [NaN]))
const addedMs: Bar['of'] = ({ ping }) => (ping ? ping.loaded.p95Ms - ping.before.medianMs : NaN)

const once = (max: number): Bar => ({ what: 'line bytes / unique bytes', max, of: factor })
const inTime = (max: number): Bar => ({ what: 'last / bound', max, of: ratio })
const inTimeSinceReady = (max: number): Bar => ({
  what: 'last / bound, from the first ready',
  max,
  of: ratioSinceReady,
})

const barsByCase: Readonly<Record<string, readonly Bar[]>> = {
  'one-site-8': [once(1.08), inTime(1.2), inTimeSinceReady(1.2)],
  'one-site-20': [once(1.08), inTimeSinceReady(1.2)],
  'three-sites': [
    once(1.1),
    inTime(1.25),
    inTimeSinceReady(1.25),
    { what: "copies from origin's line", max: NaN, of: originCopies },
  ],
  'three-traders': [{ what: "copies from origin's line", max: 2, of: originCopies }, once(1.1), inTimeSinceReady(NaN)],
  'new-version': [{ what: 'line bytes beyond 64 KiB / new bytes', max: 2, of: beyond }],
  'late-joiner': [
    { what: 'seconds from start to all', max: 5, of: lastS },
    { what: 'line bytes, both ways', max: 16_384, of: lineBytes },
  ],
  'relay-killed': [once(1.15), inTimeSinceReady(NaN)],
  'holder-killed': [once(1.15), inTimeSinceReady(NaN)],
  'frozen-relay': [once(1.2), inTimeSinceReady(NaN)],
  liar: [once(1.2), inTimeSinceReady(NaN)],
  staller: [once(1.2), inTimeSinceReady(NaN)],
  'small-policy': [{ what: 'seconds beyond 1.5 x bound', max: 2, of: (result) => beyondBound(last(result)) }],
  'idle-line': [{ what: 'bytes a minute, both ways', max: 2_048, of: idleBytes }],
  'ping-beside': [{ what: 'ms added to a ping, p95', max: 100, of: addedMs }, inTimeSinceReady(NaN)],
}
const barsDefault: readonly Bar[] = [once(NaN), inTime(NaN), inTimeSinceReady(NaN)]

/** Lines of the table; a value over its bar, or of a run that did not end, is marked. */
export function tableOf(measured: readonly Measured[]): string[] {
  const rows = measured.flatMap(({ name, results }) => {
    const bars = barsByCase[name.split('+')[0] ?? ''] ?? barsDefault
    const lost = results.filter((result) => result.phases.some((phase) => !phase.done) || result.faults.length > 0)
    return bars.map(({ what, max, of }) => {
      const worst = Math.max(...results.map(of))
      const isMet = Number.isNaN(max) || worst <= max
      const verdict = lost.length > 0 ? `${lost.length} of ${results.length} runs not done` : isMet ? '' : 'over'
      return `| ${name} | ${what} | ${results.map((result) => shown(of(result))).join(' ')} | ${Number.isNaN(max) ? '' : max} | ${verdict} |`
    })
  })
  return ['| case | measured | each run | bar | |', '|---|---|---|---|---|', ...rows]
}

const last = (result: RunResult): PhaseResult | undefined => result.phases.at(-1)
const whole = (phase: PhaseResult | undefined): number => (phase?.done ? (phase.lastS ?? NaN) : NaN)
const over = (phase: PhaseResult | undefined, fromS: number): number =>
  phase ? (whole(phase) - fromS) / phase.boundS : NaN
const beyondBound = (phase: PhaseResult | undefined): number => (phase ? whole(phase) - 1.5 * phase.boundS : NaN)
const bothWays = (line: { readonly downBytes: number; readonly upBytes: number }): number =>
  line.downBytes + line.upBytes

function beyond(result: RunResult): number {
  const phase = last(result)
  const down = Math.max(...(phase?.sites.map((site) => site.downBytes) ?? [NaN]))
  return Math.max(0, down - 65_536) / (phase?.uniqueBytes ?? NaN)
}

const shown = (value: number): string =>
  Number.isNaN(value) ? '?' : value >= 1000 ? String(Math.round(value)) : value.toFixed(value < 10 ? 3 : 1)

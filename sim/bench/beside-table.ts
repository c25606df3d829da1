/** Grapevine and other tools on the same lines as a Markdown table: what each took of the line, of time and of CPU. */
import type { BesideResult } from '../testbed/beside.ts'
import type { PhaseResult } from '../testbed/phase.ts'
import type { RunResult } from '../testbed/run.ts'

/** The lines of the table around these rows. */
export const besideTableOf = (rows: readonly string[]): string[] => [
  '| case | tool | line bytes / unique bytes | last / bound | first and last, s | up the line, MB | copies from origin | CPU s | |',
  '|---|---|---|---|---|---|---|---|---|',
  ...rows,
]

/** The row of Grapevine, from its first phase: cold, all at once, its own start included. */
export function ownRowOf(name: string, { phases, members, faults }: RunResult): string {
  const cpuS = members.reduce((sum, { cost }) => sum + (cost?.cpuMs ?? 0), 0) / 1000
  return rowOf({ name, tool: 'grapevine', phase: phases[0], cpuS, faults })
}

/** The row of another tool; one that is not installed is named, and is no failure. */
export function besideRowOf(name: string, { tool, version, phase, cpuS = NaN, faults }: BesideResult): string {
  if (version === undefined) return `| ${name} | ${tool} | | | | | | | not installed |`
  return rowOf({ name, tool, phase, cpuS, faults })
}

function rowOf(of: {
  readonly name: string
  readonly tool: string
  readonly phase: PhaseResult | undefined
  readonly cpuS: number
  readonly faults: readonly string[]
}): string {
  const { name, tool, phase, cpuS, faults } = of
  if (!phase) return `| ${name} | ${tool} | | | | | | | nothing measured |`
  const isDone = phase.done && faults.length === 0
  const factor = Math.max(...phase.sites.map((site) => site.factor))
  const upMB = Math.max(...phase.sites.map((site) => site.upBytes)) / 1e6
  const cells = [
    factor.toFixed(3),
    isDone && phase.lastS !== undefined ? (phase.lastS / phase.boundS).toFixed(2) : '?',
    `${seconds(phase.firstS)} ${isDone ? seconds(phase.lastS) : '?'}`,
    upMB.toFixed(2),
    (phase.originUpBytes / phase.uniqueBytes).toFixed(2),
    cpuS.toFixed(1),
    isDone ? '' : `not done: ${[...phase.lacking, ...faults].join(' ')}`,
  ]
  return `| ${name} | ${tool} | ${cells.join(' | ')} |`
}

const seconds = (value: number | undefined): string => (value === undefined ? '?' : value.toFixed(1))

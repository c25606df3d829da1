/** A run as text for people: what crossed each line, when, and by whose account. */
import type { PhaseResult } from './phase.ts'
import type { RunResult } from './run.ts'

/** Lines of a report; the first of each phase is the one that counts. */
export function reportOf(name: string, result: RunResult): string[] {
  const { phases, members, drops, idle, ping, faults } = result
  return [
    '',
    `== ${name}`,
    ...phases.flatMap(phaseLines),
    ...(idle ?? []).map((line) => `idle ${line.site}: ${line.downBytes} B/min down, ${line.upBytes} B/min up`),
    ...(ping
      ? [
          `ping: median ${ping.before.medianMs} ms before, ${ping.loaded.medianMs} ms under load, p95 ${ping.loaded.p95Ms} ms, max ${ping.loaded.maxMs} ms, ${ping.lost} lost`,
        ]
      : []),
    `frames dropped before the lines: ${drops.down} down, ${drops.up} up; members used ${cpuS(members)} s of CPU`,
    ...faults.map((fault) => `FAULT ${fault}`),
    ...aligned([
      ['member', 'line down', 'dup', 'control', 'line up', 'LAN down', 'LAN up', 'peers', 'RSS MiB', 'peak', 'CPU s'],
      ...members.map(({ name: member, wan, lan, cost, neighbours, uplink }) => [
        `${member}${uplink?.acting ? ' *' : ''}`,
        ...[wan?.downBytes, wan?.duplicateBytes, wan?.controlBytes, wan?.upBytes, lan?.downBytes, lan?.upBytes].map(
          (bytes) => (bytes === undefined ? '?' : String(bytes)),
        ),
        String(neighbours ?? '?'),
        ...(cost ? [mib(cost.rssBytes), mib(cost.peakRssBytes), (cost.cpuMs / 1000).toFixed(1)] : ['gone', '', '']),
      ]),
    ]),
  ]
}

const cpuS = (members: RunResult['members']): string =>
  (members.reduce((sum, { cost }) => sum + (cost?.cpuMs ?? 0), 0) / 1000).toFixed(1)

function phaseLines(phase: PhaseResult): string[] {
  const {
    name,
    done,
    uniqueBytes,
    boundS,
    firstReadyS,
    lastReadyS,
    firstS,
    lastS,
    originUpBytes,
    sites,
    lacking,
    coresIdle,
  } = phase
  const copies = uniqueBytes === 0 ? '' : `, origin's line ${(originUpBytes / uniqueBytes).toFixed(3)} copies`
  const since = lastS === undefined || firstReadyS === undefined ? undefined : lastS - firstReadyS
  return [
    `${name}: ${done ? 'done' : `NOT DONE, lacking ${lacking.join(' ')}`}; ${uniqueBytes} bytes, bound ${boundS.toFixed(2)} s; ready ${text(firstReadyS)}-${text(lastReadyS)} s; prepared ${text(firstS)}-${text(lastS)} s = ${ratio(lastS, boundS)} of the bound, ${ratio(since, boundS)} from the first ready${copies}; cores ${Math.round(coresIdle * 100)} % idle`,
    ...sites.flatMap(({ site, bps, downBytes, upBytes, factor, lastS: last, series }) => [
      `  ${site}: line down ${downBytes} B = ${factor.toFixed(4)}, up ${upBytes} B, last ${text(last)} s`,
      `    line ${useText(series, downBytes, bps)}`,
      `    kB each half second: ${series.map((bytes) => Math.round(bytes / 1000)).join(' ')}`,
    ]),
  ]
}

/** Where the time of a line goes: until it carries something, how full it is then, and when it is quiet again. */
function useText(series: readonly number[], downBytes: number, bps: number): string {
  let [sum, first, end] = [0, 0, 0]
  for (const [index, bytes] of series.entries()) {
    if (sum < downBytes * 0.02) first = index
    if (sum < downBytes * 0.995) end = index + 1
    sum += bytes
  }
  const between = series.slice(first + 1, end - 1)
  const full = (bps / 8) * 0.5 * Math.max(1, between.length)
  const use = between.reduce((total, bytes) => total + bytes, 0) / full
  return `in use from ${(first / 2).toFixed(1)} s to ${(end / 2).toFixed(1)} s, ${(use * 100).toFixed(0)} % full between`
}

const mib = (bytes: number): string => (bytes / 1_048_576).toFixed(0)
const text = (seconds: number | undefined): string => (seconds === undefined ? '?' : seconds.toFixed(2))
const ratio = (seconds: number | undefined, bound: number): string =>
  seconds === undefined || bound === 0 ? '?' : (seconds / bound).toFixed(3)

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  )
}

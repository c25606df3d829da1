/**
 * What a site's line carries while its devices get a release: the cases of docs/measurements.md, each a scenario of `sim/scenarios/` in
 * the test bed. Needs root.
 *
 *   npm run bench -- uplink                            every case
 *   npm run bench -- uplink one-site-8+relay --runs 3  one case, three runs
 *   npm run bench -- uplink my-scenario.yaml           a file of one's own
 *   npm run bench -- uplink one-site-8 --beside http,rsync,aria2
 *                                                      then other tools copy the same bytes over the same lines
 *
 * `+relay` adds a relay to each site, `+rtt40` a round trip of 40 ms over the line. A report of each run goes to stderr, the worst of
 * the runs of each case as a table to stdout; `--json FILE` appends every result as a line, `--keep` leaves homes and logs.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Misconfigured } from '#base/errors.ts'
import { parseScenario, type Scenario } from '../scenario.ts'
import { isPlain, runBeside } from '../testbed/beside.ts'
import { reportOf } from '../testbed/report.ts'
import { rivals, type Rival } from '../testbed/rival.ts'
import { runScenario, type RunResult } from '../testbed/run.ts'
import { besideRowOf, besideTableOf, ownRowOf } from './beside-table.ts'
import { tableOf, type Measured } from './uplink-table.ts'

const base = ['one-site-8', 'one-site-20']
const variations = ['', '+relay', '+rtt40', '+relay+rtt40']
const cases = [
  ...base.flatMap((name) => variations.map((variation) => name + variation)),
  'three-sites',
  'three-sites+relay',
  'three-traders',
  'three-traders+rtt40',
  'new-version',
  'late-joiner',
  'relay-killed',
  'holder-killed',
  'frozen-relay',
  'liar',
  'staller',
  'small-policy',
  'idle-line',
  'ping-beside',
]

/** Runs the cases that are named, or all. */
export async function uplink(words: readonly string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      runs: { type: 'string', default: '1' },
      keep: { type: 'boolean' },
      beside: { type: 'string', default: '' },
    },
  })
  const say = (text: string): void => console.error(text)
  const scenarios = (positionals.length === 0 ? cases : positionals).map((name) => ({
    name,
    scenario: scenarioOf(name),
  }))
  const others = rivalsOf(values.beside)
  const note = (line: object): void => {
    if (values.json !== undefined) appendFileSync(values.json, `${JSON.stringify(line)}\n`)
  }
  const measured: Measured[] = []
  const beside: string[] = []
  for (const { name, scenario } of scenarios) {
    const results: RunResult[] = []
    for (let run = 1; run <= Number(values.runs); run++) {
      const result = await runScenario(scenario, { signal, say, keep: values.keep ?? false })
      say(reportOf(name, result).join('\n'))
      note({ case: name, run, ...result })
      results.push(result)
      if (others.length === 0) continue
      if (!isPlain(scenario)) {
        say(`${name}: no other tool beside it, it asks for more than a copy`)
        continue
      }
      beside.push(ownRowOf(name, result))
      for (const rival of others) {
        const other = await runBeside(rival, scenario, { signal, say })
        say(besideRowOf(name, other))
        note({ case: name, run, ...other })
        beside.push(besideRowOf(name, other))
      }
    }
    measured.push({ name, results })
  }
  console.log(tableOf(measured).join('\n'))
  if (beside.length > 0) console.log(['', ...besideTableOf(beside)].join('\n'))
}

/** The tools of a list with commas; Misconfigured `USAGE` for one that is not known. */
function rivalsOf(list: string): Rival[] {
  return list
    .split(',')
    .filter((name) => name !== '')
    .map((name) => {
      const rival = rivals.find((each) => each.name === name)
      if (rival) return rival
      throw new Misconfigured('USAGE', {
        message: `There is no tool "${name}" to put beside.`,
        next: `Name some of ${rivals.map((each) => each.name).join(', ')}.`,
      })
    })
}

/** A file, or the name of a scenario with what is varied. */
function scenarioOf(name: string): Scenario {
  const [first = '', ...varied] = name.split('+')
  const file = name.endsWith('.yaml') ? name : fileURLToPath(new URL(`../scenarios/${first}.yaml`, import.meta.url))
  const isKnown = file === name || varied.every((word) => word === 'relay' || word === 'rtt40')
  if (!existsSync(file) || !isKnown)
    throw new Misconfigured('USAGE', {
      message: `There is no case "${name}".`,
      next: `Name one of ${cases.join(', ')}, or a file that ends in .yaml.`,
    })
  const read = parseScenario(readFileSync(file, 'utf8'), file)
  if (file === name) return read
  const relay = { id: 'relay', role: 'relay', count: 1 } as const
  return {
    ...read,
    sites: read.sites.map((site) => ({
      ...site,
      uplink: { ...site.uplink, ...(varied.includes('rtt40') && { latency: 20 }) },
      groups: varied.includes('relay') ? [relay, ...site.groups] : site.groups,
    })),
  }
}

/**
 * What a site's line carries while its devices get a release: the cases of docs/measurements.md, each a scenario of `sim/scenarios/` in
 * the test bed. Needs root.
 *
 *   npm run bench -- uplink                       every case
 *   npm run bench -- uplink one-site-8+relay -n 3 one case, three runs
 *   npm run bench -- uplink my-scenario.yaml      a file of one's own
 *
 * `+relay` adds a relay to each site, `+rtt40` a round trip of 40 ms over the line. Prints a table for each run; `--json FILE` appends
 * every result as a line.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Misconfigured } from '#base/errors.ts'
import { parseScenario, type Scenario } from '../scenario.ts'
import { reportOf } from '../testbed/report.ts'
import { runScenario } from '../testbed/run.ts'

const cases = [
  'one-site-8',
  'one-site-8+relay',
  'one-site-8+rtt40',
  'one-site-8+relay+rtt40',
  'one-site-20',
  'one-site-20+relay',
  'one-site-20+rtt40',
  'one-site-20+relay+rtt40',
]

/** Runs the cases that are named, or all. */
export async function uplink(words: readonly string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      runs: { type: 'string', short: 'n', default: '1' },
      keep: { type: 'boolean' },
    },
  })
  for (const name of positionals.length === 0 ? cases : positionals)
    for (let run = 1; run <= Number(values.runs); run++) {
      const result = await runScenario(scenarioOf(name), {
        signal,
        say: (text) => console.error(text),
        keep: values.keep ?? false,
      })
      console.log(reportOf(name, result).join('\n'))
      if (values.json !== undefined) appendFileSync(values.json, `${JSON.stringify({ case: name, run, ...result })}\n`)
    }
}

/** A file, or the name of a scenario with what is varied. */
function scenarioOf(name: string): Scenario {
  const [base = '', ...variations] = name.split('+')
  const file = name.endsWith('.yaml') ? name : fileURLToPath(new URL(`../scenarios/${base}.yaml`, import.meta.url))
  if (!existsSync(file))
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
      uplink: { ...site.uplink, ...(variations.includes('rtt40') && { latency: 20 }) },
      groups: variations.includes('relay') ? [relay, ...site.groups] : site.groups,
    })),
  }
}

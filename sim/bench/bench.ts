/**
 * `npm run bench -- NAME …`: measures. `idle` is what a member costs that has nothing to do, `lan` what the LAN carries, `chunks` what a
 * new version costs by length of chunk, `reports` what a device's reports take, `uplink` what crosses a site's line, `apply` what is ours in a run of
 * an engine. What they started is ended and removed, also at Ctrl-C.
 */
import { GrapevineError } from '#base/errors.ts'
import { apply } from './apply.ts'
import { chunks } from './chunks.ts'
import { idleMember } from './idle-member.ts'
import { lan } from './lan.ts'
import { reports } from './reports.ts'
import { uplink } from './uplink.ts'

const benches: Readonly<Record<string, (words: readonly string[], signal: AbortSignal) => Promise<void>>> = {
  apply,
  chunks,
  idle: idleMember,
  lan,
  reports,
  uplink,
}

const usage = `npm run bench -- idle | lan | chunks | reports [COUNT…] | apply [ENGINE…] | uplink [CASE…] [--runs N] [--beside http,rsync,aria2]
uplink runs the scenarios of sim/scenarios on shaped lines, as root: npm run bench -- uplink one-site-8+relay+rtt40 --runs 3`

const [name = 'idle', ...words] = process.argv.slice(2)
const bench = Object.hasOwn(benches, name) ? benches[name] : undefined
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())
if (process.argv.slice(2).some((word) => word === '--help' || word === '-h')) {
  console.log(usage)
} else if (!bench) {
  console.error(`There is no bench "${name}"; there are ${Object.keys(benches).join(', ')}.`)
  process.exitCode = 2
} else {
  try {
    await bench(words, stop.signal)
  } catch (error) {
    if (stop.signal.aborted) process.exitCode = 130
    else if (error instanceof GrapevineError) {
      console.error([error.message, error.where, error.next].filter(Boolean).join('\n'))
      process.exitCode = error.exitCode
    } else throw error
  }
}

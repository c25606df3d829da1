/**
 * SIGKILL at many instants of an apply, while cf-agent runs and right after it: the next start goes on from there, and in the end there is
 * what the policy wants, one entry that says so, and no two engines at a time.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BundleEntry, JournalEntry } from '#agent/journal.ts'
import type { FleetDocument } from '#node/status.ts'
import { Bench, until, type RunningDaemon } from '../support/program.ts'
import { isInstalled } from '../support/tool.ts'

/** After the apply has been noted: in its first moments, while its command runs, around its end. */
const instantsMs = [0, 40, 100, 200, 350, 500, 650, 800, 1000, 1300]

let bench: Bench
beforeEach(async () => {
  bench = await Bench.make()
})
afterEach(() => bench.end())

const policyOf = (version: number): string =>
  JSON.stringify({
    policy: 'web',
    resources: [
      { file: { path: '{{facts.local.scratch}}/first', content: `version ${version}` } },
      {
        command: {
          run: 'echo begin $$ >>{{facts.local.scratch}}/log; sleep 0.4; echo end $$ >>{{facts.local.scratch}}/log',
          unless: `grep -q "version ${version}" {{facts.local.scratch}}/last`,
        },
      },
      { file: { path: '{{facts.local.scratch}}/last', content: `version ${version}` } },
    ],
    monitor: [{ name: 'first', command: `test -e ${bench.path('client', 'scratch', 'first')}`, every: 'PT5M' }],
  })

describe.skipIf(!isInstalled('cf-agent'))('a client killed while it applies (apt-get install cfengine3)', () => {
  it('ends where it would have, says so once, and never runs two engines at a time', async () => {
    await bench.origin()
    const origin = await bench.daemon('origin')
    const scratch = bench.path('client', 'scratch')
    await bench.member('client', 'berlin', {
      addresses: [origin.address],
      config: `listen: ["/ip4/127.0.0.1/tcp/0"]\nfacts: { scratch: ${scratch} }\nprobation: 4s\n`,
    })
    let daemon: RunningDaemon = await bench.daemon('client')
    for (const [index, afterMs] of instantsMs.entries()) {
      const version = index + 1
      await bench.ask('origin', ['publish', await bench.policy('web', { 'policy.yaml': policyOf(version) })])
      await until('it applies', async () => (await entriesOf(version)).some(({ state }) => state === 'applying'))
      await new Promise((resolve) => setTimeout(resolve, afterMs))
      await daemon.stop('SIGKILL')
      daemon = await bench.daemon('client')
      const bundle = await until('the origin hears the end', async () => {
        const { devices } = (await bench.ask('origin', ['fleet'])) as unknown as FleetDocument
        const found = devices.find(({ name }) => name === 'client')?.bundles[0]
        return found?.version === version && found.state === 'applied' && found
      })
      expect(await readFile(join(scratch, 'last'), 'utf8')).toBe(`version ${version}`)
      const ends = (await entriesOf(version)).filter(({ state }) => state === 'applied' || state === 'failed')
      expect(ends.map(({ appliedAt, results }) => ({ appliedAt, results }))).toEqual([
        { appliedAt: Date.parse(String(bundle.appliedAt)) || bundle.appliedAt, results: bundle.results },
      ])
    }
    const lines = (await readFile(join(scratch, 'log'), 'utf8')).trim().split('\n')
    expect(endsOutOfTurn(lines)).toEqual([])
    expect(lines.filter((line) => line.startsWith('end')).length).toBeGreaterThan(0)
  }, 240_000)
})

/** What the client's journal says of this version. */
async function entriesOf(version: number): Promise<BundleEntry[]> {
  const text = await readFile(bench.path('client', 'journal', 'agent.journal'), 'utf8').catch(() => '')
  const whole = text.split('\n').filter((line) => line.endsWith('}'))
  return whole
    .map((line) => JSON.parse(line.slice(9)) as JournalEntry)
    .filter((entry): entry is BundleEntry => entry.type === 'bundle' && entry.version === version)
}

/** Ends of a command that came after another had begun: whoever began and did not end was killed, and must be silent. */
function endsOutOfTurn(lines: readonly string[]): string[] {
  let running: string | undefined
  return lines.filter((line) => {
    const [word, pid] = line.split(' ')
    const isLate = word === 'end' && pid !== running
    running = word === 'begin' ? pid : undefined
    return isLate
  })
}

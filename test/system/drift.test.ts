/** Drift and monitors from end to end: the installed engine, a file changed by hand, and what the origin hears. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DriftDocument } from '#node/drift.ts'
import type { FleetDocument } from '#node/status.ts'
import { Bench, until } from '../support/program.ts'
import { isInstalled } from '../support/tool.ts'

let bench: Bench
beforeEach(async () => {
  bench = await Bench.make()
})
afterEach(() => bench.end())

const policyText = (mode: string): string => `policy: banner
drift: { every: 1h, mode: ${mode} }
resources:
  - file: { path: "{{facts.local.scratch}}/issue", content: "Authorised use only", mode: "0644" }
monitor:
  - { name: flag, command: "test ! -e {{facts.local.scratch}}/flag", every: 10s, fails: 1, passes: 1 }
`

/** A client that has applied the policy; the address of its origin. */
async function applied(mode: string): Promise<void> {
  await bench.origin()
  const origin = await bench.daemon('origin')
  const scratch = bench.path('client', 'scratch')
  await bench.member('client', 'berlin', {
    addresses: [origin.address],
    config: `listen: ["/ip4/127.0.0.1/tcp/0"]\nfacts: { scratch: ${scratch} }\n`,
  })
  await mkdir(scratch)
  await bench.ask('origin', ['publish', await bench.policy('banner', { 'policy.yaml': policyText(mode) })])
}
const device = async (): Promise<FleetDocument['devices'][number] | undefined> =>
  ((await bench.ask('origin', ['fleet', '--json'])) as unknown as FleetDocument).devices.find(
    ({ name }) => name === 'client',
  )
const drift = async (...args: string[]): Promise<{ code: number; document: DriftDocument }> => {
  const { code, json } = await bench.run(['drift', ...args, '--home', bench.path('client'), '--json'])
  return { code, document: json as unknown as DriftDocument }
}
const issue = (): string => bench.path('client/scratch/issue')

describe.skipIf(!isInstalled('cf-agent'))('drift (apt-get install cfengine3)', () => {
  it('a file changed by hand is named with exit 1, stays in report, and is known beside no daemon too', async () => {
    await applied('report')
    const daemon = await bench.daemon('client')
    await bench.ask('client', ['wait', '--state', 'applied', '--timeout', '30s'])
    expect(await drift()).toMatchObject({ code: 0, document: { drift: [], bundles: [{ name: 'banner' }] } })
    await writeFile(issue(), 'by hand')
    const found = {
      bundle: 'banner',
      path: issue(),
      wanted: 'the content of the policy, mode 0644',
      seen: 'other content',
    }
    const looked = await drift('banner')
    expect(looked).toMatchObject({ code: 1, document: { drift: [found], failed: [] } })
    expect(looked.document.drift[0]?.by).toMatch(/^written \d{4}-\d\d-\d\dT\d\d:\d\dZ, owned by \w+$/)
    const told = await until('the origin hears of it', async () => (await device())?.drift[0])
    expect(told).toEqual(looked.document.drift[0])
    expect(await readFile(issue(), 'utf8')).toBe('by hand')
    expect((await bench.status('client')).drift).toEqual([told])
    expect((await bench.run(['fleet', 'client', '--home', bench.path('origin')])).stdout).toContain('other content')
    await daemon.stop()
    // The look before is known, and a new one is made, without the daemon.
    expect(await drift('--last')).toMatchObject({ code: 1, document: { drift: [told] } })
    await chmod(issue(), 0o600)
    const alone = await drift()
    expect(alone).toMatchObject({ code: 1, document: { drift: [{ since: told.since }] } })
    expect(alone.document.drift[0]?.seen).toContain('mode 0600')
    await writeFile(issue(), 'Authorised use only')
    await chmod(issue(), 0o644)
    expect(await drift()).toMatchObject({ code: 0, document: { drift: [] } })
    expect(await drift('other')).toMatchObject({ code: 2, document: { error: { code: 'BUNDLE_NOT_APPLIED' } } })
    const without = await bench.run(['drift', '--home', bench.path('client'), '--json'], {
      GRAPEVINE_ENGINE_PATH: bench.path('nowhere'),
    })
    expect(without).toMatchObject({ code: 3, json: { error: { code: 'ENGINE_MISSING' } } })
    expect(without.stdout).toContain('apt-get install cfengine3')
  }, 90_000)

  it('where the policy says so it is mended at once, and the origin hears what was mended', async () => {
    await applied('repair')
    await bench.daemon('client')
    await bench.ask('client', ['wait', '--state', 'applied', '--timeout', '30s'])
    await writeFile(issue(), 'by hand')
    expect((await drift()).code).toBe(1)
    const told = await until('the origin hears of the repair', async () => {
      const known = await device()
      return known?.repaired[0] && known.drift.length === 0 && known.repaired[0]
    })
    expect(told).toMatchObject({ bundle: 'banner', path: issue(), seen: 'other content' })
    expect(Date.parse(told.repairedAt)).toBeGreaterThanOrEqual(Date.parse(told.since))
    expect(await readFile(issue(), 'utf8')).toBe('Authorised use only')
    expect(await drift('--last')).toMatchObject({ code: 0, document: { drift: [], repaired: [{ path: issue() }] } })
  }, 60_000)

  it('a monitor that begins to fail, and is well again, is told to the origin', async () => {
    await applied('report')
    await bench.daemon('client')
    const state = (wanted: string) =>
      until(
        `the monitor is ${wanted}`,
        async () => (await device())?.monitors.some((it) => it.state === wanted),
        45_000,
      )
    await state('ok')
    await writeFile(bench.path('client/scratch/flag'), '')
    await state('failing')
    expect((await bench.run(['status', '--home', bench.path('client')])).stdout).toContain('1 monitor failing')
    expect(await bench.ask('origin', ['fleet'])).toMatchObject({ failing: 1, drifting: 0 })
  }, 120_000)
})

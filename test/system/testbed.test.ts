/** The test bed itself, with the smallest of all scenarios: three real members behind a real thin line. */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { parseScenario } from '#sim/scenario.ts'
import { isPlain, runBeside } from '#sim/testbed/beside.ts'
import { BedMember } from '#sim/testbed/member.ts'
import { Namespaces, outside } from '#sim/testbed/namespaces.ts'
import { rivals, type Rival } from '#sim/testbed/rival.ts'
import { runScenario } from '#sim/testbed/run.ts'
import { isInstalled } from '../support/tool.ts'

const canRun = ['ip', 'tc', 'ethtool', 'python3'].every(isInstalled) && mayMakeNamespaces()

/** Root, and not in a container that forbids it. */
function mayMakeNamespaces(): boolean {
  const name = `gv-${process.pid}-may`
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'ignore' })
    execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const mine = `gvbed-${process.pid}-`
const namespaces = (): string[] =>
  execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.startsWith(mine))
const folders = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith(mine))

const scenario = (bundle: string, clients: number, stop = '60 s'): ReturnType<typeof parseScenario> =>
  parseScenario(
    `version: 1
name: smallest
general: { stop_time: ${stop} }
origins: [{ id: hq, bandwidth_down: 20 Mbit, bandwidth_up: 20 Mbit }]
sites:
  - id: lyon
    uplink: { bandwidth_down: 8 Mbit, bandwidth_up: 2 Mbit, latency: 10 ms }
    groups: [{ id: desktop, role: client, count: ${clients} }]
bundles: [{ id: app, size: ${bundle} }]
`,
    'smallest.yaml',
  )

/** Another tool, of what every machine of the test bed has: the HTTP server of the bed, and a client in Python. */
const python = (last: string): Rival => ({
  name: 'python',
  program: 'python3',
  setting: 'urllib',
  servers: (ground) => rivals.find(({ name }) => name === 'http')?.servers(ground) ?? [],
  client: ({ files }) => [
    'python3',
    '-c',
    `import os, sys, urllib.request
for file in sys.argv[1:]:
    os.makedirs(os.path.dirname('copy/' + file), exist_ok=True)
    urllib.request.urlretrieve('http://172.16.0.2:8080/' + file, 'copy/' + file)
${last}`,
    ...files,
  ],
})

/** What a run of this process has left behind. */
const left = (): string[] => [...namespaces(), ...folders()]

describe('the test bed', () => {
  it.skipIf(!canRun)(
    'brings 1 MiB once over the line to three clients that start in the same second (as root; apt-get install iproute2 ethtool python3)',
    async ({ signal }) => {
      const result = await runScenario(scenario('1 MiB', 3), { signal, say: () => {} })
      const [phase] = result.phases
      expect(phase).toMatchObject({ name: 'start', done: true, lacking: [], uniqueBytes: 1_048_576 })
      expect(result.faults).toEqual([])
      const [site] = phase?.sites ?? []
      // Every header counts, so even one copy is more than the content; a second copy would be far beyond.
      expect(site?.factor).toBeGreaterThan(1.04)
      expect(site?.factor).toBeLessThan(1.3)
      const ledgers = result.members.filter(({ name }) => name.startsWith('lyon/'))
      expect(ledgers).toHaveLength(3)
      const downBytes = ledgers.reduce((sum, { wan }) => sum + (wan?.downBytes ?? 0), 0)
      // The counters of the line and the ledgers of the members tell of the same bytes.
      expect(downBytes).toBeGreaterThan(1_048_576)
      expect(downBytes).toBeLessThan(site?.downBytes ?? 0)
      expect((phase?.lastS ?? 0) > (phase?.boundS ?? 0)).toBe(true)
      expect(left()).toEqual([])
    },
    120_000,
  )

  it.skipIf(!canRun)(
    'ends when its time is over, and says who lacks something (as root; apt-get install iproute2 ethtool python3)',
    async ({ signal }) => {
      const result = await runScenario(scenario('16 MiB', 1, '2 s'), { signal, say: () => {} })
      expect(result.phases[0]).toMatchObject({ done: false })
      expect(result.phases[0]?.lacking).toEqual(['lyon/desktop/0'])
      expect(left()).toEqual([])
    },
    120_000,
  )

  it.skipIf(!canRun)(
    'leaves nothing behind when it is stopped in the middle (as root; apt-get install iproute2 ethtool python3)',
    async () => {
      const stop = new AbortController()
      const say = (text: string): void => {
        if (text.startsWith('starting')) setTimeout(() => stop.abort(), 500)
      }
      await expect(runScenario(scenario('1 MiB', 1), { signal: stop.signal, say })).rejects.toThrow(/abort/i)
      expect(left()).toEqual([])
    },
    120_000,
  )

  it.skipIf(!canRun)(
    'removes the namespaces of a run that was killed (as root; apt-get install iproute2 ethtool python3)',
    async () => {
      const dead = execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }).trim()
      execFileSync('ip', ['netns', 'add', `gvbed-${dead}-left`])
      expect((await Namespaces.removeLeftovers()).removed).toContain(`gvbed-${dead}-left`)
    },
    20_000,
  )

  it.skipIf(!canRun)(
    'counts one copy a client where another tool fetches from the origin (as root; apt-get install iproute2 ethtool python3)',
    async ({ signal }) => {
      const result = await runBeside(python(''), scenario('256 KiB', 2), { signal, say: () => {} })
      expect(result.faults).toEqual([])
      expect(result.phase).toMatchObject({ done: true, uniqueBytes: 262_144 })
      const factor = result.phase?.sites[0]?.factor ?? 0
      expect(factor).toBeGreaterThan(2 * 1.04)
      expect(factor).toBeLessThan(2 * 1.1)
      expect(result.cpuS).toBeGreaterThan(0)
      expect(left()).toEqual([])
    },
    60_000,
  )

  it.skipIf(!canRun)(
    'takes no copy with wrong bytes for one (as root; apt-get install iproute2 ethtool python3)',
    async ({ signal }) => {
      const liar = python(`open('copy/' + sys.argv[1], 'r+b').write(b'wrong')`)
      const result = await runBeside(liar, scenario('64 KiB', 1), { signal, say: () => {} })
      expect(result.faults).toEqual(['lyon/desktop/0 has wrong bytes'])
      expect(result.phase).toMatchObject({ done: false, lacking: ['lyon/desktop/0'] })
      expect(left()).toEqual([])
    },
    60_000,
  )

  it('names another tool that is not installed, and measures nothing', async ({ signal }) => {
    const absent = { ...python(''), program: 'no-such-tool' }
    const result = await runBeside(absent, scenario('64 KiB', 1), { signal, say: () => {} })
    expect(result).toEqual({ tool: 'python', version: undefined, setting: 'urllib', faults: [] })
  })

  it.skipIf(!canRun)(
    'says so where another tool does not serve (as root; apt-get install iproute2 ethtool python3)',
    async ({ signal }) => {
      const mute = { ...python(''), servers: () => [{ words: ['sh', '-c', 'echo no licence; exit 1'], port: 1 }] }
      await expect(runBeside(mute, scenario('64 KiB', 1), { signal, say: () => {} })).rejects.toMatchObject({
        code: 'TESTBED_UNAVAILABLE',
        message: expect.stringContaining('no licence') as string,
      })
      expect(left()).toEqual([])
    },
    60_000,
  )

  it('puts other tools beside a scenario only where a copy is all it asks for', () => {
    const plain = scenario('64 KiB', 1)
    expect(isPlain(plain)).toBe(true)
    expect(isPlain({ ...plain, faults: [{ kind: 'uplink_down', at: { type: 'done' }, site: 'lyon' }] })).toBe(false)
    expect(isPlain({ ...plain, general: { ...plain.general, idle_time: 1_000 } })).toBe(false)
  })

  it('says what is missing where a tool says no', async () => {
    const refused = { name: 'Unavailable', code: 'TESTBED_UNAVAILABLE' }
    await expect(outside('false', [])).rejects.toMatchObject(refused)
    await expect(outside('no-such-tool', [])).rejects.toMatchObject(refused)
  })

  it('says which command of a member failed', async () => {
    const member = new BedMember({ name: 'lyon/desktop/0', enter: [], folder: '/nonexistent' })
    await expect(member.run('status')).rejects.toMatchObject({ name: 'Unavailable', code: 'TESTBED_COMMAND_FAILED' })
  })
})

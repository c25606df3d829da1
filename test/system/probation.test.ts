/**
 * A change cannot strand a machine: real daemons with cf-agent on machines of their own (support/machines.ts) apply policies that break
 * network, firewall, names and sshd, each in another way, and must come back by themselves and report why.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { readdir, readFile, lstat, readlink, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FleetDocument } from '#node/status.ts'
import { Machines, mayMakeMachines, originAddress, writeNameServer } from '../support/machines.ts'
import { Bench, until, type RunningDaemon } from '../support/program.ts'
import { isInstalled } from '../support/tool.ts'

const canRun = mayMakeMachines() && ['cf-agent', 'nft', 'sshd', 'getent'].every(isInstalled)
const machineCount = 4
const graceSeconds = 4

interface Breakage {
  readonly what: string
  /** Lines below `resources:`. */
  readonly resources: readonly Record<string, unknown>[]
  readonly because: 'neighbour' | 'names resolve' | 'ssh answers' | 'sshd is configured'
  readonly guard?: readonly string[]
}

const command = (run: string, undo: string): Record<string, unknown> => ({ command: { run, undo } })
const file = (path: string, content: string, mode?: string): Record<string, unknown> => ({
  file: { path, content, ...(mode !== undefined && { mode }) },
})
const line = (path: string, text: string, match?: string): Record<string, unknown> => ({
  line: { path, line: text, ...(match !== undefined && { match }) },
})
const up = 'ip link set eth0 up; ip route replace default via 10.213.0.254'
const own = '10.213.0.{{facts.local.number}}/24'
const setUp = (address: string): string =>
  `ip addr flush dev eth0\nip addr add ${address} dev eth0\nip link set eth0 up\nip route replace default via 10.213.0.254\n`
const filter = (chain: string): string =>
  `nft 'add table inet broken; add chain inet broken c { ${chain} }'${chain.includes('policy drop') ? '' : ''}`
const unfilter = 'nft delete table inet broken'
const restartSsh = 'service ssh restart'

const breakages: readonly Breakage[] = [
  { what: 'link down', resources: [command('ip link set eth0 down', up)], because: 'neighbour' },
  {
    what: 'another address',
    resources: [
      command(
        'ip addr flush dev eth0; ip addr add 10.99.0.5/24 dev eth0',
        `ip addr flush dev eth0; ip addr add ${own} dev eth0; ${up}`,
      ),
    ],
    because: 'neighbour',
  },
  {
    what: 'no default route',
    resources: [command('ip route del default', 'ip route replace default via 10.213.0.254')],
    because: 'neighbour',
  },
  {
    what: 'an MTU of 68',
    resources: [
      command('ip link set eth0 mtu 68', `ip link set eth0 mtu 1500; ip addr replace ${own} dev eth0; ${up}`),
    ],
    because: 'neighbour',
  },
  {
    what: 'a filter that lets nothing out',
    resources: [command(filter('type filter hook output priority 0; policy drop;'), unfilter)],
    because: 'neighbour',
  },
  {
    what: 'a filter that lets nothing in',
    resources: [command(filter('type filter hook input priority 0; policy drop;'), unfilter)],
    because: 'neighbour',
  },
  {
    what: 'a filter for new connections alone',
    resources: [
      command(
        `${filter('type filter hook output priority 0;')}; nft 'add rule inet broken c tcp flags syn tcp dport 47100 drop'`,
        unfilter,
      ),
    ],
    because: 'neighbour',
  },
  {
    what: 'a black hole where the origin is',
    resources: [command('ip route add blackhole 10.214.0.1', 'ip route del blackhole 10.214.0.1')],
    because: 'neighbour',
  },
  {
    what: 'a wrong neighbour table',
    resources: [
      command(
        'ip neigh replace 10.213.0.254 lladdr 02:00:00:00:00:99 nud permanent dev eth0',
        'ip neigh del 10.213.0.254 dev eth0',
      ),
    ],
    because: 'neighbour',
  },
  {
    what: 'packets that live for one hop',
    resources: [command('echo 1 >/proc/sys/net/ipv4/ip_default_ttl', 'echo 64 >/proc/sys/net/ipv4/ip_default_ttl')],
    because: 'neighbour',
  },
  {
    what: 'a rule that prohibits the way to the origin',
    resources: [
      command('ip rule add prio 1 to 10.214.0.0/24 prohibit', 'ip rule del prio 1 to 10.214.0.0/24 prohibit'),
    ],
    because: 'neighbour',
  },
  {
    what: 'a network file with a wrong address, set up anew',
    resources: [
      file('/etc/network/setup.sh', setUp('192.168.250.7/24')),
      command('sh /etc/network/setup.sh', 'sh /etc/network/setup.sh'),
    ],
    because: 'neighbour',
  },
  {
    what: 'a firewall file that drops all, loaded',
    resources: [
      file(
        '/etc/nftables.conf',
        'flush ruleset\ntable inet f {\n chain o {\n  type filter hook output priority 0; policy drop;\n }\n}\n',
      ),
      command('nft -f /etc/nftables.conf', 'nft -f /etc/nftables.conf'),
    ],
    because: 'neighbour',
  },
  {
    what: 'a network script that a package of scripts replaces, in a guarded folder',
    guard: ['/etc/network'],
    resources: [
      command(
        "sed -i 's/10.213.0.254/10.213.0.253/' /etc/network/setup.sh; rm -rf /etc/network/if-up.d; touch /etc/network/more; sh /etc/network/setup.sh",
        'sh /etc/network/setup.sh',
      ),
    ],
    because: 'neighbour',
  },
  {
    what: 'a resolv.conf of rubbish',
    resources: [file('/etc/resolv.conf', 'nameserver 10.213.0.77\noptions timeout:1 attempts:1\n')],
    because: 'names resolve',
  },
  {
    what: 'no resolv.conf',
    resources: [{ file: { path: '/etc/resolv.conf', state: 'absent' } }],
    because: 'names resolve',
  },
  {
    what: 'an nsswitch.conf without dns',
    resources: [line('/etc/nsswitch.conf', 'hosts: files', '^hosts:')],
    because: 'names resolve',
  },
  {
    what: 'hosts that point elsewhere',
    resources: [line('/etc/hosts', '127.9.9.9 head.test')],
    because: 'names resolve',
  },
  {
    what: 'an sshd_config of rubbish',
    resources: [file('/etc/ssh/sshd_config', 'Prot 2\n')],
    because: 'sshd is configured',
  },
  {
    what: 'sshd on another port',
    resources: [line('/etc/ssh/sshd_config', 'Port 2222'), command(restartSsh, restartSsh)],
    because: 'ssh answers',
  },
  { what: 'sshd stopped', resources: [{ service: { name: 'ssh', state: 'stopped' } }], because: 'ssh answers' },
  { what: 'hosts.deny for all', resources: [line('/etc/hosts.deny', 'ALL: ALL')], because: 'ssh answers' },
  {
    what: 'host keys that all may read',
    resources: ['rsa', 'ecdsa', 'ed25519'].map((kind) => ({
      command: { run: `chmod 0644 /etc/ssh/ssh_host_${kind}_key`, undo: 'true' },
    })),
    guard: ['/etc/ssh'],
    because: 'sshd is configured',
  },
]

const monitors = [
  { name: 'names resolve', command: "getent hosts head.test | grep -q '^10.214.0.1 '", every: 'PT5M' },
  {
    name: 'ssh answers',
    command: `timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/22; head -c 3 <&3' | grep -q SSH`,
    every: 'PT5M',
  },
  { name: 'sshd is configured', command: '/usr/sbin/sshd -t', every: 'PT5M' },
]
const nameOf = (index: number): string => `break-${String(index + 1).padStart(2, '0')}`
const machineOf = (index: number): number => (index % machineCount) + 1

describe.skipIf(!canRun)('as root (apt-get install cfengine3 iproute2 nftables openssh-server)', () => {
  let bench: Bench
  let machines: Machines
  let names: ChildProcess
  const daemons = new Map<number, RunningDaemon>()

  beforeAll(async () => {
    bench = await Bench.make()
    machines = new Machines(bench.path('machines'), machineCount)
    await machines.make()
    await writeNameServer(bench.path('names.mjs'), '10.214.0.1')
    const [enter = '', ...args] = machines.within('origin')
    names = spawn(enter, [...args, process.execPath, bench.path('names.mjs')], { stdio: 'ignore' })
    await bench.origin()
    await writeFile(
      bench.path('origin', 'config.yaml'),
      'listen: ["/ip4/10.214.0.1/tcp/47100"]\nlan: { discovery: false }\n',
    )
    await bench.daemon('origin', [], machines.within('origin'))
    for (let number = 1; number <= machineCount; number++) {
      const etc = (...parts: string[]): string => join(machines.etc(number), ...parts)
      await writeFile(etc('resolv.conf'), 'nameserver 10.214.0.1\noptions timeout:1 attempts:2\n')
      await writeFile(etc('nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files dns\n')
      await mkdir(etc('network', 'if-up.d'), { recursive: true })
      await writeFile(etc('network', 'setup.sh'), setUp(`10.213.0.${number}/24`))
      await writeFile(etc('nftables.conf'), 'flush ruleset\n')
      await bench.member(`m${number}`, `site-${number}`, {
        addresses: [originAddress],
        labels: [`machine=${number}`],
        config: `listen: ["/ip4/0.0.0.0/tcp/0"]\nlan: { discovery: false }\nprobation: ${graceSeconds}s\nfacts: { number: ${number} }\n`,
      })
      daemons.set(number, await bench.daemon(`m${number}`, [], machines.within(number)))
    }
  }, 60_000)
  afterAll(async () => {
    names.kill('SIGKILL')
    await bench.end()
    await machines.remove()
  }, 30_000)

  const fleetOf = async (number: number): Promise<FleetDocument['devices'][number] | undefined> => {
    const { devices } = (await bench.ask('origin', ['fleet'])) as unknown as FleetDocument
    return devices.find(({ name }) => name === `m${number}`)
  }

  it(`${breakages.length} ways to break network, names, sshd and firewall: all come back`, async () => {
    const before = await Promise.all(numbers().map(async (number) => stateOf(machines, number)))
    const folders = await Promise.all(
      breakages.map(({ resources, guard }, index) => {
        const policy = {
          policy: nameOf(index),
          select: { labels: { machine: String(machineOf(index)) } },
          ...(guard && { guard }),
          resources,
          monitor: monitors,
        }
        return bench.policy(nameOf(index), { 'policy.yaml': JSON.stringify(policy) })
      }),
    )
    await bench.ask('origin', ['publish', ...folders])
    for (const number of numbers()) {
      const count = breakages.filter((_, index) => machineOf(index) === number).length
      await until(
        `machine ${number} reports the end of all`,
        async () => {
          const device = await fleetOf(number)
          return device?.bundles.filter(({ state }) => state === 'failed' || state === 'applied').length === count
        },
        150_000,
      )
    }
    const reasons: string[] = []
    const outcomes = new Set<string>()
    for (const [index, { what }] of breakages.entries()) {
      const device = await fleetOf(machineOf(index))
      const bundle = device?.bundles.find(({ name }) => name === nameOf(index))
      reasons.push(`${what}: ${bundle?.reason ?? bundle?.state ?? 'nothing'}`)
      for (const { outcome, reason } of bundle?.results ?? []) outcomes.add(`${outcome}: ${reason ?? ''}`)
    }
    expect(reasons).toEqual(
      breakages.map(({ what, because }) => {
        const why = because === 'neighbour' ? 'no neighbour was reached' : `.*${JSON.stringify(because)}.* did not pass`
        return expect.stringMatching(new RegExp(`^${what}: rolled back: ${why}.* within ${graceSeconds} s$`)) as string
      }),
    )
    // Nothing is told as changed, and a command that failed by itself keeps its own words.
    expect([...outcomes].filter((outcome) => !outcome.startsWith('failed: '))).toEqual([])
    expect(outcomes).toContain('failed: rolled back')
    expect(await Promise.all(numbers().map(async (number) => stateOf(machines, number)))).toEqual(before)
  }, 200_000)

  it('a daemon killed while its machine is cut off brings it back when it starts again', async () => {
    const before = await stateOf(machines, 1)
    const folder = await bench.policy('cut-off', {
      'policy.yaml': JSON.stringify({
        policy: 'cut-off',
        select: { labels: { machine: '1' } },
        resources: [command('ip link set eth0 down', up), file('/etc/network/setup.sh', 'exit 1\n')],
      }),
    })
    await bench.ask('origin', ['publish', folder])
    await until('the link is down', async () => !(await machines.network(1)).includes('UP'))
    await daemons.get(1)?.stop('SIGKILL')
    expect(await machines.network(1)).not.toContain('UP')
    daemons.set(1, await bench.daemon('m1', [], machines.within(1)))
    const bundle = await until('its report', async () => {
      const device = await fleetOf(1)
      return device?.bundles.find(({ name, state }) => name === 'cut-off' && state === 'failed')
    })
    expect(bundle.reason).toBe(`rolled back: no neighbour was reached within ${graceSeconds} s`)
    expect(await stateOf(machines, 1)).toBe(before)
  }, 60_000)

  it('a machine that is offline anyway is applied all the same', async () => {
    const opens = new Date(Date.now() + 3_600_000).toISOString().slice(0, 19)
    const folder = await bench.policy('alone', {
      'policy.yaml': JSON.stringify({
        policy: 'alone',
        select: { labels: { machine: '2' } },
        windows: [{ start: opens, duration: 'PT1H' }],
        resources: [file('/etc/network/alone', 'x')],
      }),
    })
    await bench.ask('origin', ['publish', folder])
    const stateIn = async (state: string): Promise<unknown> =>
      (await bench.status('m2')).bundles.find((bundle) => bundle.name === 'alone' && bundle.state === state)
    await until('it is prepared', async () => stateIn('prepared'))
    await machines.cut(2)
    await bench.ask('m2', ['apply', '--now'])
    await until('it is applied', async () => stateIn('applied'), 30_000)
    expect(await readFile(join(machines.etc(2), 'network/alone'), 'utf8')).toBe('x')
  }, 60_000)

  const numbers = (): number[] => [...daemons.keys()]
})

/** Its network, and every file of its `/etc` with mode, owner and content. */
async function stateOf(machines: Machines, number: number): Promise<string> {
  const etc = machines.etc(number)
  const lines = []
  for (const name of (await readdir(etc, { recursive: true })).sort()) {
    const found = await lstat(join(etc, name))
    const what = found.isSymbolicLink()
      ? await readlink(join(etc, name))
      : found.isFile()
        ? (await readFile(join(etc, name))).toString('base64').slice(-2000)
        : '/'
    lines.push(`${name} ${found.mode.toString(8)} ${found.uid}:${found.gid} ${what}`)
  }
  return `${await machines.network(number)}\n${lines.join('\n')}`
}

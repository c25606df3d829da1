/**
 * The network of a scenario, from network namespaces:
 *
 *   origin ── WAN router ══ uplink ══ site's router ── bridge ── one namespace a device
 *
 * Every link is shaped where it is sent (`tc tbf`), with a queue of 100 ms. The uplinks are the lines that count: their bytes are read
 * behind the shaper, every header included, with offloads off on all that leads there, because a packet of 64 KiB would count as one
 * and cost one header. On the LAN nobody counts, and offloads stay on as on any real machine: without them twenty processes on
 * two cores spend a quarter of their time in the bridge.
 * Latency comes from `delay-line.py`, one process a site, since netem is not in every kernel.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { assert } from '#base/assert.ts'
import { Unavailable } from '#base/errors.ts'
import { nodesOf, type Scenario, type SitePlan } from '../scenario.ts'
import { configure, Namespaces, outside, script } from './namespaces.ts'

export interface Traffic {
  readonly downBytes: number
  readonly upBytes: number
}

interface Shape {
  readonly device: string
  readonly bps: number
  readonly queueMs: number
  readonly lan?: true
}

interface BuiltSite {
  readonly plan: SitePlan
  readonly number: number
  readonly router: string
  /** A process in the router's namespace: `/proc/PID/net/dev` shows the counters without starting anything. */
  readonly window: ChildProcess
}

const delayLine = fileURLToPath(new URL('delay-line.py', import.meta.url))
const wan = 'wan'
const frameBytes = 1514
const lanQueueMs = 100
const port = 47_100

/** Where members reach the origin. */
export const originAddress = `/ip4/172.16.0.2/tcp/${port}`
export const originIp = '172.16.0.2'

export class BedNetwork {
  readonly #namespaces = new Namespaces()
  readonly #children: ChildProcess[] = []
  readonly #sites = new Map<string, BuiltSite>()
  readonly #places = new Map<string, string>()
  #window: ChildProcess | undefined

  /** Builds it. Unavailable `TESTBED_UNAVAILABLE` where a tool or a right is missing; nothing is left behind then. */
  static async build(scenario: Scenario): Promise<BedNetwork> {
    const network = new BedNetwork()
    try {
      await network.#build(scenario)
      return network
    } catch (error) {
      await network.remove()
      throw error
    }
  }

  /** What to put before a command so that it runs at a node. */
  enter(node: string): readonly string[] {
    const place = this.#places.get(node)
    assert(place !== undefined, `the node ${node} is in the scenario`)
    return ['ip', 'netns', 'exec', place]
  }

  /** What to put before a command so that it runs at the router of a site. */
  enterRouter(site: string): readonly string[] {
    return ['ip', 'netns', 'exec', this.#site(site).router]
  }

  /** Bytes over the line of a site so far. */
  traffic(site: string): Traffic {
    return counters(this.#site(site).window, 'up0')
  }

  /** Bytes over the line of the head office so far, as its origin sees them. */
  originTraffic(): Traffic {
    assert(this.#window !== undefined, 'the network is built')
    const { downBytes, upBytes } = counters(this.#window, 'o0')
    return { downBytes: upBytes, upBytes: downBytes }
  }

  /** Frames that the queue before the line threw away, towards the site and away from it. */
  async drops(site: string): Promise<{ down: number; up: number }> {
    const { number, router } = this.#site(site)
    const read = async (namespace: string, device: string): Promise<number> => {
      const words = ['netns', 'exec', namespace, 'tc', '-s', '-j', 'qdisc', 'show', 'dev', device, 'root']
      const text = await outside('ip', words)
      return (JSON.parse(text) as { drops?: number }[])[0]?.drops ?? 0
    }
    return { down: await read(this.#namespaces.nameOf(wan), `s${number}`), up: await read(router, 'up0') }
  }

  /** Lets nothing through the line any more; what the site sends into it still counts. */
  async cut(site: string): Promise<void> {
    await configure(this.#namespaces.nameOf(wan), 'ip', this.#cutRules(site, 'add'))
  }

  async mend(site: string): Promise<void> {
    await configure(this.#namespaces.nameOf(wan), 'ip', this.#cutRules(site, 'del'))
  }

  /** Ends every process in the namespaces, and removes them. */
  async remove(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    await this.#namespaces.remove()
  }

  #cutRules(site: string, act: 'add' | 'del'): string[] {
    const { number } = this.#site(site)
    return [
      `rule ${act} priority ${number * 2} iif s${number} blackhole`,
      `rule ${act} priority ${number * 2 + 1} to ${lanOf(number)}.0/24 blackhole`,
    ]
  }

  #site(id: string): BuiltSite {
    const site = this.#sites.get(id)
    assert(site !== undefined, `the site ${id} is in the scenario`)
    return site
  }

  async #build(scenario: Scenario): Promise<void> {
    const [origin] = scenario.origins
    assert(origin !== undefined, 'a scenario has an origin')
    const [router, office] = [await this.#namespaces.add(wan), await this.#namespaces.add('origin')]
    this.#places.set(origin.id, office)
    await script(router, 'echo 1 > /proc/sys/net/ipv4/ip_forward')
    await configure(router, 'ip', [
      `link add o0 address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns ${office}`,
      'addr add 172.16.0.1/30 dev o0 noprefixroute',
      'link set o0 up',
      'route add 172.16.0.0/30 dev o0 congctl cubic',
      'neigh replace 172.16.0.2 lladdr 02:00:00:00:00:02 dev o0 nud permanent',
      'route add unreachable default',
    ])
    await configure(office, 'ip', [
      'addr add 172.16.0.2/30 dev eth0 noprefixroute',
      'link set eth0 up',
      'route add 172.16.0.0/30 dev eth0 congctl cubic',
      'neigh replace 172.16.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent',
      'route add default via 172.16.0.1 congctl cubic',
    ])
    await shape(router, [{ device: 'o0', bps: origin.bandwidth_down, queueMs: lanQueueMs }])
    await shape(office, [{ device: 'eth0', bps: origin.bandwidth_up, queueMs: lanQueueMs }])
    this.#window = await this.#windowInto(router)
    for (const [index, plan] of scenario.sites.entries())
      await this.#buildSite(plan, index + 1, router, scenario.lanBandwidth)
  }

  async #buildSite(plan: SitePlan, number: number, wanRouter: string, lanBps: number): Promise<void> {
    const router = await this.#namespaces.add(`r${number}`)
    const line = `s${number}`
    if (plan.uplink.latency > 0) await this.#delayed(plan.uplink.latency, [wanRouter, line], [router, 'up0'])
    else await configure(wanRouter, 'ip', [`link add ${line} type veth peer name up0 netns ${router}`])
    const [inside, outer] = [`172.16.${number}.2`, `172.16.${number}.1`]
    const macs = [`02:00:00:00:01:${hex(number)}`, `02:00:00:00:02:${hex(number)}`]
    await configure(wanRouter, 'ip', [
      `link set ${line} address ${macs[0]} up`,
      `addr add ${outer}/30 dev ${line} noprefixroute`,
      `route add 172.16.${number}.0/30 dev ${line} congctl cubic`,
      // Permanent, so that no ARP counts as traffic of the line.
      `neigh replace ${inside} lladdr ${macs[1]} dev ${line} nud permanent`,
      `route add ${lanOf(number)}.0/24 via ${inside} congctl cubic`,
    ])
    await script(router, 'echo 1 > /proc/sys/net/ipv4/ip_forward')
    const lan = lanOf(number)
    await configure(router, 'ip', [
      `link set up0 address ${macs[1]} up`,
      `addr add ${inside}/30 dev up0 noprefixroute`,
      `route add 172.16.${number}.0/30 dev up0 congctl cubic`,
      `neigh replace ${outer} lladdr ${macs[0]} dev up0 nud permanent`,
      `route add 172.16.0.0/16 via ${outer} congctl cubic`,
      `route add 10.0.0.0/8 via ${outer} congctl cubic`,
      'route add unreachable default',
      // Without snooping: there is no querier, and multicast must reach every port.
      'link add br0 type bridge mcast_snooping 0 stp_state 0 forward_delay 0',
      `addr add ${lan}.1/24 dev br0 noprefixroute`,
      'link set br0 up',
      `route add ${lan}.0/24 dev br0 congctl cubic`,
    ])
    await shape(wanRouter, [{ device: line, bps: plan.uplink.bandwidthDown, queueMs: plan.uplink.queue }])
    const shapes: Shape[] = [{ device: 'up0', bps: plan.uplink.bandwidthUp, queueMs: plan.uplink.queue }]
    for (const [index, { name }] of nodesOf(plan).entries()) {
      const place = await this.#namespaces.add(`n${number}-${index}`)
      this.#places.set(name, place)
      await configure(router, 'ip', [
        `link add p${index} type veth peer name eth0 netns ${place}`,
        `link set p${index} master br0 up`,
      ])
      await configure(place, 'ip', [
        `addr add ${lan}.${index + 10}/24 dev eth0 noprefixroute`,
        'link set eth0 up',
        `route add ${lan}.0/24 dev eth0 congctl cubic`,
        `route add default via ${lan}.1 congctl cubic`,
      ])
      await shape(place, [{ device: 'eth0', bps: lanBps, queueMs: lanQueueMs, lan: true }])
      shapes.push({ device: `p${index}`, bps: lanBps, queueMs: lanQueueMs, lan: true })
    }
    await shape(router, shapes)
    this.#sites.set(plan.id, { plan, number, router, window: await this.#windowInto(router) })
  }

  async #delayed(ms: number, outer: readonly [string, string], inner: readonly [string, string]): Promise<void> {
    const child = spawn('python3', [delayLine, String(ms), ...outer, ...inner], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#children.push(child)
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve())
      child.once('error', reject)
      child.once('exit', (code) => reject(unavailable(`the delay line ended with ${code}`)))
    })
  }

  async #windowInto(namespace: string): Promise<ChildProcess> {
    const child = spawn('ip', ['netns', 'exec', namespace, 'sleep', 'infinity'], { stdio: 'ignore' })
    this.#children.push(child)
    const own = readlinkSync('/proc/self/ns/net')
    for (let tries = 0; tries < 200; tries++) {
      if (child.pid !== undefined && readlinkSync(`/proc/${child.pid}/ns/net`) !== own) return child
      await sleep(10)
    }
    throw unavailable(`nothing runs in ${namespace}`)
  }
}

/** Received and sent bytes of a device, seen through a process in its namespace. */
function counters(window: ChildProcess, device: string): Traffic {
  const table = readFileSync(`/proc/${window.pid}/net/dev`, 'utf8')
  const [, fields = ''] = new RegExp(`^\\s*${device}:(.*)$`, 'm').exec(table) ?? []
  const numbers = fields.trim().split(/\s+/).map(Number)
  return { downBytes: numbers[0] ?? 0, upBytes: numbers[8] ?? 0 }
}

const lanOf = (number: number): string => `10.${number}.0`
const hex = (number: number): string => number.toString(16).padStart(2, '0')

const unavailable = (what: string): Unavailable =>
  new Unavailable('TESTBED_UNAVAILABLE', {
    message: `The test bed cannot be built: ${what}.`,
    next: 'Run it as root on Linux, with: apt-get install iproute2 ethtool python3 iputils-ping',
  })

/** A burst below one frame lets nothing of full size pass; four frames, or 4 ms of the rate, reach the rate that was asked for. */
async function shape(namespace: string, shapes: readonly Shape[]): Promise<void> {
  const devices = shapes.flatMap(({ device, lan }) => (lan ? [] : [device])).join(' ')
  await script(namespace, `for d in ${devices}; do ethtool -K $d tso off gso off gro off sg off tx off rx off; done`)
  await configure(
    namespace,
    'tc',
    shapes.map(({ device, bps, queueMs }) => {
      const burst = Math.max(4 * frameBytes, Math.ceil((bps / 8) * 0.004))
      return `qdisc replace dev ${device} root tbf rate ${Math.round(bps)}bit burst ${burst} latency ${queueMs}ms`
    }),
  )
}

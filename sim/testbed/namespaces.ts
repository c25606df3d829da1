/**
 * Network namespaces of one run of the test bed: made, entered, and removed with everything that runs in them. Their names hold the
 * id of the process that made them, so what a killed run left behind is found by the next and removed; nobody else's is touched.
 */
import { execa } from 'execa'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Unavailable } from '#base/errors.ts'

const prefix = 'gvbed'
const endMs = 2_000

/** Runs `ip` (or `tc`) commands in one namespace, one a line; Unavailable `TESTBED_UNAVAILABLE` with what the tool says. */
export async function configure(
  namespace: string,
  tool: 'ip' | 'tc',
  lines: readonly (string | false)[],
): Promise<void> {
  const input = `${lines.filter((line) => line !== false).join('\n')}\n`
  await outside('ip', ['netns', 'exec', namespace, tool, '-batch', '-'], input)
}

/** Runs a shell script in a namespace: settings of the kernel, which are files there. */
export async function script(namespace: string, text: string): Promise<void> {
  await outside('ip', ['netns', 'exec', namespace, 'sh', '-ec', text])
}

/** What a program of the system prints. Unavailable `TESTBED_UNAVAILABLE` where it is not here, or says no. */
export async function outside(file: string, args: readonly string[], input: string = ''): Promise<string> {
  const { failed, stdout, stderr, code } = await execa(file, args, { input, reject: false, timeout: 30_000 })
  if (!failed) return stdout
  throw new Unavailable('TESTBED_UNAVAILABLE', {
    message: `The test bed cannot be built: ${stderr.trim() || (code ?? 'no answer')}.`,
    where: [file, ...args].join(' '),
    next: 'Run it as root on Linux, with: apt-get install iproute2 ethtool python3 iputils-ping',
  })
}

let runs = 0

export class Namespaces {
  readonly #names: string[] = []
  readonly #run = ++runs

  /** The full name of a namespace of this run; another run of this process has other ones. */
  nameOf(part: string): string {
    return `${prefix}-${process.pid}-${this.#run}-${part}`
  }

  /** Makes one, without IPv6 and with loopback up. */
  async add(part: string): Promise<string> {
    const name = this.nameOf(part)
    await outside('ip', ['netns', 'add', name])
    this.#names.push(name)
    await script(
      name,
      `cd /proc/sys/net
      for f in ipv6/conf/all/disable_ipv6 ipv6/conf/default/disable_ipv6 ipv4/tcp_no_metrics_save; do [ ! -e $f ] || echo 1 > $f; done
      for f in ipv4/conf/*/rp_filter ipv4/conf/*/send_redirects ipv4/conf/*/accept_redirects bridge/bridge-nf-call-*; do [ ! -e $f ] || echo 0 > $f; done
      ip link set lo up`,
    )
    return name
  }

  async remove(): Promise<void> {
    await removeAll(this.#names.splice(0))
  }

  /** Removes what runs that were killed left behind; the names of it, and of what a living process still holds. */
  static async removeLeftovers(): Promise<{ removed: string[]; held: string[] }> {
    const listed = await outside('ip', ['netns', 'list'])
    const names = listed.split('\n').flatMap((line) => line.split(' ', 1))
    const ours = names.filter((name) => ownerOf(name) !== undefined && ownerOf(name) !== process.pid)
    const held = ours.filter((name) => isRunning(ownerOf(name) ?? 0))
    const removed = ours.filter((name) => !held.includes(name))
    await removeAll(removed)
    return { removed, held }
  }
}

/** The process that made a thing of that name; undefined where it is no thing of a test bed. */
export function ownerOf(name: string): number | undefined {
  const [, pid] = new RegExp(`^${prefix}-(\\d+)-`).exec(name) ?? []
  return pid === undefined ? undefined : Number(pid)
}

/** Whether a test bed may still run there. Another process may have taken the id: then it is named, not removed. */
export function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}`)
}

/** Ends what runs in them, then removes them: each for itself, so that one that fails leaves no other behind. */
async function removeAll(names: readonly string[]): Promise<void> {
  const deadline = Date.now() + endMs
  for (let left = pidsIn(names); left.length > 0 && Date.now() < deadline; left = pidsIn(names)) {
    for (const pid of left) kill(pid)
    await sleep(20)
  }
  const ends = await Promise.allSettled(names.map((name) => outside('ip', ['netns', 'del', name])))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

/** Processes in these namespaces: one look at all of them, where `ip netns pids` would look at all for each. */
function pidsIn(names: readonly string[]): number[] {
  const places = new Set(names.map((name) => inodeOf(`/run/netns/${name}`)))
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.filter((pid) => places.has(inodeOf(`/proc/${pid}/ns/net`) ?? -1)).map(Number)
}

/** Undefined where it is not there, or no longer. */
function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino
  } catch {
    return undefined
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself meanwhile.
  }
}

/**
 * Network namespaces of one run of the test bed: made, entered, and removed with everything that runs in them. Their names hold the
 * id of the process that made them, so what a killed run left behind is found by the next and removed; nobody else's is touched.
 */
import { execa } from 'execa'
import { readFileSync } from 'node:fs'
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

export class Namespaces {
  readonly #names: string[] = []

  /** The full name of a namespace of this run. */
  static nameOf(part: string): string {
    return `${prefix}-${process.pid}-${part}`
  }

  /** Makes one, without IPv6 and with loopback up. */
  async add(part: string): Promise<string> {
    const name = Namespaces.nameOf(part)
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
    await Promise.all(this.#names.map((name) => removeOne(name)))
    this.#names.length = 0
  }

  /** Removes what runs that were killed left behind; the names of it, and of what a living process still holds. */
  static async removeLeftovers(): Promise<{ removed: string[]; held: string[] }> {
    const listed = await outside('ip', ['netns', 'list'])
    const names = listed.split('\n').flatMap((line) => line.split(' ', 1))
    const ours = names.filter((name) => ownerOf(name) !== undefined && ownerOf(name) !== process.pid)
    const held = ours.filter((name) => isRunning(ownerOf(name) ?? 0))
    const removed = ours.filter((name) => !held.includes(name))
    await Promise.all(removed.map((name) => removeOne(name)))
    return { removed, held }
  }
}

/** The process that made a thing of that name; undefined where it is no thing of a test bed. */
export function ownerOf(name: string): number | undefined {
  const [, pid] = new RegExp(`^${prefix}-(\\d+)-`).exec(name) ?? []
  return pid === undefined ? undefined : Number(pid)
}

/** Whether a test bed may still run there: a process of that id is alive and is a Node. */
export function isRunning(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('node')
  } catch {
    return false
  }
}

async function removeOne(name: string): Promise<void> {
  const pids = async (): Promise<number[]> => {
    const listed = await outside('ip', ['netns', 'pids', name])
    return listed.split('\n').filter(Boolean).map(Number)
  }
  const deadline = Date.now() + endMs
  for (let left = await pids(); left.length > 0 && Date.now() < deadline; left = await pids()) {
    for (const pid of left) kill(pid)
    await sleep(20)
  }
  await outside('ip', ['netns', 'del', name])
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself meanwhile.
  }
}

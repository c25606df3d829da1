/**
 * Machines of their own in network namespaces, for tests as root: each client has its network, its `/etc` and its `/run`, and reaches the
 * origin over a router alone. What a policy breaks there stays there.
 *
 *   origin 10.214.0.1 ── 10.214.0.254 router 10.213.0.254 ── 10.213.0.N eth0, machine N
 */
import { execFile, execFileSync } from 'node:child_process'
import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isInstalled } from './tool.ts'

const run = promisify(execFile)
const prefix = `gvm-${process.pid}`

export const originAddress = '/ip4/10.214.0.1/tcp/47100'

/** Root, and not in a container that forbids it. */
export function mayMakeMachines(): boolean {
  if (process.getuid?.() !== 0 || !isInstalled('ip') || !isInstalled('unshare')) return false
  try {
    execFileSync('ip', ['netns', 'add', `${prefix}-try`], { stdio: 'ignore' })
    execFileSync('ip', ['netns', 'exec', `${prefix}-try`, 'mount', '-t', 'tmpfs', 'x', '/mnt'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  } finally {
    try {
      execFileSync('ip', ['netns', 'del', `${prefix}-try`], { stdio: 'ignore' })
    } catch {
      // It was not made.
    }
  }
}

export class Machines {
  readonly #folder: string
  readonly #count: number

  constructor(folder: string, count: number) {
    this.#folder = folder
    this.#count = count
  }

  async make(): Promise<void> {
    await ip('netns', 'add', this.#name('router'))
    await on(this.#name('router'), 'ip', 'link', 'set', 'lo', 'up')
    await on(this.#name('router'), 'ip', 'link', 'add', 'lan', 'type', 'bridge')
    await on(this.#name('router'), 'ip', 'addr', 'add', '10.213.0.254/24', 'dev', 'lan')
    await on(this.#name('router'), 'ip', 'link', 'set', 'lan', 'up')
    await on(this.#name('router'), 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward')
    await this.#connect('origin', 'wan', '10.214.0.1', '10.214.0.254')
    await on(this.#name('router'), 'ip', 'addr', 'add', '10.214.0.254/24', 'dev', 'wan')
    for (let number = 1; number <= this.#count; number++) {
      await this.#connect(String(number), `port${number}`, `10.213.0.${number}`, '10.213.0.254')
      await on(this.#name('router'), 'ip', 'link', 'set', `port${number}`, 'master', 'lan')
      await mkdir(this.etc(number), { recursive: true })
      await cp('/etc', this.etc(number), { recursive: true, verbatimSymlinks: true })
    }
  }

  /** The `/etc` of a machine, as seen from outside. */
  etc(number: number): string {
    return join(this.#folder, `etc-${number}`)
  }

  /** What comes before a command to run it on a machine, or on the origin's. */
  within(number: number | 'origin'): string[] {
    const enter = ['ip', 'netns', 'exec', this.#name(String(number))]
    if (number === 'origin') return enter
    // Its own mounts come with the namespace: nothing has to be undone.
    const mounts = `mount --make-rprivate / && mount --bind ${this.etc(number)} /etc && mount -t tmpfs run /run`
    const start = 'mkdir /run/sshd && service ssh start >&2'
    return [...enter, 'sh', '-c', `${mounts} && ${start} && exec "$@"`, 'sh']
  }

  /** The network of a machine in words: addresses, routes, rules, neighbours that are fixed, filters. */
  async network(number: number): Promise<string> {
    const look = [
      'ip -br link show eth0 | cut -c1-20; ip link show eth0 | grep -o "mtu [0-9]*"; ip -br -4 addr show eth0',
      'ip route; ip rule; ip neigh show nud permanent; nft list ruleset; cat /proc/sys/net/ipv4/ip_default_ttl',
    ]
    const { stdout } = await on(this.#name(String(number)), 'sh', '-c', look.join('; '))
    return stdout
  }

  /** Takes the cable out, at the other end. */
  async cut(number: number): Promise<void> {
    await on(this.#name('router'), 'ip', 'link', 'set', `port${number}`, 'down')
  }

  async remove(): Promise<void> {
    for (const name of [...Array.from({ length: this.#count }, (_, at) => String(at + 1)), 'origin', 'router']) {
      const { stdout } = await run('ip', ['netns', 'pids', this.#name(name)]).catch(() => ({ stdout: '' }))
      for (const pid of stdout.split('\n').filter((line) => line !== '')) kill(Number(pid))
      await ip('netns', 'del', this.#name(name)).catch(() => {})
    }
    await rm(this.#folder, { recursive: true, force: true })
  }

  #name(part: string): string {
    return `${prefix}-${part}`
  }

  async #connect(part: string, port: string, address: string, gateway: string): Promise<void> {
    const name = this.#name(part)
    await ip('netns', 'add', name)
    await ip('-n', name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', port, 'netns', this.#name('router'))
    await on(name, 'ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    for (const device of ['lo', 'eth0']) await on(name, 'ip', 'link', 'set', device, 'up')
    await on(this.#name('router'), 'ip', 'link', 'set', port, 'up')
    await on(name, 'ip', 'route', 'add', 'default', 'via', gateway)
  }
}

/** A name server on the origin's machine that says `address` for every name; its program. */
export async function writeNameServer(path: string, address: string): Promise<void> {
  const program = `import { createSocket } from 'node:dgram'
const socket = createSocket('udp4')
socket.on('message', (query, { port, address }) => {
  let end = 12
  while (query[end]) end += query[end] + 1
  const question = query.subarray(12, end + 5)
  const isA = question.at(-3) === 1
  const answer = isA ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ${address.replaceAll('.', ', ')}] : []
  socket.send(Buffer.concat([query.subarray(0, 2), Buffer.from([0x81, 0x80, 0, 1, 0, isA ? 1 : 0, 0, 0, 0, 0]), question, Buffer.from(answer)]), port, address)
})
socket.bind(53, '10.214.0.1')
`
  await writeFile(path, program)
}

const ip = (...words: readonly string[]): Promise<unknown> => run('ip', words)
const on = (name: string, ...command: readonly string[]): Promise<{ stdout: string }> =>
  run('ip', ['netns', 'exec', name, ...command])

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

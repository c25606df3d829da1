/** Discovery between two machines without any route: two network namespaces on a bridge, each with a process of its own. */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { signingKey } from '#trust/keys.ts'
import { peerIdOf } from '#trust/peer-id.ts'
import { isInstalled } from '../support/tool.ts'
import { seedOf, until } from './parties.ts'

const run = promisify(execFile)
const ip = (...words: readonly string[]): Promise<unknown> => run('ip', words)
const canRun = isInstalled('ip') && mayMakeNamespaces()

const hub = `gv-${process.pid}-hub`
const names = [`gv-${process.pid}-a`, `gv-${process.pid}-b`] as const
const children = new Set<ChildProcess>()

/** Root, and not in a container that forbids it. */
function mayMakeNamespaces(): boolean {
  const name = `gv-${process.pid}-try`
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'ignore' })
    execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** A process that looks for its neighbours from this namespace, asks every 100 ms, and prints whom it sees. */
function neighbour(at: number): { lines: string[]; peer: string } {
  const peer = peerIdOf(signingKey(seedOf(`namespace ${at}`)).public)
  const discovery = new URL('../../src/mesh/discovery.ts', import.meta.url).href
  const program = `
    const { Discovery } = await import(${JSON.stringify(discovery)})
    const quiet = { debug() {}, info() {}, warn: (event, fields) => console.log('warn', event, fields.error), error() {} }
    const found = new Discovery({
      tag: new Uint8Array(16).fill(7), port: 47199, peer: ${JSON.stringify(peer)}, log: quiet,
      addresses: () => ['/ip4/198.51.100.${at + 1}/tcp/4711'],
      seen: (address, peer) => console.log('seen', address),
    })
    await found.start()
    console.log('started')
    setInterval(() => found.query(), 100)`
  const child = spawn(
    'ip',
    ['netns', 'exec', names[at] ?? '', process.execPath, '--input-type=module', '-e', program],
    {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  children.add(child)
  const lines: string[] = []
  child.stdout.on('data', (bytes: Buffer) => lines.push(...bytes.toString().trim().split('\n')))
  return { lines, peer }
}

async function join(): Promise<void> {
  await ip('netns', 'add', hub)
  await ip('-n', hub, 'link', 'add', 'br0', 'type', 'bridge')
  await ip('-n', hub, 'link', 'set', 'br0', 'up')
  for (const [at, name] of names.entries()) {
    await ip('netns', 'add', name)
    await ip('-n', hub, 'link', 'add', `port${at}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
    await ip('-n', hub, 'link', 'set', `port${at}`, 'master', 'br0', 'up')
    await ip('-n', name, 'addr', 'add', `198.51.100.${at + 1}/24`, 'dev', 'eth0')
    await ip('-n', name, 'link', 'set', 'eth0', 'up')
    await ip('-n', name, 'link', 'set', 'lo', 'up')
  }
}

async function remove(): Promise<void> {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
  for (const name of [...names, hub]) await ip('netns', 'del', name).catch(() => {})
}

describe('LAN discovery across machines', () => {
  beforeEach(async () => {
    if (canRun) await join()
  })
  afterEach(async () => {
    if (canRun) await remove()
  })

  it.skipIf(!canRun)(
    'finds a neighbour on a LAN without any route but its own network (as root; apt-get install iproute2)',
    async () => {
      const [a, b] = [neighbour(0), neighbour(1)]
      await until('they see each other', () =>
        [a, b].every(({ lines }) => lines.some((line) => line.startsWith('seen'))),
      )
      expect(new Set(a.lines.filter((line) => line.startsWith('seen')))).toEqual(
        new Set([`seen /ip4/198.51.100.2/tcp/4711/p2p/${b.peer}`]),
      )
      expect(new Set(b.lines.filter((line) => line.startsWith('seen')))).toEqual(
        new Set([`seen /ip4/198.51.100.1/tcp/4711/p2p/${a.peer}`]),
      )
      expect([...a.lines, ...b.lines].filter((line) => line.startsWith('warn'))).toEqual([])
    },
  )
})

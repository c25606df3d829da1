/**
 * Whether services run and are enabled, and how to bring them back to that, through systemd where it is, else through `service` and
 * the links of runlevels: the same words as in the compiled policy (policy/compile/script.ts). It never installs or removes one.
 */
import { access, readdir } from 'node:fs/promises'
import { runCommand } from './command.ts'

export interface ServiceState {
  readonly name: string
  /** There is such a service. */
  readonly known: boolean
  readonly running: boolean
  readonly enabled: boolean
}

const timeoutMs = 60_000
const outputBytesMax = 4096
/** LSB: the program of this service is not there. */
const notInstalled = 4

export async function serviceState(name: string): Promise<ServiceState> {
  if (await hasSystemd()) {
    const shown = await run('systemctl', ['show', '--property=LoadState', '--value', '--', name])
    const running = (await run('systemctl', ['is-active', '--', name])).exitCode === 0
    const enabled = (await run('systemctl', ['is-enabled', '--', name])).exitCode === 0
    return { name, known: shown.output.trim() !== 'not-found', running, enabled }
  }
  const { exitCode, output } = await run('service', [name, 'status'])
  const known = exitCode !== notInstalled && !/unrecognized service/.test(output)
  return { name, known, running: exitCode === 0, enabled: await isLinked(name) }
}

/** Brings it back; what ran is started anew, since its files may be others now. What is not as it was, or undefined. */
export async function restoreService(before: ServiceState): Promise<string | undefined> {
  const { name, known, running, enabled } = before
  // One that came with the policy stays stopped: its package is not put back.
  if (!known) return undefined
  const systemd = await hasSystemd()
  const now = await serviceState(name)
  if (now.enabled !== enabled) {
    const word = enabled ? 'enable' : 'disable'
    await (systemd ? change('systemctl', [word, '--', name]) : change('update-rc.d', [name, word]))
  }
  if (running || now.running) {
    const word = running ? 'restart' : 'stop'
    await (systemd ? change('systemctl', [word, '--', name]) : change('service', [name, word]))
  }
  const after = await serviceState(name)
  if (after.running === running && after.enabled === enabled) return undefined
  return `service ${name}: it is ${wordsOf(after)}, and was ${wordsOf(before)}`
}

const wordsOf = ({ running, enabled }: ServiceState): string =>
  `${running ? 'running' : 'stopped'} and ${enabled ? 'enabled' : 'disabled'}`

const run = (file: string, args: readonly string[]): ReturnType<typeof runCommand> =>
  runCommand({ file, args, timeoutMs, cwd: '/', outputBytesMax })

/** A daemon that is left behind must not hold our pipe open. */
const change = (file: string, args: readonly string[]): ReturnType<typeof runCommand> =>
  run('/bin/sh', ['-c', '"$@" >/dev/null 2>&1 </dev/null', 'sh', file, ...args])

const hasSystemd = (): Promise<boolean> =>
  access('/run/systemd/system').then(
    () => true,
    () => false,
  )

async function isLinked(name: string): Promise<boolean> {
  for (const level of [2, 3, 4, 5]) {
    const links = await readdir(`/etc/rc${level}.d`).catch(() => [])
    if (links.some((link) => /^S\d\d/.test(link) && link.slice(3) === name)) return true
  }
  return false
}

/**
 * The shell programs that the CFEngine compiler writes (policy/compile/script.ts), run by a real shell. The tools of systems that are not
 * here are played by stubs in a PATH of their own; apt-get and dpkg are real where they are, over a root of their own.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { access, chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { programFolders, runCommand } from '#engines/command.ts'
import { scriptOf, type ScriptResource } from '#policy/compile/script.ts'
import type { PackageResource } from '#policy/model.ts'
import { AptRoot } from './apt-root.ts'
import { policyOf } from '../contracts/engine.ts'

type Unnamed<T> = T extends unknown ? Omit<T, 'id'> : never

let folder: string
let env: Record<string, string>
let system: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grapevine-script-test-'))
  for (const name of ['bin', 'state', 'bundle/packages']) await mkdir(join(folder, name), { recursive: true })
  env = {
    PATH: `${join(folder, 'bin')}:${programFolders.join(':')}`,
    GRAPEVINE_STATE: join(folder, 'state'),
    GRAPEVINE_SCRATCH: folder,
  }
  system = 'ID=debian'
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** A program in the PATH; `calls` of the folder gets a line for each call. */
async function stub(name: string, script: string): Promise<void> {
  const path = join(folder, 'bin', name)
  await writeFile(path, `#!/bin/sh\necho "${name} $*" >>'${folder}/calls'\nhere='${folder}'\n${script}\n`)
  await chmod(path, 0o755)
}

const calls = (): Promise<string> => readFile(join(folder, 'calls'), 'utf8').catch(() => '')

async function run(resource: Unnamed<ScriptResource>, mode: 'apply' | 'observe' = 'apply'): Promise<string> {
  const rendered = { policy: policyOf(), bundle: join(folder, 'bundle'), resources: [] }
  const text = scriptOf({ ...resource, id: '0' }, rendered)
  await writeFile(join(folder, 'os-release'), `${system}\n`)
  await writeFile(join(folder, 'script.sh'), text.replaceAll('/etc/os-release', join(folder, 'os-release')))
  const { exitCode, output } = await runCommand({
    file: '/bin/sh',
    args: [join(folder, 'script.sh'), mode],
    env,
    timeoutMs: 20_000,
    outputBytesMax: 10_000,
  })
  const outcome = { 0: 'repaired', 97: 'kept', 1: 'failed' }[exitCode ?? -1] ?? `exit code ${exitCode}: ${output}`
  const said = output.split('\n').findLast((line) => /^(?:failed|skipped|seen): /.test(line))
  return said === undefined ? outcome : `${outcome}, ${said}`
}

describe('a package over zypper', () => {
  /** An rpm database of one file per package, and a zypper that installs what it is asked for. */
  const machine = async (): Promise<void> => {
    system = 'ID=opensuse-leap\nID_LIKE="suse"'
    await mkdir(join(folder, 'rpm'))
    await stub('rpm', 'case "$*" in\n*--qf*) cat "$here/rpm/nginx" ;;\n*) [ -e "$here/rpm/nginx" ] ;;\nesac')
    await stub(
      'zypper',
      `case "$*" in
*versioncmp*) shift 3; older=$(printf '%s\\n' "$1" "$2" | sort -V | head -n 1)
  if [ "$1" = "$2" ]; then echo 0; elif [ "$older" = "$1" ]; then echo -1; else echo 1; fi ;;
*install*) echo 1.24-1 >"$here/rpm/nginx"; exit 106 ;;
*remove*) rm "$here/rpm/nginx"; exit 8 ;;
*info*) echo "Version        : 1.24-1" ;;
esac`,
    )
  }
  const have = (version: string): Promise<void> => writeFile(join(folder, 'rpm', 'nginx'), `${version}\n`)
  const nginx = (parts: Partial<PackageResource> = {}): Unnamed<ScriptResource> => ({
    kind: 'package',
    name: 'nginx',
    state: 'present',
    ...parts,
  })

  it.each<[string | undefined, Partial<PackageResource>, string]>([
    [undefined, {}, 'repaired'],
    ['1.20-1', {}, 'kept'],
    ['1.20-1', { version: '>=1.22' }, 'repaired'],
    ['1.24-1', { version: '>=1.22' }, 'kept'],
    ['1.20-1', { version: '1.20-1' }, 'kept'],
    ['1.20-1', { version: '>=1.30' }, 'failed, failed: it is 1.24-1, install ended with 106'],
    ['1.20-1', { state: 'latest' }, 'repaired'],
    ['1.24-1', { state: 'latest' }, 'kept'],
    ['1.20-1', { state: 'absent' }, 'repaired'],
    [undefined, { state: 'absent' }, 'kept'],
  ])('that is %s and wanted as %j is %s: the system counts, not the exit code', async (version, wanted, outcome) => {
    await machine()
    if (version !== undefined) await have(version)
    expect(await run(nginx(wanted))).toBe(outcome)
  })

  it('is only looked at by an observation', async () => {
    await machine()
    await have('1.20-1')
    expect(await run(nginx({ version: '>=1.22' }), 'observe')).toBe('repaired, seen: 1.20-1')
    expect(await run(nginx({ state: 'absent' }), 'observe')).toBe('repaired, seen: 1.20-1')
    expect(await run(nginx({ state: 'latest' }), 'observe')).toBe('repaired, seen: 1.20-1')
    expect(await calls()).not.toMatch(/install|remove| refresh/)
  })
})

describe('a patch', () => {
  const patch = { kind: 'patch' as const, patch: 'SUSE-2026-1234' }

  it('is applied once by zypper', async () => {
    system = 'ID=sles'
    await stub(
      'zypper',
      'case "$*" in\n*info*) [ -e "$here/done" ] && echo "Status : applied" || echo "Status : needed" ;;\n*install*) touch "$here/done" ;;\nesac',
    )
    expect(await run(patch, 'observe')).toBe('repaired, seen: needed')
    expect(await run(patch)).toBe('repaired')
    expect(await run(patch)).toBe('kept')
  })

  it('that no repository knows, or on a system without zypper, fails', async () => {
    expect(await run(patch)).toMatch(/^failed, failed: patches are a matter of zypper/)
    system = 'ID=sles'
    await stub('zypper', 'exit 104')
    expect(await run(patch)).toBe('failed, failed: no repository here knows this patch')
  })
})

const apt = await access('/usr/bin/apt-get').then(
  () => true,
  () => false,
)

describe.skipIf(!apt)('a package over apt-get (needs apt and dpkg: apt-get install apt dpkg)', () => {
  let root: AptRoot
  beforeEach(async () => {
    root = await AptRoot.make(folder)
    await stub('dpkg', root.dpkg)
    env = { ...env, ...root.env }
  })
  const carry = (version: string): Promise<void> => root.build(version, join(folder, 'bundle/packages'))
  const sample = (parts: Partial<PackageResource> = {}): Unnamed<ScriptResource> => ({
    kind: 'package',
    name: 'grapevine-sample',
    state: 'present',
    ...parts,
  })

  it('comes from a file of the bundle, without any repository: the newest that fits', async () => {
    for (const version of ['1.0', '1.10', '1.9']) await carry(version)
    expect(await run(sample({ version: '1.9' }), 'observe')).toBe('repaired, seen: not installed')
    expect(await run(sample({ version: '1.9' }))).toBe('repaired')
    expect(await run(sample())).toBe('kept')
    expect(await run(sample({ version: '>=1.9' }))).toBe('kept')
    expect(await run(sample({ version: '>=1.10' }))).toBe('repaired')
    expect(await readFile(join(folder, 'root/opt/sample'), 'utf8')).toBe('1.10')
    expect(await run(sample({ version: '1.0' }))).toBe('repaired')
    expect(await run(sample({ state: 'latest' }))).toBe('repaired')
    expect(await run(sample({ state: 'latest' }))).toBe('kept')
    expect(await run(sample({ state: 'absent' }), 'observe')).toBe('repaired, seen: 1.10')
    expect(await run(sample({ state: 'absent' }))).toBe('repaired')
    expect(await run(sample({ state: 'absent' }))).toBe('kept')
  })

  it('is installed where the power failed in an earlier run of dpkg', async () => {
    await carry('1.0')
    const updates = join(folder, 'root/var/lib/dpkg/updates')
    await writeFile(
      join(updates, '0001'),
      'Package: other\nStatus: install ok unpacked\nArchitecture: all\nVersion: 1\nMaintainer: x <x@example.org>\nDescription: x\n',
    )
    await writeFile(join(folder, 'root/var/lib/dpkg/info/other.list'), '/.\n')
    expect(await run(sample())).toBe('repaired')
    expect(await readdir(updates)).toEqual([])
  })

  it('that nobody has fails, and says what is there', async () => {
    expect(await run(sample())).toMatch(/^failed, failed: it is not installed, install ended with \d+$/)
    await carry('1.0')
    expect(await run(sample({ version: '>=2' }))).toMatch(/^failed, failed: it is not installed/)
  })
})

describe('a process', () => {
  const process = { kind: 'process' as const, state: 'absent' as const }

  it('is never the program itself or a shell of it, whatever its own words are', async () => {
    // The path of the program, as that of a bundle, holds these words; no other process does.
    for (const match of [basename(folder), `${basename(folder)}/script\\.sh apply$`])
      expect(await run({ ...process, match })).toBe('kept')
    for (const match of [basename(folder), '^ps -eo pid=,ppid=,args=$'])
      expect(await run({ ...process, match, state: 'running' }, 'observe')).toBe('repaired, seen: not running')
  })

  it('with a pattern that grep does not understand fails, in place of being absent', async () => {
    expect(await run({ ...process, match: '(?<=a*)b' })).toMatch(/^failed, failed: grep -P does not understand/)
  })

  it('that ends as soon as it was started fails', async () => {
    const start = 'sleep 0.1; : grapevine-short-lived'
    expect(await run({ kind: 'process', match: 'grapevine-short-lived', state: 'running', start })).toBe(
      'failed, failed: started, but it does not run',
    )
  })
})

describe('a service', () => {
  /** Without systemd: `service` keeps its state in a file. */
  it('is started and stopped where it is not as wanted', async () => {
    await stub(
      'service',
      'case $2 in\nstatus) [ -e "$here/runs" ] ;;\nstart) touch "$here/runs" ;;\nstop) rm "$here/runs" ;;\nesac',
    )
    await stub(
      'systemctl',
      'case $1 in\nis-active) [ -e "$here/runs" ] ;;\nis-enabled) false ;;\nstart) touch "$here/runs" ;;\nstop) rm "$here/runs" ;;\nesac',
    )
    const service = { kind: 'service' as const, name: 'grapevine-sample' }
    expect(await run({ ...service, state: 'running' }, 'observe')).toBe('repaired, seen: stopped, disabled')
    expect(await run({ ...service, state: 'running' })).toBe('repaired')
    expect(await run({ ...service, state: 'running' })).toBe('kept')
    expect(await run({ ...service, state: 'stopped', enabled: false })).toBe('repaired')
    expect(await run({ ...service, state: 'stopped', enabled: false })).toBe('kept')
  })

  it('that does not start fails, and says how it is', async () => {
    for (const name of ['service', 'systemctl']) await stub(name, 'exit 3')
    expect(await run({ kind: 'service', name: 'grapevine-sample', state: 'running' })).toBe(
      'failed, failed: it is stopped, disabled',
    )
  })
})

describe('a reboot', () => {
  it('once is asked for once, whatever happens to the bundle, and again only where shutdown refused', async () => {
    const once = { kind: 'reboot' as const, when: 'once' as const }
    expect(await run(once, 'observe')).toBe('repaired, seen: not rebooted yet')
    await stub('shutdown', '')
    expect(await run(once)).toBe('repaired')
    expect(await run(once)).toBe('kept')
    await access(join(folder, 'state/rebooted-sample'))
  })

  it('when needed is not asked for where nothing needs it', async () => {
    await stub('shutdown', '')
    await stub('needs-restarting', 'exit 0')
    const outcome = await run({ kind: 'reboot', when: 'needed' }, 'observe')
    // A machine that has an outstanding reboot says so; it is only observed here.
    expect(outcome).toMatch(/^kept$|outstanding/)
    expect(await calls()).not.toContain('shutdown')
  })
})

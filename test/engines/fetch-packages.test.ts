/**
 * Packages are downloaded when a bundle is prepared, and its apply needs no network: real apt-get and dpkg over a root of their own, a
 * repository on loopback, and an apply in a network namespace without any link.
 */
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { access, chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sha256 } from '#base/digest.ts'
import { programFolders, runCommand } from '#engines/command.ts'
import { fetchPackages } from '#engines/fetch-packages.ts'
import { fetchScripts, scriptOf } from '#policy/compile/script.ts'
import type { PackageResource, RenderedPolicy } from '#policy/model.ts'
import { policyOf } from '../contracts/engine.ts'

const canRun =
  process.getuid?.() === 0 &&
  (await Promise.all(['/usr/bin/apt-get', '/usr/bin/dpkg-deb', '/usr/bin/unshare'].map((path) => access(path)))
    .then(() => true)
    .catch(() => false))

let folder: string
let env: Record<string, string>
let server: Server
/** Bytes by path, as the repository serves them. */
let served: Map<string, Uint8Array>
let asked: string[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grapevine-fetch-test-'))
  served = new Map()
  asked = []
  server = createServer((request, response) => {
    const path = (request.url ?? '').replace('/./', '/')
    asked.push(path)
    const bytes = served.get(path)
    response.writeHead(bytes ? 200 : 404, { 'content-length': bytes?.byteLength ?? 0 })
    response.end(bytes)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const root = join(folder, 'root')
  const folders = [
    'lib/dpkg/info',
    'lib/dpkg/updates',
    'lib/dpkg/triggers',
    'lib/apt/lists/partial',
    'cache/apt/archives/partial',
    'log/apt',
  ]
  for (const name of folders) await mkdir(join(root, 'var', name), { recursive: true })
  for (const name of ['apt.conf.d', 'preferences.d', 'sources.list.d'])
    await mkdir(join(root, 'etc/apt', name), { recursive: true })
  for (const name of ['bin', 'bundle/packages', 'compiled', 'repository'])
    await mkdir(join(folder, name), { recursive: true })
  await writeFile(join(root, 'var/lib/dpkg/status'), '')
  await writeFile(
    join(root, 'etc/apt/sources.list'),
    `deb [trusted=yes] http://127.0.0.1:${(server.address() as AddressInfo).port}/ ./\n`,
  )
  const settings = [
    `Dir "${root}/"`,
    `Dir::State::status "${root}/var/lib/dpkg/status"`,
    `Dir::Bin::dpkg "${folder}/bin/dpkg"`,
    'APT::Sandbox::User "root"',
    'Acquire::Retries "0"',
    'Acquire::http::Proxy "DIRECT"',
    'Acquire::Languages "none"',
  ]
  await writeFile(join(folder, 'apt.conf'), settings.map((line) => `${line};\n`).join(''))
  await writeFile(
    join(folder, 'bin/dpkg'),
    `#!/bin/sh\nexec /usr/bin/dpkg --force-not-root --force-bad-path --root='${root}' --log='${folder}/dpkg.log' "$@"\n`,
  )
  await chmod(join(folder, 'bin/dpkg'), 0o755)
  env = {
    PATH: `${join(folder, 'bin')}:${programFolders.join(':')}`,
    APT_CONFIG: join(folder, 'apt.conf'),
    DPKG_ADMINDIR: join(root, 'var/lib/dpkg'),
    GRAPEVINE_SCRATCH: folder,
  }
})
afterEach(async () => {
  server.close()
  await rm(folder, { recursive: true, force: true })
})

/** Builds packages and the list of them. */
async function publish(...packages: { name: string; version: string; depends?: string }[]): Promise<void> {
  let list = ''
  for (const { name, version, depends } of packages) {
    const tree = join(folder, 'tree', name, version)
    await mkdir(join(tree, 'DEBIAN'), { recursive: true, mode: 0o755 })
    await mkdir(join(tree, 'opt'))
    const control = `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n${depends === undefined ? '' : `Depends: ${depends}\n`}`
    await writeFile(join(tree, 'DEBIAN/control'), control)
    await writeFile(join(tree, 'opt', name), version)
    const file = join(folder, 'repository', `${name}_${version}_all.deb`)
    await runCommand({
      file: 'dpkg-deb',
      args: ['--build', '--root-owner-group', tree, file],
      timeoutMs: 20_000,
      outputBytesMax: 1000,
    })
    const bytes = await readFile(file)
    served.set(`/${name}_${version}_all.deb`, bytes)
    list += `${control}Filename: ./${name}_${version}_all.deb\nSize: ${bytes.byteLength}\nSHA256: ${sha256(bytes)}\n\n`
  }
  served.set('/Packages', Buffer.from(list))
}

const wanted = (parts: Partial<PackageResource> = {}): PackageResource => ({
  kind: 'package',
  id: '3:package:sample',
  name: 'sample',
  state: 'present',
  ...parts,
})
const rendered = (resource: PackageResource): RenderedPolicy => ({
  policy: policyOf(),
  bundle: join(folder, 'bundle'),
  resources: [resource],
})

async function prepare(resource = wanted(), signal = new AbortController().signal): Promise<void> {
  for (const { path, text } of fetchScripts(rendered(resource))) {
    await mkdir(join(folder, 'compiled/fetch'), { recursive: true })
    await writeFile(join(folder, 'compiled', path), text.replaceAll('/etc/os-release', join(folder, 'os-release')))
  }
  await writeFile(join(folder, 'os-release'), 'ID=debian\n')
  await fetchPackages(join(folder, 'compiled'), { signal, env })
}

/** In a network without any link, not even loopback. */
async function applyOffline(resource = wanted()): Promise<string> {
  const text = scriptOf(resource, rendered(resource))
  await writeFile(join(folder, 'script.sh'), text.replaceAll('/etc/os-release', join(folder, 'os-release')))
  const args = ['--net', '/bin/sh', join(folder, 'script.sh'), 'apply']
  const { exitCode, output } = await runCommand({
    file: 'unshare',
    args,
    env,
    timeoutMs: 60_000,
    outputBytesMax: 20_000,
  })
  return `${{ 0: 'repaired', 97: 'kept', 1: 'failed' }[exitCode ?? -1] ?? exitCode}${exitCode === 1 ? `: ${output}` : ''}`
}
const installed = (name: string): Promise<string> =>
  readFile(join(folder, 'root/opt', name), 'utf8').catch(() => 'not installed')
const fetched = (): Promise<string[]> =>
  readdir(join(folder, 'bundle/fetched/3'))
    .then((names) => names.sort())
    .catch(() => [])

describe.skipIf(!canRun)('preparing apart from applying (as root: apt-get install apt dpkg util-linux)', () => {
  it('a package and what it needs are downloaded when the bundle is prepared, and installed without any network', async () => {
    await publish({ name: 'sample', version: '1.2', depends: 'base (>= 1)' }, { name: 'base', version: '1.0' })
    await prepare()
    expect(await installed('sample')).toBe('not installed')
    expect(await fetched()).toEqual(['SHA256SUMS', 'base_1.0_all.deb', 'sample_1.2_all.deb'])
    server.close()
    expect(await applyOffline()).toBe('repaired')
    expect([await installed('sample'), await installed('base')]).toEqual(['1.2', '1.0'])
    expect(await applyOffline()).toBe('kept')
  }, 60_000)

  it('what was downloaded is taken although a newer list names another version by then', async () => {
    await publish({ name: 'sample', version: '1.2' })
    await prepare(wanted({ version: '>=1.1' }))
    await publish({ name: 'sample', version: '1.3' })
    await runCommand({ file: 'apt-get', args: ['-q', 'update'], env, timeoutMs: 30_000, outputBytesMax: 10_000 })
    expect(await applyOffline(wanted({ version: '>=1.1' }))).toBe('repaired')
    expect(await installed('sample')).toBe('1.2')
  }, 60_000)

  it('a file that was changed since is not installed, of whatever size', async () => {
    await publish({ name: 'sample', version: '1.2' })
    await prepare()
    const file = join(folder, 'bundle/fetched/3/sample_1.2_all.deb')
    const bytes = await readFile(file)
    bytes[bytes.byteLength - 1] = (bytes.at(-1) ?? 0) ^ 1
    await writeFile(file, bytes)
    expect((await stat(file)).size).toBe(bytes.byteLength)
    expect(await applyOffline()).toMatch(/^failed/)
    expect(await installed('sample')).toBe('not installed')
  }, 60_000)

  it('bytes that are not those of the signed list are refused: PACKAGE_NOT_FETCHED, and the next try may bring them', async () => {
    await publish({ name: 'sample', version: '1.2' })
    const good = served.get('/sample_1.2_all.deb') ?? new Uint8Array()
    served.set(
      '/sample_1.2_all.deb',
      good.map((byte, index) => (index === 100 ? byte ^ 1 : byte)),
    )
    await expect(prepare()).rejects.toMatchObject({ code: 'PACKAGE_NOT_FETCHED' })
    expect(await fetched()).not.toContain('SHA256SUMS')
    served.set('/sample_1.2_all.deb', good)
    await prepare()
    expect(await applyOffline()).toBe('repaired')
  }, 60_000)

  it('a download ends when the daemon does', async () => {
    await publish({ name: 'sample', version: '1.2' })
    server.removeAllListeners('request')
    const ending = new AbortController()
    server.on('request', () => ending.abort())
    await expect(prepare(wanted(), ending.signal)).rejects.toMatchObject({ code: 'PACKAGE_NOT_FETCHED' })
    server.closeAllConnections()
  }, 60_000)

  it('nothing is asked for where the system fits already, and a package that no repository has is left to the apply', async () => {
    await publish({ name: 'sample', version: '1.2' })
    await prepare()
    await applyOffline()
    asked.length = 0
    await prepare()
    await prepare(wanted({ state: 'absent' }))
    expect(asked).toEqual([])
    await prepare(wanted({ id: '4:package:unknown', name: 'unknown' }))
    expect(await readdir(join(folder, 'bundle/fetched'))).toEqual(['3'])
  }, 60_000)
})

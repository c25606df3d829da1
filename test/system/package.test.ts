/**
 * The program as a package: what `npm pack` makes of a checkout, below a `node_modules` with nothing else than the package with machine
 * code. Works on a copy of the checkout, since other tests run from this one's files.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'grapevine-package-'))
const checkout = join(folder, 'checkout')
const installed = join(folder, 'installed/node_modules')
const entryOf = (place: string): string => join(place, 'src/cli/grapevine.js')

function grapevine(
  place: string,
  ...args: readonly string[]
): { status: number | null; stdout: string; stderr: string } {
  const env = { PATH: process.env['PATH'], HOME: join(folder, 'home'), GRAPEVINE_HOME: join(folder, 'home/state') }
  return spawnSync(process.execPath, [entryOf(place), ...args], { encoding: 'utf8', env, cwd: folder })
}

beforeAll(() => {
  mkdirSync(installed, { recursive: true })
  mkdirSync(join(folder, 'home'))
  for (const part of ['src', 'docs', 'package.json', 'package-lock.json', 'README.md', 'LICENSE'])
    cpSync(join(root, part), join(checkout, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'))
  const packed = spawnSync('npm', ['pack', '--pack-destination', folder], { cwd: checkout, encoding: 'utf8' })
  if (packed.status !== 0) throw new TypeError(packed.stderr)
  const tarball = packed.stdout.trim().split('\n').at(-1) ?? ''
  mkdirSync(join(installed, 'grapevine'))
  const unpacked = spawnSync('tar', [
    'xzf',
    join(folder, tarball),
    '--strip-components=1',
    '-C',
    join(installed, 'grapevine'),
  ])
  if (unpacked.status !== 0) throw new TypeError('the tarball cannot be unpacked')
  symlinkSync(join(root, 'node_modules/classic-level'), join(installed, 'classic-level'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const program = join(installed, 'grapevine')

it('a package has the bundle, its licences and what commands read, and no sources', () => {
  for (const path of [
    'dist/main.js',
    'dist/LICENSES.txt',
    'src/cli/demo/policy/policy.yaml',
    'docs/operate.md',
    'LICENSE',
  ])
    expect(existsSync(join(program, path)), path).toBe(true)
  for (const path of ['src/cli/main.ts', 'test', 'sim', 'dist/.cache'])
    expect(existsSync(join(program, path)), path).toBe(false)
})

it('an installed package tells its help, makes a fleet in an empty home, and runs until it is told to end', async () => {
  expect(grapevine(program, '--help').stdout).toContain('Usage: grapevine')
  const made = grapevine(program, 'init', '--fleet', 'acme', '--listen', '/ip4/127.0.0.1/tcp/0')
  expect(made.status, made.stderr).toBe(0)
  const daemon = spawn(process.execPath, [entryOf(program), 'run', '--json'], {
    env: { HOME: join(folder, 'home'), GRAPEVINE_HOME: join(folder, 'home/state') },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(daemon.stdout, 'data')) as [Buffer]
  expect(JSON.parse(line.toString())).toMatchObject({ ready: true })
  daemon.kill('SIGTERM')
  expect(await once(daemon, 'exit')).toEqual([0, null])
})

it('an installed package checks, compiles and publishes a policy, which loads what other commands leave out', () => {
  const policy = join(folder, 'policy')
  mkdirSync(policy)
  writeFileSync(
    join(policy, 'policy.yaml'),
    'policy: web\nresources:\n  - line: { path: /etc/motd, line: "— hello" }\n',
  )
  expect(grapevine(program, 'check', policy).stderr).toBe('')
  const published = grapevine(program, 'publish', policy, '--json')
  expect(JSON.parse(published.stdout), published.stderr).toMatchObject({ bundles: [{ name: 'web', version: 1 }] })
})

it('a mistake of ours is told with the names of the functions it went through', () => {
  const path = readFileSync(join(program, 'dist/main.js'), 'utf8')
  expect(path).toContain('async function main(argv)')
})

it('a checkout takes its bundle while that is of its very sources, and the sources once one was touched', () => {
  const whichOf = (): string => {
    const tell = `data:text/javascript,import{registerHooks}from'node:module';registerHooks({load(u,c,n){if(/main\\.(js|ts)$/.test(u))console.error('loads '+u.slice(-7));return n(u,c)}})`
    const run = spawnSync(process.execPath, ['--import', tell, entryOf(checkout), '--version'], { encoding: 'utf8' })
    return /^loads .*$/m.exec(run.stderr)?.[0] ?? run.stderr
  }
  expect(whichOf()).toBe('loads main.js')
  const source = join(checkout, 'src/base/time.ts')
  writeFileSync(source, readFileSync(source))
  expect(whichOf()).toBe('loads main.ts')
})

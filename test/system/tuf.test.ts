/** `grapevine tuf` as other programs call it: a real process, a repository over HTTP on loopback, exit codes 0 and 1 alone. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { after, day, instant } from '#base/time.ts'
import { Bench, type Answer } from '../support/program.ts'
import { TufRepository } from '../support/tuf-repository.ts'

let bench: Bench
let server: Server
let repository: TufRepository
let base: string
/** What the server was asked for. */
let asked: string[]
const targets = new Map<string, Uint8Array>()

beforeEach(async () => {
  bench = await Bench.make()
  repository = new TufRepository()
  const expires = after(instant(Date.now()), day)
  for (const role of Object.values(repository.roles)) role.expires = expires
  repository.publishRoot()
  repository.publish()
  targets.clear()
  targets.set(`dir/${sha256(utf8('hello'))}.file.txt`, utf8('hello'))
  asked = []
  server = createServer((request, response) => {
    const [, kind, ...rest] = (request.url ?? '').split('/')
    const name = rest.join('/')
    asked.push(name)
    const bytes = kind === 'metadata' ? repository.served.get(name) : targets.get(name)
    response.statusCode = name === '1.snapshot.json' && broken ? 500 : bytes ? 200 : 404
    response.end(bytes)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await writeFile(bench.path('root.json'), repository.served.get('1.root.json') ?? '')
})
let broken = false
afterEach(async () => {
  broken = false
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await bench.end()
})

const tuf = (...args: string[]): Promise<Answer> => bench.run(['tuf', '--metadata-dir', bench.path('trust'), ...args])
const refresh = (url = `${base}/metadata`): Promise<Answer> => tuf('--metadata-url', url, 'refresh')
const download = (...names: string[]): Promise<Answer> =>
  tuf(
    'download',
    `--metadata-url=${base}/metadata`,
    `--target-base-url=${base}/targets`,
    `--target-dir=${bench.path('out')}`,
    ...names.flatMap((name) => ['--target-name', name]),
  )

describe('grapevine tuf', () => {
  it('begins with a root, keeps metadata as it was served, and downloads a target once', async () => {
    expect((await tuf('init', bench.path('root.json'))).code).toBe(0)
    expect(asked).toEqual([])
    const refreshed = await refresh()
    expect([refreshed.code, refreshed.stderr]).toEqual([0, ''])
    expect(asked).toEqual(['2.root.json', 'timestamp.json', '1.snapshot.json', '1.targets.json'])
    expect((await readdir(bench.path('trust'))).sort()).toEqual([
      'root.json',
      'snapshot.json',
      'targets.json',
      'timestamp.json',
    ])
    const stored = await readFile(bench.path('trust', 'timestamp.json'))
    expect(stored.equals(repository.served.get('timestamp.json') ?? new Uint8Array())).toBe(true)
    const first = await download('dir/file.txt')
    expect([first.code, first.stdout]).toEqual([0, `${bench.path('out', 'dir%2Ffile.txt')}\n`])
    expect(await readFile(bench.path('out', 'dir%2Ffile.txt'), 'utf8')).toBe('hello')
    asked.length = 0
    expect((await download('dir/file.txt')).code).toBe(0)
    expect(asked).toEqual(['2.root.json', 'timestamp.json'])
  })

  it('says what is wrong, by a code and exit code 1, and leaves no half of a target', async () => {
    const codeOf = async (answer: Promise<Answer>): Promise<string> => {
      const { code, stderr } = await answer
      return `${code} ${/\[([A-Z_]+)\]/.exec(stderr)?.[1] ?? stderr}`
    }
    expect(await codeOf(refresh())).toBe('1 TUF_ROOT_MISSING')
    expect(await codeOf(tuf('init', bench.path('nothing.json')))).toBe('1 TUF_ROOT_MISSING')
    await tuf('init', bench.path('root.json'))
    expect(await codeOf(refresh('ftp://127.0.0.1/metadata'))).toBe('1 TUF_URL_INVALID')
    expect(await codeOf(refresh('http://127.0.0.1:1/metadata'))).toBe('1 TUF_UNREACHABLE')
    broken = true
    expect(await codeOf(refresh())).toBe('1 TUF_UNREACHABLE')
    broken = false
    expect(await codeOf(download('dir/none'))).toBe('1 TARGET_UNKNOWN')
    targets.set(`dir/${sha256(utf8('hello'))}.file.txt`, utf8('hellx'))
    expect(await codeOf(download('dir/file.txt'))).toBe('1 TARGET_WRONG')
    expect(await readdir(bench.path('out'))).toEqual([])
    expect(await codeOf(tuf('upgrade'))).toBe('1 USAGE')
    expect(await codeOf(tuf('--no-such-option'))).toBe('1 USAGE')
  })
})

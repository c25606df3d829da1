/** What users get wrong, and what the world does: each has its own code, its documented exit code, and leaves what was there intact. */
import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until, Bench, entry } from '../support/program.ts'

let bench: Bench
beforeEach(async () => {
  bench = await Bench.make()
})
afterEach(() => bench.end())

interface Failure {
  readonly code: number
  readonly error: { readonly code: string; readonly message: string; readonly next: string | null }
}

async function failure(args: readonly string[], home?: string): Promise<Failure> {
  const answer = await bench.run([...args, '--json', ...(home === undefined ? [] : ['--home', bench.path(home)])])
  expect(answer.stderr).not.toContain('our mistake')
  return { code: answer.code, error: (answer.json['error'] ?? {}) as unknown as Failure['error'] }
}

const good = { 'policy.yaml': 'policy: web\nresources:\n  - directory: { path: /srv/app }\n' }

describe('a faulty policy', () => {
  it('is told with file, line and column, all faults at once, and publishes nothing', async () => {
    await bench.origin()
    const dir = await bench.policy('bad', {
      'policy.yaml':
        'policy: web\nresorces:\n  - directory: { path: /srv/app }\nresources:\n  - file: { path: /etc/x, mode: 0644, source: gone.txt }\n  - pakage: { name: nginx }\n',
    })
    const text = await bench.run(['check', dir])
    expect(text.code).toBe(1)
    expect(text.stdout).toMatch(/policy\.yaml:2:1: .*resorces.*resources/)
    expect(text.stdout).toMatch(/policy\.yaml:5:\d+: /)
    expect(text.stdout).toMatch(/policy\.yaml:6:5: .*pakage.*package/)
    const published = await bench.run(['publish', dir, '--json', '--home', bench.path('origin')])
    expect([published.code, (published.json['problems'] as unknown as unknown[]).length > 2]).toEqual([1, true])
    expect((await bench.status('origin')).release).toBe(1)
  })

  it.each([
    ['an empty policy.yaml', { 'policy.yaml': '' }, 'POLICY_EMPTY'],
    [
      'a file that the policy names and that is empty',
      { ...good, 'policy.yaml': 'policy: web\nresources:\n  - file: { path: /etc/x, source: x }\n', 'files/x': '' },
      'POLICY_FILE_EMPTY',
    ],
    ['an empty package', { ...good, 'packages/a.deb': '' }, 'POLICY_FILE_EMPTY'],
    [
      'a path that leaves the bundle',
      { 'policy.yaml': 'policy: web\nresources:\n  - file: { path: /etc/x, source: ../../etc/shadow }\n' },
      'POLICY_PATH_LEAVES',
    ],
    ['an unknown key', { 'policy.yaml': 'policy: web\nresources: []\nwindow: []\n' }, 'POLICY_KEY_UNKNOWN'],
    [
      'a text that its engine cannot say',
      { 'policy.yaml': 'policy: web\nengine: puppet\nresources:\n  - process: { match: "[^]", state: absent }\n' },
      'COMPILE_TEXT_UNSUPPORTED',
    ],
  ])('%s is told by its own code', async (_what, files, code) => {
    const answer = await bench.run(['check', await bench.policy('bad', files), '--json'])
    expect(answer.code).toBe(1)
    const problems = answer.json['problems'] as unknown as { code: string; line: number; column: number }[]
    expect(problems.map((problem) => problem.code)).toContain(code)
    expect(problems.every(({ line, column }) => line >= 1 && column >= 1)).toBe(true)
  })

  it('symlinks in the folder are refused, each by name, beside what else is wrong; nothing is published', async () => {
    await bench.origin()
    const dir = await bench.policy('bad', { 'policy.yaml': 'policy: web\nresorces: []\n' })
    await mkdir(`${dir}/files`)
    await symlink('/etc/passwd', `${dir}/files/passwd`)
    await symlink('/etc/group', `${dir}/files/group`)
    for (const command of [['check'], ['publish', '--home', bench.path('origin')]]) {
      const answer = await bench.run([...command, dir, '--json'])
      const problems = answer.json['problems'] as unknown as { code: string; file: string; line: number }[]
      expect([answer.code, problems.map(({ code }) => code)]).toEqual([
        1,
        expect.arrayContaining(['POLICY_KEY_UNKNOWN', 'TREE_SYMLINK', 'TREE_SYMLINK']),
      ])
      expect(problems).toContainEqual(expect.objectContaining({ file: `${dir}/files/passwd`, line: 1, column: 1 }))
    }
    expect((await bench.status('origin')).release).toBe(1)
  })

  it('a folder without a policy, and no folder at all', async () => {
    expect(await failure(['check', await bench.policy('none', { 'notes.txt': 'x' })])).toMatchObject({
      code: 2,
      error: { code: 'POLICY_MISSING' },
    })
    expect((await failure(['check', bench.path('nowhere')])).code).toBeGreaterThan(0)
  })

  it('two folders with one policy name are refused, and nothing is published', async () => {
    await bench.origin()
    const [one, two] = [await bench.policy('one', good), await bench.policy('two', good)]
    expect(await failure(['publish', one, two], 'origin')).toMatchObject({ code: 2, error: { code: 'PUBLISH_TWINS' } })
    expect((await bench.status('origin')).release).toBe(1)
  })
})

describe('a home', () => {
  it('that is not there, is there already, or holds something else', async () => {
    expect(await failure(['status'], 'nowhere')).toMatchObject({ code: 2, error: { code: 'HOME_NOT_FOUND' } })
    await bench.origin()
    expect(await failure(['init', '--fleet', 'acme'], 'origin')).toMatchObject({
      code: 2,
      error: { code: 'HOME_EXISTS' },
    })
    await mkdir(bench.path('mine'))
    await writeFile(bench.path('mine', 'diary.txt'), 'dear diary')
    expect(await failure(['init', '--fleet', 'acme'], 'mine')).toMatchObject({
      code: 2,
      error: { code: 'HOME_NOT_EMPTY' },
    })
    expect(await readdir(bench.path('mine'))).toEqual(['diary.txt'])
    expect(await failure(['init', '--fleet', 'my fleet'], 'other')).toMatchObject({
      code: 2,
      error: { code: 'NAME_INVALID' },
    })
  })

  it('on which a daemon runs takes no second one', async () => {
    await bench.origin()
    await bench.daemon('origin')
    expect(await failure(['run'], 'origin')).toMatchObject({ code: 2, error: { code: 'HOME_LOCKED' } })
  })

  it('whose membership is cut off says where, and that it is to be restored', async () => {
    await bench.origin()
    await bench.member('alice', 'berlin')
    const whole = await readFile(bench.path('alice', 'trust', 'membership'))
    await writeFile(bench.path('alice', 'trust', 'membership'), whole.subarray(0, 50))
    expect(await failure(['status'], 'alice')).toMatchObject({
      code: 2,
      error: { code: 'HOME_DAMAGED', where: bench.path('alice', 'trust') },
    })
    await writeFile(bench.path('alice', 'trust', 'membership'), whole)
    expect((await bench.status('alice')).site).toBe('berlin')
  })

  it('whose keys others can read, or whose keys are damaged, is not used', async () => {
    await bench.origin()
    await chmod(bench.path('origin', 'keys', 'root'), 0o644)
    expect(await failure(['status'], 'origin')).toMatchObject({ code: 2, error: { code: 'KEY_PERMISSIONS' } })
    await chmod(bench.path('origin', 'keys', 'root'), 0o600)
    const key = await readFile(bench.path('origin', 'keys', 'root'))
    await writeFile(bench.path('origin', 'keys', 'root'), key.subarray(0, 20))
    expect(await failure(['status'], 'origin')).toMatchObject({ code: 2, error: { code: 'KEY_DAMAGED' } })
    await writeFile(bench.path('origin', 'keys', 'root'), key)
    expect((await bench.status('origin')).release).toBe(1)
  })

  it('that lost its identity or its signed metadata says so, and is left as it is', async () => {
    await bench.origin()
    await rm(bench.path('origin', 'trust', 'membership'))
    expect(await failure(['status'], 'origin')).toMatchObject({ code: 2, error: { code: 'HOME_DAMAGED' } })
  })

  it('with a faulty config.yaml names the line', async () => {
    await bench.origin()
    await writeFile(bench.path('origin', 'config.yaml'), 'lan:\n  port: often\n')
    const { code, error } = await failure(['status'], 'origin')
    expect([code, error.code]).toEqual([2, 'CONFIG_INVALID'])
    await writeFile(bench.path('origin', 'config.yaml'), 'listne: []\n')
    expect((await failure(['run'], 'origin')).error.message).toContain('listne')
  })
})

describe('a token', () => {
  it('that is cut, mistyped or no token at all makes no home', async () => {
    await bench.origin()
    const token = String((await bench.ask('origin', ['token', 'create', '--site', 'berlin']))['token'])
    for (const bad of [token.slice(0, -3), token.replace('A', 'B').replace('e', 'f'), 'hello', ''])
      expect(await failure(['join', bad], 'new')).toMatchObject({ code: 4, error: { code: 'TOKEN_DAMAGED' } })
    await expect(readdir(bench.path('new'))).rejects.toThrow('ENOENT')
  })

  it('that has expired makes no home', async () => {
    await bench.origin()
    const token = String((await bench.ask('origin', ['token', 'create', '--site', 'berlin', '--ttl', '1s']))['token'])
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(await failure(['join', token], 'new')).toMatchObject({ code: 4, error: { code: 'TOKEN_EXPIRED' } })
  })

  it('is made at the origin only', async () => {
    await bench.origin()
    await bench.member('client', 'berlin')
    expect(await failure(['token', 'create', '--site', 'x'], 'client')).toMatchObject({
      code: 2,
      error: { code: 'NOT_ORIGIN' },
    })
    expect(await failure(['token', 'create', '--site', 'no good'], 'origin')).toMatchObject({
      code: 2,
      error: { code: 'TOKEN_OPTION_INVALID' },
    })
  })
})

describe('the command line', () => {
  it.each([
    ['an unknown command', ['publsh', 'x']],
    ['an unknown option', ['status', '--jsn']],
    ['a missing argument', ['publish']],
    ['a missing option', ['init']],
    ['a duration that is none', ['wait', '--state', 'applied', '--timeout', 'soon']],
    ['a token for no time', ['token', 'create', '--site', 'x', '--ttl', '0s']],
    ['an address that is none', ['run', '--bootstrap', 'junk']],
    ['a port that is none', ['run', '--listen', '/ip4/127.0.0.1/tcp/65536']],
  ])('%s exits with 2 and says what to write', async (_what, args) => {
    expect(await failure(args)).toMatchObject({ code: 2, error: { code: 'USAGE' } })
  })

  it.each([
    ['no command', ['--json'], 2],
    ['no command of a group', ['token', '--json'], 2],
    ['an unknown command', ['frobnicate', '--json'], 2],
    ['an unknown command behind the option', ['--json', 'frobnicate'], 2],
    ['a command behind the option', ['--json', 'status', '--home', '/nowhere'], 2],
    ['help', ['--help', '--json'], 0],
    ['help of a command', ['publish', '--help', '--json'], 0],
    ['the version', ['--version', '--json'], 0],
  ])('with --json stdout holds one document and nothing else: %s', async (_what, args, code) => {
    const { stdout, code: exited } = await bench.run(args)
    const [document, ...rest] = stdout
      .split('\n')
      .map((line) => (line === '' ? undefined : (JSON.parse(line) as object)))
    expect([exited, rest]).toEqual([code, [undefined]])
    const words = code === 0 ? /^(help|version)$/ : /^error$/
    expect(Object.keys(document ?? {})).toEqual([expect.stringMatching(words)])
    expect(stdout).not.toContain('unknown option')
  })

  it('what only a daemon or an origin can do says so', async () => {
    await bench.origin()
    await bench.member('client', 'berlin')
    expect(await failure(['apply', '--now'], 'client')).toMatchObject({ code: 2, error: { code: 'DAEMON_MISSING' } })
    expect(await failure(['fleet'], 'client')).toMatchObject({ code: 2, error: { code: 'NOT_ORIGIN' } })
    expect(await failure(['fleet', 'nobody'], 'origin')).toMatchObject({ code: 1, error: { code: 'DEVICE_UNKNOWN' } })
  })

  it('two devices of one name are told apart by their peer ids, never mixed into one answer', async () => {
    await bench.origin()
    const origin = await bench.daemon('origin')
    const peers: string[] = []
    for (const home of ['one', 'two']) {
      const site = `site-${home}`
      await bench.member(home, site, { addresses: [origin.address], join: ['--name', 'till'] })
      await bench.daemon(home)
      peers.push((await bench.status(home)).peerId)
    }
    await until('both have said hello', async () => {
      const { devices } = (await bench.ask('origin', ['fleet'])) as unknown as { devices: unknown[] }
      return devices.length === 2
    })
    const { code, error } = await failure(['fleet', 'till'], 'origin')
    expect([code, error.code]).toEqual([2, 'DEVICE_AMBIGUOUS'])
    for (const peer of peers) expect(error.message).toContain(peer)
    const { devices } = (await bench.ask('origin', ['fleet', String(peers[1])])) as unknown as { devices: object[] }
    expect(devices).toMatchObject([{ name: 'till', peerId: peers[1] }])
    const { stdout } = await bench.run(['fleet', '--home', bench.path('origin')])
    for (const peer of peers) expect(stdout).toContain(peer)
  }, 60_000)

  it('an answer that cannot be written is told, and one that nobody reads is not', async () => {
    const shell = promisify(execFile)
    const program = `${process.execPath} ${entry} init --help`
    await expect(shell('/bin/sh', ['-c', `${program} > /dev/full`])).rejects.toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/^grapevine: stdout: .*\[OUTPUT_FAILED\]\n {2}\S/) as string,
    })
    const { stderr } = await shell('/bin/bash', ['-c', `set -o pipefail; ${program} | true`])
    expect(stderr).toBe('')
  })

  it('a port in use is told with the address', async () => {
    await bench.origin()
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const { code, error } = await failure(['run', '--listen', `/ip4/127.0.0.1/tcp/${port}`], 'origin')
    server.close()
    expect([code, error.code]).toEqual([2, 'MESH_PORT_IN_USE'])
  })

  it('every command has help with an example, and waits end with 1 at their time', async () => {
    const help = await bench.run(['publish', '--help'])
    expect([help.code, help.stdout]).toEqual([0, expect.stringContaining('Example: grapevine publish')])
    await bench.origin()
    await bench.member('client', 'berlin')
    expect(await failure(['wait', '--state', 'applied', '--timeout', '1s'], 'client')).toMatchObject({
      code: 1,
      error: { code: 'WAIT_TIMEOUT' },
    })
    const future = await failure(['wait', '--state', 'applied', '--release', '9', '--timeout', '1s'], 'client')
    expect(future.error.message).toContain('release 9 has not come, the newest here is 0')
  })
})

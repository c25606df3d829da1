import { connect, createServer } from 'node:net'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Misconfigured, Negative, Refused, Unavailable } from '#base/errors.ts'
import { silentLog } from '#base/log.ts'
import { callDaemon, noDaemon } from '#node/control-client.ts'
import { ControlServer, type ControlHandler } from '#node/control-server.ts'

let folder: string
let server: ControlServer | undefined
const path = (): string => join(folder, 'control.sock')

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grapevine-control-'))
})
afterEach(async () => {
  await server?.close()
  server = undefined
  await rm(folder, { recursive: true, force: true })
})

const serve = async (handler: ControlHandler): Promise<void> => {
  server = await ControlServer.listen(path(), handler, silentLog)
}

/** Sends raw bytes, and returns all that comes back. */
const raw = (bytes: string): Promise<string> =>
  new Promise((resolve) => {
    let text = ''
    const socket = connect(path(), () => socket.write(bytes))
    socket.on('data', (data) => (text += data.toString()))
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })

describe('the control socket', () => {
  it('answers a command with progress and a result, and only its owner can open it', async () => {
    await serve((command, args, progress) => {
      progress('half')
      return Promise.resolve({ command, args })
    })
    const news: unknown[] = []
    const answer = await callDaemon({
      socket: path(),
      command: 'status',
      args: { a: 1 },
      onProgress: (what) => news.push(what),
    })
    expect([answer, news]).toEqual([{ command: 'status', args: { a: 1 } }, ['half']])
    expect((await stat(path())).mode & 0o777).toBe(0o600)
  })

  it.each([
    new Misconfigured('CONTROL_COMMAND_UNKNOWN', { message: 'No such command.', where: 'here', next: 'Restart.' }),
    new Negative('WAIT_TIMEOUT', { message: 'No.' }),
    new Unavailable('DISK_FULL', { message: 'Full.' }),
    new Refused('SEAL_INVALID', { message: 'Bad.' }),
  ])('throws the error of the daemon here as it was thrown there: %s', async (thrown) => {
    await serve(() => Promise.reject(thrown))
    const error = await callDaemon({ socket: path(), command: 'x' }).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(thrown.constructor)
    expect(error).toMatchObject({ code: thrown.code, message: thrown.message, where: thrown.where, next: thrown.next })
  })

  it('says that no daemon is there where nobody listens, also on a socket that a killed one left', async () => {
    expect(await callDaemon({ socket: path(), command: 'status' })).toBe(noDaemon)
    await serve(() => Promise.resolve(1))
    await server?.close()
    server = undefined
    expect(await callDaemon({ socket: path(), command: 'status' })).toBe(noDaemon)
  })

  it.each(['\n', 'hello\n', '[]\n', '{"command":7}\n', 'x'.repeat(100_000)])(
    'refuses what is no request: %#',
    async (bytes) => {
      await serve(() => Promise.resolve(1))
      expect(await raw(bytes)).toContain('CONTROL_REQUEST_INVALID')
    },
  )

  it('a mistake of ours in one command ends neither the daemon nor the next command', async () => {
    await serve((command) => (command === 'bad' ? Promise.reject(new TypeError('oops')) : Promise.resolve('fine')))
    await expect(callDaemon({ socket: path(), command: 'bad' })).rejects.toThrow('oops')
    expect(await callDaemon({ socket: path(), command: 'good' })).toBe('fine')
  })

  it('a client that goes away in the middle does no harm', async () => {
    await serve(() => new Promise((resolve) => setTimeout(() => resolve('late'), 50)))
    connect(path(), function (this: { destroy(): void; write(text: string): void }) {
      this.write('{"command":"x"}\n')
      setTimeout(() => this.destroy(), 10)
    })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await callDaemon({ socket: path(), command: 'x' })).toBe('late')
  })

  it('a daemon that ends before it answers is told as such', async () => {
    const deaf = createServer((socket) => socket.destroy())
    await new Promise<void>((resolve) => deaf.listen(path(), resolve))
    await expect(callDaemon({ socket: path(), command: 'x' })).rejects.toMatchObject({ code: 'DAEMON_GONE' })
    await new Promise((resolve) => deaf.close(resolve))
  })

  it('a socket that cannot be opened is told with its place', async () => {
    const nowhere = join(folder, 'missing', 'control.sock')
    await expect(ControlServer.listen(nowhere, () => Promise.resolve(1), silentLog)).rejects.toMatchObject({
      code: 'CONTROL_SOCKET_FAILED',
      where: nowhere,
    })
  })

  it('a path that is no socket to be reached is told apart from no daemon', async () => {
    await expect(callDaemon({ socket: '/proc/version/control.sock', command: 'x' })).rejects.toMatchObject({
      code: 'DAEMON_UNREACHABLE',
    })
  })
})

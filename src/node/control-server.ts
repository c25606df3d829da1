/**
 * The control socket of a running daemon: `HOME/control.sock`, mode 0600. One JSON line asks (`{command, args}`), JSON lines answer:
 * any number of `{progress}`, then one `{result}` or `{error}`. Only the owner of HOME can reach it, and still nothing that comes
 * over it may end the daemon.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { chmod, rm } from 'node:fs/promises'
import { GrapevineError, Misconfigured, messageOf, type ErrorDocument } from '#base/errors.ts'
import { isFields, own } from '#base/guard.ts'
import type { Log } from '#base/log.ts'

/** Carries out one command of another process. */
export type ControlHandler = (
  command: string,
  args: Readonly<Record<string, unknown>>,
  progress: (news: unknown) => void,
) => Promise<unknown>

const requestBytesMax = 65_536

export class ControlServer {
  readonly #server: Server
  readonly #path: string
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, path: string) {
    this.#server = server
    this.#path = path
  }

  /** Listens on `path`, replacing a socket that a killed daemon left: the caller holds the lock of HOME. */
  static async listen(path: string, handler: ControlHandler, log: Log): Promise<ControlServer> {
    await rm(path, { force: true })
    const server = createServer()
    const control = new ControlServer(server, path)
    server.on('connection', (socket) => {
      control.#sockets.add(socket)
      socket.on('close', () => control.#sockets.delete(socket))
      socket.on('error', () => socket.destroy())
      control.#serve(socket, handler, log)
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(
          new Misconfigured('CONTROL_SOCKET_FAILED', {
            message: `The control socket cannot be opened: ${messageOf(error)}.`,
            where: path,
            next: 'Check who owns the home folder, and that its path is on a local disk.',
            cause: error,
          }),
        ),
      )
      server.listen(path, resolve)
    })
    await chmod(path, 0o600)
    return control
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
    await rm(this.#path, { force: true })
  }

  #serve(socket: Socket, handler: ControlHandler, log: Log): void {
    let text = ''
    socket.setEncoding('utf8')
    socket.on('data', (data: string) => {
      text += data
      const end = text.indexOf('\n')
      if (end < 0 && text.length <= requestBytesMax) return
      socket.removeAllListeners('data')
      // Nothing more is expected, but reading on is how a vanished client is noticed.
      socket.resume()
      void this.#answer(socket, end < 0 ? '' : text.slice(0, end), handler, log)
    })
  }

  async #answer(socket: Socket, request: string, handler: ControlHandler, log: Log): Promise<void> {
    const say = (line: unknown): void => {
      if (!socket.destroyed) socket.write(`${JSON.stringify(line)}\n`)
    }
    try {
      const { command, args } = requestOf(request)
      say({ result: (await handler(command, args, (news) => say({ progress: news }))) ?? null })
    } catch (error) {
      if (!(error instanceof GrapevineError)) log.error('control.failed', { error, stack: (error as Error).stack })
      say({ error: errorDocument(error), exitCode: error instanceof GrapevineError ? error.exitCode : 70 })
    }
    socket.end()
  }
}

function requestOf(line: string): { command: string; args: Readonly<Record<string, unknown>> } {
  let request: unknown
  try {
    request = JSON.parse(line)
  } catch {
    request = undefined
  }
  const command = isFields(request) ? own(request, 'command') : undefined
  const args = isFields(request) ? own(request, 'args') : undefined
  if (typeof command !== 'string')
    throw new Misconfigured('CONTROL_REQUEST_INVALID', { message: 'The control socket was sent no command.' })
  return { command, args: isFields(args) ? args : {} }
}

/** What is printed of an error that may not be one of ours. */
function errorDocument(error: unknown): ErrorDocument {
  if (error instanceof GrapevineError) return error.toDocument()
  return { code: 'BUG', message: messageOf(error), where: null, next: 'This is our mistake: please report it.' }
}

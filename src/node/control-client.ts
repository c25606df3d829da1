/** Talks to the daemon that runs on a home, if one does. */
import { connect } from 'node:net'
import { Misconfigured, Negative, Refused, Unavailable, codeOf, type GrapevineError } from '#base/errors.ts'
import { assert } from '#base/assert.ts'
import { isFields, own, type Fields } from '#base/guard.ts'

export interface ControlCall {
  readonly socket: string
  readonly command: string
  readonly args?: Readonly<Record<string, unknown>>
  readonly onProgress?: (news: unknown) => void
}

/**
 * The daemon's answer, or `noDaemon` where none listens. The daemon's errors are thrown as they were thrown there;
 * Unavailable `DAEMON_GONE` where it ended before it answered.
 */
export async function callDaemon(call: ControlCall): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const socket = connect(call.socket)
  let text = ''
  let answered = false
  socket.setEncoding('utf8')
  socket.on('connect', () => socket.write(`${JSON.stringify({ command: call.command, args: call.args ?? {} })}\n`))
  socket.on('data', (data: string) => {
    text += data
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const line: unknown = JSON.parse(text.slice(0, end))
      text = text.slice(end + 1)
      if (!isFields(line)) continue
      if (own(line, 'progress') !== undefined) call.onProgress?.(line['progress'])
      else {
        answered = true
        const error = own(line, 'error')
        if (isFields(error)) reject(errorOf(error, line['exitCode']))
        else resolve(own(line, 'result'))
      }
    }
  })
  socket.on('error', (error) => {
    const code = codeOf(error) ?? ''
    if (['ENOENT', 'ECONNREFUSED', 'ENOTSOCK'].includes(code)) resolve(noDaemon)
    // It was there and is gone: `close` follows, and says so.
    else if (!['ECONNRESET', 'EPIPE'].includes(code))
      reject(
        new Unavailable('DAEMON_UNREACHABLE', {
          message: `The daemon cannot be asked: ${error.message}.`,
          where: call.socket,
          next: 'Run the command as the user that owns the home folder.',
          cause: error,
        }),
      )
  })
  socket.on('close', () => {
    if (!answered)
      reject(new Unavailable('DAEMON_GONE', { message: 'The daemon ended before it answered.', where: call.socket }))
  })
  return promise
}

/** No daemon listens. */
export const noDaemon = Symbol('no daemon')

const families = { 1: Negative, 2: Misconfigured, 3: Unavailable, 4: Refused } as const

function errorOf(error: Fields, exitCode: unknown): GrapevineError | Error {
  const text = {
    message: String(error['message']),
    ...(typeof error['where'] === 'string' && { where: error['where'] }),
    ...(typeof error['next'] === 'string' && { next: error['next'] }),
  }
  const Family = families[exitCode as keyof typeof families]
  if (Family) return new Family(String(error['code']), text)
  try {
    assert(false, text.message)
  } catch (bug) {
    return bug as Error
  }
}

/**
 * One command on one home, wherever it can be carried out: by the daemon that runs on it, else here, with the home opened and locked
 * for as long as the command takes.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { GrapevineError } from '#base/errors.ts'
import { controlSocketOf } from '#disk/home.ts'
import { callDaemon, noDaemon, type ControlCall } from './control-client.ts'
import { commands, type CommandName } from './commands.ts'
import { Session } from './session.ts'

export interface HomeCall extends Pick<ControlCall, 'args' | 'onProgress'> {
  readonly home: string
  readonly command: CommandName
}

/** A daemon holds the lock for a moment before its socket listens, and after it is closed. */
const tries = 20
const pauseMs = 150

/** The answer of a command. Errors as the command throws them, and those of opening a home. */
export async function callHome(call: HomeCall): Promise<unknown> {
  for (let left = tries; ; left--) {
    const answer = await callDaemon({ ...call, socket: controlSocketOf(call.home) })
    if (answer !== noDaemon) return answer
    let session: Session
    try {
      session = await Session.open(call.home)
    } catch (error) {
      if (!(error instanceof GrapevineError) || error.code !== 'HOME_LOCKED' || left === 0) throw error
      await sleep(pauseMs)
      continue
    }
    try {
      return await commands[call.command](session, call.args ?? {}, call.onProgress ?? (() => {}))
    } finally {
      await session.close()
    }
  }
}

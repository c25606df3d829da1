/** How a run ended that gives no results, as the error that the Engine contract names. */
import { Unavailable } from '#base/errors.ts'
import type { CommandResult } from './command.ts'

export interface Ended {
  /** The program that was run. */
  readonly tool: string
  /** Path of the policy that it ran. */
  readonly policy: string
  readonly timeoutMs: number
}

/** `exit code 2`, `ended by SIGBUS`. */
export const endOf = ({ exitCode, killedBy }: Pick<CommandResult, 'exitCode' | 'killedBy'>): string =>
  killedBy === undefined ? `exit code ${exitCode ?? 'none'}` : `ended by ${killedBy}`

/** Unavailable `ENGINE_TIMEOUT` or `ENGINE_STOPPED` where we ended it, else undefined. */
export function endedByUs({ tool, policy, timeoutMs }: Ended, result: CommandResult): Unavailable | undefined {
  if (result.timedOut)
    return new Unavailable('ENGINE_TIMEOUT', {
      message: `${tool} was ended after ${Math.round(timeoutMs / 1000)} s; what it had done so far stays.`,
      where: policy,
      next: 'Look for a command that waits, or allow more time.',
    })
  if (result.cancelled)
    return new Unavailable('ENGINE_STOPPED', {
      message: `${tool} was stopped before its end; what it had done so far stays.`,
      where: policy,
      next: 'It is applied again in the next window.',
    })
  return undefined
}

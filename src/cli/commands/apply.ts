/** `grapevine apply`: asks the daemon to apply what is prepared; with --now outside the window too. */
import { Misconfigured } from '#base/errors.ts'
import { callDaemon, noDaemon } from '#node/control-client.ts'
import { controlSocketOf } from '#disk/home.ts'
import { homeFolder } from '#node/config.ts'
import type { Action } from '../main.ts'

export const action: Action<{ now: boolean }> = async ({ home, output }, { now }) => {
  const answer = await callDaemon({ socket: controlSocketOf(homeFolder(home)), command: 'apply', args: { now } })
  if (answer === noDaemon)
    throw new Misconfigured('DAEMON_MISSING', {
      message: 'No daemon runs on this home, and it is the daemon that applies.',
      where: homeFolder(home),
      next: 'Start it with `grapevine run`.',
    })
  output.answer(answer, 'Asked. See `grapevine status`, or `grapevine wait --state applied`.')
  return 0
}

/** `grapevine apply`: asks the daemon to apply what is prepared; with --now outside the window too. 1 where all of it is paused. */
import { Misconfigured } from '#base/errors.ts'
import { callDaemon, noDaemon } from '#node/control-client.ts'
import { controlSocketOf } from '#disk/home.ts'
import type { ApplyDocument } from '#node/apply-now.ts'
import { homeFolder } from '#node/config.ts'
import type { Action } from '../main.ts'
import { pauseText } from '../pause-text.ts'

export const action: Action<{ now: boolean }> = async ({ home, output }, { now }) => {
  const answer = await callDaemon({ socket: controlSocketOf(homeFolder(home)), command: 'apply', args: { now } })
  if (answer === noDaemon)
    throw new Misconfigured('DAEMON_MISSING', {
      message: 'No daemon runs on this home, and it is the daemon that applies.',
      where: homeFolder(home),
      next: 'Start it with `grapevine run`.',
    })
  const { asked, paused } = answer as ApplyDocument
  const isAllPaused = asked.length === 0 && paused.length > 0
  output.answer(answer, [
    ...(isAllPaused ? [] : ['Asked. See `grapevine status`, or `grapevine wait --state applied`.']),
    ...paused.map((pause) => `not ${pause.name}: ${pauseText(pause, Date.now())}`),
  ])
  return isAllPaused ? 1 : 0
}

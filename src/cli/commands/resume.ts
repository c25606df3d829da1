/** `grapevine resume`: ends the pause of one bundle, or all pauses of this machine. */
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { PausesDocument } from '#node/pause.ts'
import type { Action } from '../main.ts'
import { pauseText } from '../pause-text.ts'

export const action: Action = async ({ home, output }, _options, [bundle]) => {
  const answer = (await callHome({
    home: homeFolder(home),
    command: 'resume',
    args: bundle === undefined ? {} : { bundle },
  })) as PausesDocument
  const lifted = answer.changed.map((pause) => `${pause.bundle ?? 'this machine'} is no longer paused`)
  output.answer(answer, [
    ...(lifted.length > 0 ? lifted : ['Nothing was paused.']),
    ...answer.pauses.map((pause) => `still ${pauseText(pause, Date.now())}`),
  ])
  return 0
}

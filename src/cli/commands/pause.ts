/** `grapevine pause`: leave this machine, or one bundle on it, alone until a time. */
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { PausesDocument } from '#node/pause.ts'
import type { Action } from '../main.ts'
import { pauseText } from '../pause-text.ts'

export const action: Action<{ until: number; reason: string }> = async (
  { home, output },
  { until, reason },
  [bundle],
) => {
  const answer = (await callHome({
    home: homeFolder(home),
    command: 'pause',
    args: { until, reason, ...(bundle !== undefined && { bundle }) },
  })) as PausesDocument
  output.answer(answer, [
    ...answer.changed.map((pause) => pauseText(pause, Date.now())),
    'What is meant for it is prepared all the same. grapevine resume ends it earlier.',
  ])
  return 0
}

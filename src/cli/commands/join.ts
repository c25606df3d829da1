/** `grapevine join`: makes this machine a member by its token alone; no server is asked. */
import { homeFolder } from '#node/config.ts'
import { joinFleet } from '#node/enrolment.ts'
import type { Action } from '../main.ts'
import { warmStart } from '../warm-start.ts'

export const action: Action<{ listen?: string[]; bootstrap?: string[]; name?: string }> = async (
  { home, output },
  { listen, bootstrap, name },
  [token = ''],
) => {
  const made = await joinFleet({ home: homeFolder(home), token, listen, bootstrap, name })
  output.answer(made, [
    `${made.name} is now ${made.role} of ${made.fleet}, site ${made.site}, until ${made.expires.slice(0, 10)}.`,
    'Next: grapevine run',
  ])
  await warmStart()
  return 0
}

/** `grapevine init`: makes an origin, its keys and its first signed release. */
import { homeFolder } from '#node/config.ts'
import { initOrigin } from '#node/origin-setup.ts'
import type { Action } from '../main.ts'
import { warmStart } from '../warm-start.ts'

export const action: Action<{ fleet: string; site: string; name?: string; listen?: string[] }> = async (
  { home, output },
  { fleet, site, name, listen },
) => {
  const made = await initOrigin({ home: homeFolder(home), fleet, site, name, listen })
  output.answer(made, [
    `Fleet ${fleet} has its origin in ${made.home}, release ${made.release}.`,
    `Keep a copy of ${made.home}/keys on another medium: whoever has them speaks for the fleet.`,
    'Next: grapevine publish DIR, grapevine token create --site NAME, grapevine run',
  ])
  await warmStart()
  return 0
}

/** `grapevine token list`: every token of the fleet, and how many devices joined with it. */
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { TokenListDocument } from '#node/token-desk.ts'
import type { Action } from '../main.ts'
import { agoText, table } from '../print.ts'

export const action: Action = async ({ home, output }) => {
  const list = (await callHome({ home: homeFolder(home), command: 'token-list' })) as TokenListDocument
  const now = Date.now()
  const rows = list.tokens.map(({ id, site, role, used, max, expires }) => [
    id,
    site ?? '?',
    role ?? '?',
    `${used} of ${max}${used > max ? ', too many' : ''}`,
    expires === null ? '?' : agoText(Date.parse(expires), now),
  ])
  const empty = 'No token was made here yet: grapevine token create --site NAME.'
  output.answer(list, rows.length === 0 ? empty : table(['TOKEN', 'SITE', 'ROLE', 'JOINED', 'EXPIRES'], rows))
  return 0
}

/** `grapevine why`: the ledger of this member's line, by content. */
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { WhyDocument } from '#node/status.ts'
import type { Action } from '../main.ts'
import { sizeText, table } from '../print.ts'

export const action: Action = async ({ home, output }) => {
  const why = (await callHome({ home: homeFolder(home), command: 'why' })) as WhyDocument
  const rows = why.contents.map((entry) => [
    entry.content.slice(0, 12),
    entry.bundle ?? '',
    sizeText(entry.downBytes),
    sizeText(entry.upBytes),
    sizeText(entry.duplicateBytes),
  ])
  output.answer(why, [
    `Since the daemon started: ${sizeText(why.downBytes)} down, ${sizeText(why.upBytes)} up, control messages ${sizeText(why.controlBytes)}.`,
    ...(rows.length > 0 ? ['', ...table(['CONTENT', 'BUNDLE', 'DOWN', 'UP', 'TWICE'], rows)] : []),
  ])
  return 0
}

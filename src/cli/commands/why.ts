/** `grapevine why`: where the bytes on this member's line went: contents by name, control messages by kind, and what came in vain. */
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { WhyContent, WhyDocument } from '#node/why.ts'
import type { Action } from '../main.ts'
import { sizeText, table } from '../print.ts'

/** Lines for people; `--json` has them all. */
const linesMax = 20

export const action: Action<{ content?: string }> = async ({ home, output }, { content }) => {
  const args = content === undefined ? {} : { content: content.toLowerCase() }
  const why = (await callHome({ home: homeFolder(home), command: 'why', args })) as WhyDocument
  const [only] = why.contents
  output.answer(why, content === undefined || !only ? whyText(why) : contentText(only))
  return 0
}

export function whyText(why: WhyDocument): string[] {
  const { since, downBytes, upBytes, neededBytes, factor, duplicateBytes, contents, control, older } = why
  const shown = contents.slice(0, linesMax)
  const rest = contents.slice(linesMax)
  const lines = shown.map((entry) => lineOf(entry.content.slice(0, 12), entry.name ?? 'of an earlier release', entry))
  if (rest.length > 0) lines.push(lineOf('', `${rest.length} more contents`, sumOf(rest)))
  if (older.contents > 0) lines.push(lineOf('', `${older.contents} older contents`, older))
  for (const entry of control)
    if (entry.downBytes + entry.upBytes > 0) lines.push(lineOf('', `messages: ${entry.kind}`, entry))
  lines.push(lineOf('', 'all', why))
  const times = factor === null ? '' : `, ${factor} times the ${sizeText(neededBytes)} needed`
  const vain = duplicateBytes === 0 ? 'nothing came twice' : `${sizeText(duplicateBytes)} in vain (${reasonsText(why)})`
  return [
    `Over the line since ${since.slice(0, 16).replace('T', ' ')} UTC: ${sizeText(downBytes)} down${times}; ${sizeText(upBytes)} up; ${vain}.`,
    '',
    ...table(['DOWN', 'UP', 'IN VAIN', 'CONTENT', 'WHAT'], lines),
  ]
}

function contentText(entry: WhyContent): string[] {
  const { content, name, downBytes, upBytes, duplicateBytes, peers } = entry
  const said = [content, name ?? 'of an earlier release']
  if (downBytes + upBytes === 0)
    return [...said, 'Nothing of it crossed the line here: it came from neighbours, or was made here.']
  const vain = duplicateBytes === 0 ? '' : `, ${sizeText(duplicateBytes)} of it in vain (${reasonsText(entry)})`
  const rows = peers.map((peer) => [
    sizeText(peer.downBytes),
    sizeText(peer.upBytes),
    sizeText(peer.duplicateBytes),
    peer.site ?? '',
    peer.name ?? peer.peerId ?? 'others',
  ])
  return [
    ...said,
    `${sizeText(downBytes)} down, ${sizeText(upBytes)} up${vain}`,
    '',
    ...table(['DOWN', 'UP', 'IN VAIN', 'SITE', 'PEER'], rows),
  ]
}

interface Line {
  readonly downBytes: number
  readonly upBytes: number
  readonly duplicateBytes: number
}

const lineOf = (content: string, what: string, { downBytes, upBytes, duplicateBytes }: Line): string[] => [
  sizeText(downBytes),
  sizeText(upBytes),
  sizeText(duplicateBytes),
  content,
  what,
]

function sumOf(lines: readonly Line[]): Line {
  const sum = { downBytes: 0, upBytes: 0, duplicateBytes: 0 }
  for (const { downBytes, upBytes, duplicateBytes } of lines) {
    sum.downBytes += downBytes
    sum.upBytes += upBytes
    sum.duplicateBytes += duplicateBytes
  }
  return sum
}

const words: Record<string, string> = {
  already: 'here already',
  wrong: 'wrong bytes',
  unstored: 'could not be stored',
  'lease-expired': 'lease expired',
}

const reasonsText = ({ duplicates }: { readonly duplicates: Readonly<Record<string, number>> }): string =>
  Object.entries(duplicates)
    .map(([reason, bytes]) => `${words[reason] ?? reason} ${sizeText(bytes)}`)
    .join(', ')

/** `grapevine facts`: what this machine says of itself to the origin, when it said so, and what that takes on the line. */
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { FactsDocument } from '#node/self-portrait.ts'
import type { Action } from '../main.ts'
import { agoText, sizeText } from '../print.ts'
import { factLines } from './fact-lines.ts'

export const action: Action = async ({ home, output }) => {
  const document = (await callHome({ home: homeFolder(home), command: 'facts' })) as FactsDocument
  output.answer(document, factsText(document, Date.now()))
  return 0
}

export function factsText({ facts, machine, packages, reported, told, bytes }: FactsDocument, now: number): string[] {
  return [
    ...factLines(facts),
    ...(machine ? factLines(machine) : []),
    `packages: ${packages.length} (the list: grapevine facts --json)`,
    '',
    reported.at === null
      ? 'Nothing was reported yet.'
      : `Report ${reported.number} was made ${agoText(Date.parse(reported.at), now)}; the origin ${reported.received ? 'has' : 'does not have'} it.`,
    told.underWay
      ? 'Facts or packages are on their way to the origin.'
      : told.inventory > 0
        ? `The origin has all of this, the packages by report ${told.inventory}.`
        : 'The origin has no list of packages from here yet.',
    `On the line: ${sizeText(bytes.first)} to say all of this once, ${sizeText(bytes.quiet)} on a day without news.`,
  ]
}

/** `grapevine drift`: does what is applied here still look as wanted; exits 0 where it does, 1 where something differs. */
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { DriftDocument } from '#node/drift.ts'
import type { Action } from '../main.ts'
import { agoText } from '../print.ts'
import { findingTable, repairTable } from '../watched-text.ts'

export const action: Action<{ last?: boolean }> = async ({ home, output }, { last }, [bundle]) => {
  const answer = (await callHome({
    home: homeFolder(home),
    command: 'drift',
    args: { ...(bundle !== undefined && { bundle }), last: last === true },
    onProgress: (news) => output.progress(String(news)),
  })) as DriftDocument
  output.answer(answer, driftText(answer, Date.now()))
  // A look that failed says nothing of drift: that is no 0.
  return answer.drift.length > 0 ? 1 : answer.failed.length > 0 ? 3 : 0
}

function driftText({ drift, repaired, bundles, failed }: DriftDocument, now: number): string[] {
  const looked = bundles.filter(({ lookedAt }) => lookedAt !== null)
  const lines =
    bundles.length + failed.length === 0
      ? ['No bundle is applied here.']
      : drift.length > 0
        ? findingTable(drift, now)
        : looked.length > 0
          ? [
              `As wanted: ${looked.map(({ name, lookedAt }) => `${name} (looked at ${agoText(Date.parse(lookedAt ?? ''), now)})`).join(', ')}`,
            ]
          : []
  const never = bundles.filter(({ lookedAt }) => lookedAt === null).map(({ name }) => name)
  return [
    ...lines,
    ...(never.length > 0 ? [`Never looked at: ${never.join(', ')}`] : []),
    ...(repaired.length > 0 ? ['', 'Mended within the last week:', ...repairTable(repaired, now)] : []),
    ...failed.map(
      ({ bundle, code, message, next }) => `${bundle}: ${message} [${code}]${next === null ? '' : ` ${next}`}`,
    ),
  ]
}

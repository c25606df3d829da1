/** `grapevine publish`: from policy folders to a signed release; a daemon on the same home seeds it at once. */
import { resolve } from 'node:path'
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { PublishDocument } from '#node/publish.ts'
import { formatProblem } from '#policy/problem.ts'
import type { Action } from '../main.ts'
import { sizeText } from '../print.ts'

export const action: Action<{ urgent: boolean }> = async ({ home, output }, { urgent }, dirs) => {
  const answer = (await callHome({
    home: homeFolder(home),
    command: 'publish',
    args: { dirs: dirs.map((dir) => resolve(dir)), urgent },
    onProgress: (news) => output.progress(String(news)),
  })) as PublishDocument
  if (answer.problems.length > 0) {
    output.answer(
      answer,
      answer.problems.map((problem) => formatProblem(problem)),
    )
    return 1
  }
  output.answer(
    answer,
    answer.bundles.map((bundle) =>
      bundle.changed
        ? `${bundle.name} version ${bundle.version}${bundle.urgent ? ' (urgent)' : ''}: ${bundle.files} files, ${sizeText(bundle.bytes)}, ${sizeText(bundle.newBytes)} new, in release ${answer.release}`
        : `${bundle.name} version ${bundle.version}: unchanged, release ${answer.release} stays`,
    ),
  )
  return 0
}

/** `grapevine check`: every error of a policy folder at its place; exit 1 where there is one. Needs no home. */
import { checkFolder } from '#node/check.ts'
import { formatProblem } from '#policy/problem.ts'
import type { Action } from '../main.ts'

export const action: Action = async ({ output }, _options, dirs) => {
  const checked = []
  for (const dir of dirs) checked.push(await checkFolder(dir))
  const problems = checked.flatMap((folder) => folder.problems)
  const document = {
    ok: problems.length === 0,
    policies: checked.map(({ dir, policy }) => ({
      dir,
      name: policy?.name ?? null,
      resources: policy?.resources.length ?? null,
    })),
    problems,
  }
  const good = checked.map(
    ({ dir, policy }) => `${dir}: ${policy?.name ?? ''}: ok, ${policy?.resources.length ?? 0} resources`,
  )
  output.answer(document, problems.length > 0 ? problems.map((problem) => formatProblem(problem)) : good)
  return problems.length > 0 ? 1 : 0
}

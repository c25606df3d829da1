/**
 * `grapevine check`: every error of policy folders at its place, each for itself and beside each other; exit 1 where there is one. With
 * `--for` also which of them a machine would get, and why not the others. Needs no home, but for a device that is known by its report.
 */
import { checkFolders } from '#node/check.ts'
import { meantFor, type MeantPolicy } from '#node/dry-run.ts'
import { mismatchText } from '#policy/mismatch.ts'
import { formatProblem } from '#policy/problem.ts'
import type { Action } from '../main.ts'

export const action: Action<{ for?: string }> = async ({ home, output }, { for: whom }, dirs) => {
  const checked = await checkFolders(dirs)
  const problems = checked.flatMap((folder) => folder.problems)
  const warnings = checked.flatMap((folder) => folder.warnings)
  const dry = whom === undefined ? undefined : await meantFor(whom, home, checked)
  const document = {
    ok: problems.length === 0,
    policies: checked.map(({ dir, policy }) => ({
      dir,
      name: policy?.name ?? null,
      resources: policy?.resources.length ?? null,
    })),
    problems,
    warnings,
    ...(dry && { for: dry }),
  }
  const good = checked.map(
    ({ dir, policy }) => `${dir}: ${policy?.name ?? ''}: ok, ${policy?.resources.length ?? 0} resources`,
  )
  output.answer(document, [
    ...(problems.length > 0 ? problems.map((problem) => formatProblem(problem)) : good),
    ...warnings.map((warning) => `warning: ${formatProblem(warning)}`),
    ...(dry ? ['', ...dry.policies.map((policy) => lineOf(dry.device.name, policy))] : []),
  ])
  return problems.length > 0 ? 1 : 0
}

const lineOf = (device: string, { name, meant, mismatches }: MeantPolicy): string =>
  meant
    ? `${name}: meant for ${device}`
    : `${name}: not meant for ${device}: ${mismatches.map((mismatch) => mismatchText(mismatch)).join('; ')}`

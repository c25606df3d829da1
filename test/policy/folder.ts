/** A policy folder in memory, for tests. */
import { parsePolicy } from '#policy/parse.ts'
import type { PolicyFiles } from '#policy/parse.ts'
import type { Policy } from '#policy/model.ts'
import type { Problem } from '#policy/problem.ts'
import { formatProblem } from '#policy/problem.ts'

export const folder = (files: Readonly<Record<string, string>>): PolicyFiles => ({
  has: (path) => (Object.hasOwn(files, path) ? Buffer.byteLength(files[path] ?? '') : undefined),
  text: (path) => (Object.hasOwn(files, path) ? files[path] : undefined),
})

/** The policy, where the text has no problem; else the test ends with them. */
export function parsed(text: string, files: Readonly<Record<string, string>> = {}): Policy {
  const { policy, problems } = parsePolicy(text, folder(files))
  if (!policy) throw new TypeError(problems.map((problem) => formatProblem(problem)).join('\n'))
  return policy
}

export function problemsOf(text: string, files: Readonly<Record<string, string>> = {}): Problem[] {
  return parsePolicy(text, folder(files)).problems
}

/** `CODE LINE:COLUMN` of each problem. */
export function found(text: string, files: Readonly<Record<string, string>> = {}): string[] {
  return problemsOf(text, files).map(({ code, line, column }) => `${code} ${line}:${column}`)
}

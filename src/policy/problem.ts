/** One thing that is wrong in a policy folder: where, what, and what to write instead. Never thrown: a check finds them all. */

export interface Problem {
  /** Path in the policy folder: `policy.yaml`, `files/issue.net.mustache`. */
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 units. */
  readonly column: number
  /** Stable code of docs/errors.md. */
  readonly code: PolicyCode
  /** One sentence about what is wrong. */
  readonly message: string
  /** One sentence about what to write instead. */
  readonly next?: string
}

export type PolicyCode =
  | 'COMPILE_TEXT_UNSUPPORTED'
  | 'POLICY_ALIAS_BOMB'
  | 'POLICY_BUNDLES_CONFLICT'
  | 'POLICY_EMPTY'
  | 'POLICY_FILE_EMPTY'
  | 'POLICY_FILE_MISSING'
  | 'POLICY_KEY_UNKNOWN'
  | 'POLICY_KIND_UNKNOWN'
  | 'POLICY_PATH_LEAVES'
  | 'POLICY_PATH_NOT_ABSOLUTE'
  | 'POLICY_RESOURCE_CONFLICT'
  | 'POLICY_TEMPLATE_INVALID'
  | 'POLICY_TOO_LARGE'
  | 'POLICY_VALUE_INVALID'
  | 'POLICY_WINDOW_INVALID'
  | 'POLICY_WINDOW_NEVER'
  | 'POLICY_YAML_INVALID'
  | 'TREE_PATH'
  | 'TREE_SPECIAL'
  | 'TREE_SYMLINK'
  | 'TREE_TOO_LARGE'
  | 'TREE_UNREADABLE'

/** `FILE:LINE:COLUMN: message next`, one line, the file below `folder` where one is given. */
export function formatProblem(problem: Problem, folder?: string): string {
  const file = folder === undefined ? problem.file : `${folder.replace(/\/+$/, '')}/${problem.file}`
  const next = problem.next === undefined ? '' : ` ${problem.next}`
  // Texts of the policy are quoted in messages: none may begin a line of its own, or steer the terminal.
  return `${file}:${problem.line}:${problem.column}: ${problem.message}${next}`.replaceAll(/\p{Cc}+/gu, ' ')
}

/** Order for people: policy.yaml first, then the other files by name, each from top to bottom. */
export function byPosition(a: Problem, b: Problem): number {
  if (a.file !== b.file) {
    if (a.file === policyFile) return -1
    if (b.file === policyFile) return 1
    return a.file < b.file ? -1 : 1
  }
  return a.line - b.line || a.column - b.column
}

export const policyFile = 'policy.yaml'

/** Checks a policy folder as it will be published: its tree, its policy, and that every engine it names can carry it out. */
import { join, relative } from 'node:path'
import { Misconfigured, type Negative } from '#base/errors.ts'
import { readIfThere } from '#disk/atomic.ts'
import { readTree, type Tree } from '#disk/tree.ts'
import { unsupportedBy } from '#policy/compile/compile.ts'
import type { Policy } from '#policy/model.ts'
import { parsePolicy, type PolicyFiles } from '#policy/parse.ts'
import { conflictProblems, neverOpening, type PlacedPolicy } from '#policy/across.ts'
import { byPosition, policyFile, type PolicyCode, type Problem } from '#policy/problem.ts'
import { realTime } from './clock.ts'

export interface CheckedFolder {
  readonly dir: string
  readonly tree: Tree
  /** The text of its policy. */
  readonly text: string
  /** Only where there is no problem. */
  readonly policy: Policy | undefined
  /** `file` begins with the folder as it was given. */
  readonly problems: readonly Problem[]
  /** What is no fault, and probably a mistake. */
  readonly warnings: readonly Problem[]
}

/** Texts that a policy can name: templates, calendars. Larger files are told as having no text. */
const textBytesMax = 1_048_576

/** Everything that is wrong with a folder. Misconfigured `TREE_NOT_FOUND` or `POLICY_MISSING` where it is none. */
async function checkFolder(dir: string): Promise<CheckedFolder> {
  const tree = await readTree(dir)
  const bytes = await readIfThere(join(dir, policyFile))
  if (!bytes)
    throw new Misconfigured('POLICY_MISSING', {
      message: 'This folder holds no policy.yaml.',
      where: dir,
      next: 'Name the folder of a policy; docs/policy.md shows one.',
    })
  const files = await policyFiles(dir, tree)
  const text = new TextDecoder().decode(bytes)
  const { policy, problems } = parsePolicy(text, files)
  const found = [
    ...tree.faults.map((fault) => uncarried(dir, fault)),
    ...problems,
    ...emptyPackages(tree),
    ...(policy ? unsupportedBy(policy) : []),
  ]
  return {
    dir,
    tree,
    text,
    policy: found.length === 0 ? policy : undefined,
    problems: found.sort(byPosition).map((problem) => ({ ...problem, file: join(dir, problem.file) })),
    warnings: policy
      ? neverOpening(policy, text, realTime()).map((one) => ({ ...one, file: join(dir, one.file) }))
      : [],
  }
}

/** The files of a folder as the parser may see them: small texts are read beforehand, since the parser cannot wait. */
export async function policyFiles(dir: string, tree: Tree): Promise<PolicyFiles> {
  const sizes = new Map(tree.files.map((file) => [file.path, file.size]))
  const texts = new Map<string, string>()
  for (const file of tree.files) {
    if (file.size > textBytesMax || file.path.startsWith('packages/')) continue
    const bytes = await readIfThere(join(dir, file.path))
    const text = bytes && decode(bytes)
    if (text !== undefined) texts.set(file.path, text)
  }
  return { has: (path) => sizes.get(path), text: (path) => texts.get(path) }
}

/** Checks folders each for itself, and those that are sound against each other. */
export async function checkFolders(
  dirs: readonly string[],
  progress = (_dir: string): void => {},
): Promise<CheckedFolder[]> {
  const checked: CheckedFolder[] = []
  for (const dir of dirs) {
    progress(dir)
    checked.push(await checkFolder(dir))
  }
  const sound = placed(checked)
  const conflicts = sound.flatMap((later, index) =>
    sound.slice(0, index).flatMap((earlier) => conflictProblems(earlier, later)),
  )
  return checked.map((folder) => {
    const own = conflicts.filter(({ file }) => file === join(folder.dir, policyFile))
    return own.length === 0 ? folder : { ...folder, policy: undefined, problems: [...folder.problems, ...own] }
  })
}

/** What sound folders would undo of these policies, and they of them. */
export const conflictsWith = (others: readonly PlacedPolicy[], checked: readonly CheckedFolder[]): Problem[] =>
  placed(checked).flatMap((later) => others.flatMap((earlier) => conflictProblems(earlier, later)))

const placed = (checked: readonly CheckedFolder[]): PlacedPolicy[] =>
  checked.flatMap(({ dir, text, policy }) => (policy ? [{ where: join(dir, policyFile), text, policy }] : []))

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function uncarried(dir: string, { code, where = dir, message, next }: Negative): Problem {
  const problem = { file: relative(dir, where), line: 1, column: 1, code: code as PolicyCode, message }
  return next === undefined ? problem : { ...problem, next }
}

function emptyPackages(tree: Tree): Problem[] {
  return tree.files
    .filter((file) => file.size === 0 && /^packages\/[^/]+\.(?:rpm|deb)$/.test(file.path))
    .map((file) => ({
      file: file.path,
      line: 1,
      column: 1,
      code: 'POLICY_FILE_EMPTY',
      message: 'This package is empty: its download or copy failed.',
      next: 'Copy it again.',
    }))
}

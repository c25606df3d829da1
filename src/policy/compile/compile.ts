/**
 * Which compilers there are, and what of a policy none of the engines that it names can carry out. A known word of the language
 * without a compiler (`ansible`, `puppet`) is told at `check`; it must never surprise at apply.
 */
import { cfengineCompiler } from './cfengine.ts'
import { pretendCompiler } from './pretend.ts'
import type { Compiler, CompilerName } from './compiler.ts'
import type { EngineChoice, Policy } from '../model.ts'
import { policyFile, type Problem } from '../problem.ts'

const compilers: readonly Compiler[] = [cfengineCompiler, pretendCompiler]

/** The compiler of an engine, or undefined where it is not built yet. */
export function compilerFor(engine: string): Compiler | undefined {
  return compilers.find((compiler) => compiler.engine === engine)
}

/** The engines that a policy may be applied by, best first; empty where none of them has a compiler. */
export function enginesOf(choice: EngineChoice): CompilerName[] {
  return choice === 'auto' || choice === 'cfengine' ? ['cfengine'] : []
}

/** Everything of a policy that its engines cannot carry out, for `check`. Positions are those of the file as a whole. */
export function unsupportedBy(policy: Policy): Problem[] {
  const place = { file: policyFile, line: 1, column: 1 }
  const engines = enginesOf(policy.engine)
  if (engines.length === 0)
    return [
      {
        ...place,
        code: 'COMPILE_ENGINE_UNSUPPORTED',
        message: `This version has no compiler for ${policy.engine} yet.`,
        next: 'Write engine: cfengine, or leave it out.',
      },
    ]
  return engines.flatMap((engine) =>
    (compilerFor(engine)?.unsupported(policy) ?? []).map(({ resource, message }) => ({
      ...place,
      code: 'COMPILE_TEXT_UNSUPPORTED' as const,
      message: `${resource}: ${message}`,
      next: `Write it without that, or choose an engine other than ${engine}.`,
    })),
  )
}

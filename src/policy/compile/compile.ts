/**
 * Which compilers there are, one for each engine of the language, and what of a policy the engines that it names cannot carry out. Where the
 * policy leaves the engine open, a text that one of them cannot say is told at `check`: nobody knows at the origin which of them a device
 * has, and it must never surprise there.
 */
import { ansibleCompiler } from './ansible.ts'
import { cfengineCompiler } from './cfengine.ts'
import { pretendCompiler } from './pretend.ts'
import { puppetCompiler } from './puppet.ts'
import type { Compiler, CompilerName, Unsupported } from './compiler.ts'
import type { EngineChoice, Policy } from '../model.ts'
import { policyFile, type Problem } from '../problem.ts'

/** Best first: the order in which a device takes them, as in node/engine-set.ts. */
const compilers: readonly Compiler[] = [cfengineCompiler, ansibleCompiler, puppetCompiler]

/** The compiler of an engine, or undefined where there is none of this name. */
export function compilerFor(engine: string): Compiler | undefined {
  return [...compilers, pretendCompiler].find((compiler) => compiler.engine === engine)
}

/** The engines that a policy may be applied by, best first. */
export function enginesOf(choice: EngineChoice): CompilerName[] {
  return allowedBy(choice).map(({ engine }) => engine)
}

/** Everything of a policy that one of its engines cannot carry out, for `check`. Positions are those of the file as a whole. */
export function unsupportedBy(policy: Policy): Problem[] {
  const place = { file: policyFile, line: 1, column: 1 }
  return faultsOf(policy, allowedBy(policy.engine)).map(({ resource, message, engines }) => {
    const able = compilers.filter(({ engine }) => !engines.has(engine)).map(({ engine }) => engine)
    return {
      ...place,
      code: 'COMPILE_TEXT_UNSUPPORTED' as const,
      message: `${resource}: ${message}`,
      next: `Write it without that${able.length > 0 ? `, or name an engine that can: ${able.join(', ')}` : ''}.`,
    }
  })
}

const allowedBy = (choice: EngineChoice): readonly Compiler[] =>
  compilers.filter(({ engine }) => choice === 'auto' || choice === engine)

interface Fault extends Unsupported {
  /** All the engines that have it. */
  readonly engines: Set<CompilerName>
}

/** One for each message, in the order of the policy; several engines may have the same. */
function faultsOf(policy: Policy, allowed: readonly Compiler[]): Fault[] {
  const faults: Fault[] = []
  for (const compiler of compilers)
    for (const { resource, message } of compiler.unsupported(policy)) {
      const same = faults.find((fault) => fault.resource === resource && fault.message === message)
      if (same) same.engines.add(compiler.engine)
      else faults.push({ resource, message, engines: new Set([compiler.engine]) })
    }
  const place = new Map(policy.resources.map(({ id }, index) => [id, index]))
  return faults
    .filter(({ engines }) => allowed.some(({ engine }) => engines.has(engine)))
    .sort((a, b) => (place.get(a.resource) ?? 0) - (place.get(b.resource) ?? 0))
}

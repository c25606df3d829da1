/**
 * The compiler contract: from what is wanted to the policy of one engine. Compilers are pure and total over what `unsupported`
 * lets pass; they never read a file, so bundles carry no compiled code and two devices with equal facts compile equal files.
 */
import type { CompiledFile, EngineChoice, Policy, RenderedPolicy } from '../model.ts'

/** Engines that may have a compiler. `pretend` is the scratch folder of the demo and the tests. */
export type CompilerName = Exclude<EngineChoice, 'auto'> | 'pretend'

/** In the folder that GRAPEVINE_SCRATCH names, once the window closed: no resource is begun any more. */
export const closedFile = 'closed'

/** Something that the engine cannot say, by the id of its resource. */
export interface Unsupported {
  readonly resource: string
  /** One sentence. */
  readonly message: string
}

export interface Compiler {
  readonly engine: CompilerName
  /** Files for `compiled/<engine>/`. Negative `COMPILE_TEXT_UNSUPPORTED` where a text came out such that the engine cannot say it. */
  compile(policy: RenderedPolicy): CompiledFile[]
  /** What can be known to fail before the device fills its facts in. */
  unsupported(policy: Policy): Unsupported[]
}

/** Chooses the engine that applies a policy: the best of those that are installed here. */
import type { EngineChoice } from '#policy/model.ts'
import type { Engine } from './engine.ts'

/** `engines` are best first; undefined where none that the policy allows is installed. */
export async function chooseEngine(choice: EngineChoice, engines: readonly Engine[]): Promise<Engine | undefined> {
  for (const engine of engines)
    if ((choice === 'auto' || choice === engine.name) && (await engine.version()) !== undefined) return engine
  return undefined
}

/** Chooses the engine that applies a policy: the best of those that are installed here. */
import { Unavailable } from '#base/errors.ts'
import type { EngineChoice } from '#policy/model.ts'
import type { Engine } from './engine.ts'

/** `engines` are best first; undefined where none that the policy allows is installed. */
export async function chooseEngine(choice: EngineChoice, engines: readonly Engine[]): Promise<Engine | undefined> {
  for (const engine of engines)
    if ((choice === 'auto' || choice === engine.name) && (await engine.version()) !== undefined) return engine
  return undefined
}

/** What installs each. */
const packages: Readonly<Record<EngineChoice, string>> = {
  auto: 'cfengine3',
  cfengine: 'cfengine3',
  ansible: 'ansible-core',
  puppet: 'puppet-agent',
}

/** The same; Unavailable `ENGINE_MISSING` where there is none, with what to install. */
export async function installedEngine(choice: EngineChoice, engines: readonly Engine[]): Promise<Engine> {
  const engine = await chooseEngine(choice, engines)
  if (engine) return engine
  throw new Unavailable('ENGINE_MISSING', {
    message:
      choice === 'auto' ? 'No configuration-management tool is installed here.' : `${choice} is not installed here.`,
    next: `Install it: apt-get install ${packages[choice]}.`,
  })
}

/** The engines that this program knows, and which of them are installed here. */
import { CfengineEngine } from '#engines/cfengine.ts'
import type { Engine, EngineName } from '#engines/engine.ts'
import { PretendEngine } from '#engines/pretend.ts'
import type { Config } from './config.ts'

/** Best first. The pretend engine is one of them only where the demo's configuration names its scratch folder. */
export function enginesOf(config: Config): Engine[] {
  const { pretendRoot } = config.engine
  return pretendRoot === undefined ? [new CfengineEngine()] : [new PretendEngine(pretendRoot)]
}

export async function installedEngines(): Promise<EngineName[]> {
  const engine = new CfengineEngine()
  return (await engine.version()) === undefined ? [] : [engine.name]
}

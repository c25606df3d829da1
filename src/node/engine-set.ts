/** The engines that this program knows, and which of them are installed here. */
import { CfengineEngine } from '#engines/cfengine.ts'
import type { Engine, EngineName } from '#engines/engine.ts'
import { PretendEngine } from '#engines/pretend.ts'
import type { Config } from './config.ts'

/** Best first. The pretend engine is one of them only where the demo's configuration names its scratch folder. */
export function enginesOf(config: Config): Engine[] {
  const { pretendRoot } = config.engine
  return pretendRoot === undefined ? [new CfengineEngine(programFolders())] : [new PretendEngine(pretendRoot)]
}

export async function installedEngines(): Promise<EngineName[]> {
  const engine = new CfengineEngine(programFolders())
  return (await engine.version()) === undefined ? [] : [engine.name]
}

/** $GRAPEVINE_ENGINE_PATH, folders with colons between them, instead of the usual ones: for tools that were installed elsewhere. */
function programFolders(): readonly string[] | undefined {
  const folders = process.env['GRAPEVINE_ENGINE_PATH']
  return folders === undefined || folders === '' ? undefined : folders.split(':')
}

/** The engines that this program knows, and which of them are installed here. */
import { AnsibleEngine } from '#engines/ansible.ts'
import { CfengineEngine } from '#engines/cfengine.ts'
import type { Engine, EngineName } from '#engines/engine.ts'
import { PretendEngine } from '#engines/pretend.ts'
import { PuppetEngine } from '#engines/puppet.ts'
import type { Config } from './config.ts'

/** Best first, in the order of policy/compile/compile.ts. */
const kinds = [CfengineEngine, AnsibleEngine, PuppetEngine] as const

/** Best first. The pretend engine is one of them only where the demo's configuration names its scratch folder. */
export function enginesOf(config: Config): Engine[] {
  const { pretendRoot } = config.engine
  return pretendRoot === undefined ? known() : [new PretendEngine(pretendRoot)]
}

/** Asks this one alone: the others take up to a second to tell their version. */
export async function isInstalled(name: EngineName): Promise<boolean> {
  return (
    (await known()
      .find((engine) => engine.name === name)
      ?.version()) !== undefined
  )
}

function known(): Engine[] {
  const folders = programFolders()
  return kinds.map((Kind) => new Kind(folders))
}

/** $GRAPEVINE_ENGINE_PATH, folders with colons between them, instead of the usual ones: for tools that were installed elsewhere. */
function programFolders(): readonly string[] | undefined {
  const folders = process.env['GRAPEVINE_ENGINE_PATH']
  return folders === undefined || folders === '' ? undefined : folders.split(':')
}

/**
 * `grapevine tuf`: a plain TUF client for any repository over HTTP. Needs no home. Its exit code is 0 or 1 and nothing else, which is
 * what programs that test or call TUF clients rely on.
 */
import { GrapevineError, Misconfigured } from '#base/errors.ts'
import { TufClient } from '../tuf/tuf-client.ts'
import type { Action, Call } from '../main.ts'

interface Given extends Record<string, unknown> {
  readonly metadataDir?: string
  readonly metadataUrl?: string
  readonly targetName?: readonly string[]
  readonly targetDir?: string
  readonly targetBaseUrl?: string
}

export const action: Action<Given> = async (call, options, [verb = '', ...rest]) => {
  try {
    await carryOut(call, options, verb, rest)
    return 0
  } catch (error) {
    if (!(error instanceof GrapevineError)) throw error
    call.output.error(error)
    return 1
  }
}

async function carryOut({ output }: Call, options: Given, verb: string, rest: readonly string[]): Promise<void> {
  const client = new TufClient(needed(options.metadataDir, '--metadata-dir', 'DIR'))
  switch (verb) {
    case 'init': {
      const root = await client.init(needed(rest[0], 'init', 'ROOT'))
      return output.answer({ root }, `Trusts root ${root} from now on.`)
    }
    case 'refresh': {
      const set = await client.refresh(needed(options.metadataUrl, '--metadata-url', 'URL'))
      const versions = { root: set.root.version, timestamp: set.timestamp.version, snapshot: set.snapshot.version }
      return output.answer(
        versions,
        `Up to date: root ${versions.root}, timestamp ${versions.timestamp}, snapshot ${versions.snapshot}.`,
      )
    }
    case 'download': {
      const from = {
        metadataUrl: needed(options.metadataUrl, '--metadata-url', 'URL'),
        baseUrl: needed(options.targetBaseUrl, '--target-base-url', 'URL'),
      }
      const names = needed(options.targetName, '--target-name', 'PATH')
      const folder = needed(options.targetDir, '--target-dir', 'DIR')
      const files = await client.download(from, names, folder, (name, bytes, of) =>
        output.progress(`${name}: ${bytes} of ${of} bytes`),
      )
      return output.answer({ files }, files)
    }
    default:
      throw wrong(`There is no "tuf ${verb}"`)
  }
}

function needed<T>(value: T | undefined, option: string, what: string): T {
  if (value === undefined) throw wrong(`It needs ${option} ${what}`)
  return value
}

const wrong = (message: string): Misconfigured =>
  new Misconfigured('USAGE', { message: `${message}.`, next: 'See grapevine tuf --help.' })

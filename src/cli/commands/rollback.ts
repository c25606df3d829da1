/** `grapevine rollback`: publishes older content as a new version; with --list the versions that can be gone back to. */
import { Misconfigured } from '#base/errors.ts'
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { RollbackDocument, VersionsDocument } from '#node/rollback.ts'
import type { Action } from '../main.ts'
import { sizeText, table } from '../print.ts'

interface Options extends Record<string, unknown> {
  readonly to?: number
  readonly list: boolean
  readonly urgent: boolean
}

export const action: Action<Options> = async ({ home, output }, { to, list, urgent }, [name = '']) => {
  const folder = homeFolder(home)
  if (list === (to !== undefined))
    throw new Misconfigured('USAGE', {
      message: list ? 'Either --list or --to VERSION, not both.' : 'To which version?',
      where: '--to',
      next: `See grapevine rollback ${name} --list, then give --to VERSION.`,
    })
  if (list) {
    const answer = (await callHome({ home: folder, command: 'versions', args: { name } })) as VersionsDocument
    output.answer(answer, versionsText(answer))
    return 0
  }
  const args = { name, to, urgent }
  const answer = (await callHome({ home: folder, command: 'rollback', args })) as RollbackDocument
  const { version, from, files, bytes, release, changed } = answer
  output.answer(
    answer,
    changed
      ? `${name} version ${version}: again what version ${from} was, ${files} files, ${sizeText(bytes)}, in release ${release}`
      : `${name} version ${version} is what version ${from} was already: release ${release} stays`,
  )
  return 0
}

export function versionsText({ name, version, withdrawn, versions }: VersionsDocument): string[] {
  const rows = versions.map((one) => [
    String(one.version),
    one.published?.slice(0, 16).replace('T', ' ') ?? 'unknown',
    one.files === null ? '?' : String(one.files),
    one.bytes === null ? '?' : sizeText(one.bytes),
    [
      one.version === version ? 'in force' : one.complete ? 'can be rolled back to' : 'contents are gone',
      ...(one.from === null ? [] : [`again version ${one.from}`]),
      ...(one.urgent ? ['urgent'] : []),
    ].join(', '),
  ])
  const head = withdrawn === null ? [] : [`${name} is withdrawn since ${withdrawn.slice(0, 16).replace('T', ' ')} UTC`]
  return [...head, ...table(['VERSION', 'PUBLISHED (UTC)', 'FILES', 'SIZE', ''], rows)]
}

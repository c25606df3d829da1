import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import type { CommandResult } from '#engines/command.ts'
import { installedPackages } from '#engines/installed-packages.ts'
import { packagesOf } from '#facts/packages.ts'

const none: CommandResult = {
  exitCode: 0,
  killedBy: undefined,
  output: '',
  timedOut: false,
  cancelled: false,
  missing: false,
}
/** What these programs say; others are not there. */
const saying =
  (outputs: Readonly<Record<string, Partial<CommandResult>>>) =>
  ({ file }: { readonly file: string }): Promise<CommandResult> =>
    Promise.resolve({ ...none, ...(outputs[file] ?? { exitCode: undefined, missing: true }) })

const debian =
  'ii \tadduser\tall\t3.134\nrc \told\tamd64\t1\niU \thalf\tamd64\t2\nhi \theld\tamd64\t3\ndpkg-query: warning\n'
const suse = [
  'ii\tkernel-default\tx86_64\t5.14.21-2',
  'ii\tkernel-default\tx86_64\t5.14.21-1',
  'ii\tgpg-pubkey\t(none)\t65176565-5d94a381',
  'ii\tbind\tx86_64\t1:9.16-3',
].join('\n')

describe('the packages that are installed', () => {
  it('are those that dpkg has wholly installed, also those on hold', async () => {
    const list = await installedPackages(saying({ 'dpkg-query': { output: debian } }))
    expect(list).toBe('adduser:all 3.134\nheld:amd64 3\n')
  })

  it('are those of rpm where dpkg has none, several versions of one together', async () => {
    const list = await installedPackages(saying({ 'dpkg-query': {}, rpm: { output: suse } }))
    expect(list).toBe(
      'bind:x86_64 1:9.16-3\ngpg-pubkey:none 65176565-5d94a381\nkernel-default:x86_64 5.14.21-1 5.14.21-2\n',
    )
  })

  it('are unknown where no tool answers, or only half of the list came', async () => {
    expect(await installedPackages(saying({}))).toBeUndefined()
    const long = { output: 'ii \ta\tall\t1\n'.repeat(400_000) }
    expect(await installedPackages(saying({ 'dpkg-query': long }))).toBeUndefined()
    expect(await installedPackages(saying({ 'dpkg-query': { exitCode: 2, output: debian } }))).toBeUndefined()
  })

  it('of this machine are those that dpkg lists', async () => {
    const list = await installedPackages()
    const lines = execFileSync('dpkg-query', [
      '-W',
      '-f',
      '${db:Status-Abbrev}\\t${Package}:${Architecture}\\t${Version}\\n',
    ])
    const wanted = lines
      .toString()
      .split('\n')
      .filter((line) => line[1] === 'i')
      .map((line) => line.split('\t').slice(1))
    expect(packagesOf(list ?? '')).toEqual(new Map(wanted as [string, string][]))
  })
})

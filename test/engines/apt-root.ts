/** A root with an empty package database, which only a test's apt-get and dpkg see, and packages built for it. */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { assert } from '#base/assert.ts'
import { runCommand } from '#engines/command.ts'

const folders = [
  'var/lib/dpkg/info',
  'var/lib/dpkg/updates',
  'var/lib/dpkg/triggers',
  'var/lib/apt/lists/partial',
  'var/cache/apt/archives/partial',
  'var/log/apt',
  'etc/apt/apt.conf.d',
  'etc/apt/preferences.d',
  'etc/apt/sources.list.d',
  'etc/dpkg',
]

export class AptRoot {
  readonly path: string
  /** For apt-get, apt-cache and dpkg-query. */
  readonly env: Readonly<Record<string, string>>
  /** A shell line that stands in for dpkg; apt-get looks for it as `bin/dpkg` of the test's folder. */
  readonly dpkg: string
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
    this.path = join(folder, 'root')
    this.env = { APT_CONFIG: join(folder, 'apt.conf'), DPKG_ADMINDIR: join(this.path, 'var/lib/dpkg') }
    const log = `--log='${folder}/dpkg.log'`
    this.dpkg = `exec /usr/bin/dpkg --force-not-root --force-bad-path --root='${this.path}' ${log} "$@"`
  }

  static async make(folder: string): Promise<AptRoot> {
    const root = new AptRoot(folder)
    for (const name of folders) await mkdir(join(root.path, name), { recursive: true })
    await writeFile(join(root.path, 'var/lib/dpkg/status'), '')
    await writeFile(
      join(folder, 'apt.conf'),
      `Dir "${root.path}/";\nDir::State::status "${root.path}/var/lib/dpkg/status";\nDir::Bin::dpkg "${folder}/bin/dpkg";\nAPT::Sandbox::User "root";\n`,
    )
    return root
  }

  /** Package grapevine-sample of this version, as a file below `packages`; it holds its version in /opt/sample. */
  async build(version: string, packages: string): Promise<void> {
    const tree = join(this.#folder, `tree-${version}`)
    await mkdir(join(tree, 'DEBIAN'), { recursive: true })
    await chmod(join(tree, 'DEBIAN'), 0o755)
    const fields = {
      Package: 'grapevine-sample',
      Version: version,
      Architecture: 'all',
      Maintainer: 'x <x@example.org>',
      Description: 'x',
    }
    await writeFile(
      join(tree, 'DEBIAN/control'),
      Object.entries(fields)
        .map(([key, value]) => `${key}: ${value}\n`)
        .join(''),
    )
    await mkdir(join(tree, 'opt'))
    await writeFile(join(tree, 'opt/sample'), version)
    const file = join(packages, `grapevine-sample_${version}_all.deb`)
    const built = await runCommand({
      file: 'dpkg-deb',
      args: ['--build', '--root-owner-group', tree, file],
      timeoutMs: 20_000,
      outputBytesMax: 1000,
    })
    assert(built.exitCode === 0, built.output)
  }
}

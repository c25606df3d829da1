import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keepFiles, restoreFiles } from '#engines/kept-files.ts'

const isRoot = process.getuid?.() === 0
let folder: string
let kept: string
const at = (...parts: string[]): string => join(folder, 'etc', ...parts)

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grapevine-kept-'))
  kept = join(folder, 'kept')
  await mkdir(at())
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Every path below etc/, with kind, mode and content. */
async function state(): Promise<string[]> {
  const names = (await readdir(at(), { recursive: true })).sort()
  return Promise.all(
    names.map(async (name) => {
      const found = await lstat(at(name))
      const mode = (found.mode & 0o7777).toString(8)
      if (found.isSymbolicLink()) return `${name} -> ${await readlink(at(name))}`
      return found.isDirectory() ? `${name}/ ${mode}` : `${name} ${mode} ${await readFile(at(name), 'utf8')}`
    }),
  )
}

describe('files on probation', () => {
  it('go back as they were: content, mode, what was not there, what a link points to; twice gives the same', async () => {
    await writeFile(at('hosts'), 'a\n')
    await chmod(at('hosts'), 0o640)
    await writeFile(at('gone'), 'x')
    await mkdir(at('ssh'), { mode: 0o700 })
    await symlink('hosts', at('link'))
    await writeFile(at('real'), 'through')
    await symlink('real', at('through'))
    const before = await state()
    const paths = ['hosts', 'gone', 'ssh', 'link', 'through', 'new/deep/file', 'other'].map((name) => at(name))
    expect(await keepFiles(kept, { paths, trees: [] })).toEqual([])
    await writeFile(at('hosts'), 'broken')
    await chmod(at('hosts'), 0o777)
    await rm(at('gone'))
    await chmod(at('ssh'), 0o755)
    await rm(at('link'))
    await mkdir(at('link'))
    await writeFile(at('link', 'inside'), '')
    await writeFile(at('through'), 'broken')
    await mkdir(at('new', 'deep'), { recursive: true })
    await writeFile(at('new', 'deep', 'file'), '')
    await symlink('/nowhere', at('other'))
    expect(await restoreFiles(kept)).toEqual([])
    expect(await state()).toEqual(before)
    expect(await restoreFiles(kept)).toEqual([])
    expect(await state()).toEqual(before)
  })

  it('of a guarded folder come back, and what came in goes', async () => {
    await mkdir(at('nginx', 'sites'), { recursive: true })
    await writeFile(at('nginx', 'nginx.conf'), 'good')
    await writeFile(at('nginx', 'sites', 'a'), 'a')
    const before = await state()
    // Named as a folder alone as well: what is kept with all it holds wins.
    await keepFiles(kept, { paths: [at('nginx')], trees: [at('nginx')] })
    await rm(at('nginx', 'sites'), { recursive: true })
    await writeFile(at('nginx', 'nginx.conf'), 'bad')
    await mkdir(at('nginx', 'more'))
    await writeFile(at('nginx', 'more', 'b'), '')
    expect(await restoreFiles(kept)).toEqual([])
    expect(await state()).toEqual(before)
  })

  it('in a folder that the policy makes leave what others have put there since', async () => {
    await keepFiles(kept, { paths: [at('new', 'file')], trees: [] })
    await mkdir(at('new'))
    await writeFile(at('new', 'file'), '')
    await writeFile(at('new', 'another'), '')
    expect(await restoreFiles(kept)).toEqual([])
    expect(await readdir(at('new'))).toEqual(['another'])
  })

  it('that do not fit or are no files are said, and the rest is kept all the same', async () => {
    await writeFile(at('large'), '')
    await truncate(at('large'), 68_000_000)
    await writeFile(at('small'), 'x')
    const lacking = await keepFiles(kept, { paths: [at('large'), '/dev/null', at('small')], trees: [] })
    expect(lacking).toEqual([
      expect.stringMatching(/large: 68000000 bytes do not fit/) as string,
      '/dev/null: neither a file nor a folder',
    ])
    await rm(at('small'))
    await restoreFiles(kept)
    expect(await readFile(at('small'), 'utf8')).toBe('x')
  })

  it('come back with their owner and their set-uid bit', async () => {
    // Who is not root can give a file to nobody else.
    const [user, group] = isRoot ? [7, 8] : [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
    await writeFile(at('su'), 'x')
    await chown(at('su'), user, group)
    await chmod(at('su'), 0o4755)
    await keepFiles(kept, { paths: [at('su')], trees: [] })
    if (isRoot) await chown(at('su'), 0, 0)
    else await chmod(at('su'), 0o600)
    await restoreFiles(kept)
    const { uid, gid, mode } = await lstat(at('su'))
    expect([uid, gid, mode & 0o7777]).toEqual([user, group, 0o4755])
  })

  it('never go back through a folder that has become a link since, nor through a link in the place of a file', async () => {
    await mkdir(at('app'))
    await writeFile(at('app', 'passwd'), 'evil')
    await writeFile(at('app', 'gone'), 'evil')
    await writeFile(at('plain'), 'evil')
    await writeFile(at('passwd'), 'good')
    await writeFile(at('later'), 'good')
    const paths = [at('app', 'passwd'), at('app', 'later'), at('plain')]
    await keepFiles(kept, { paths, trees: [] })
    await rm(at('app'), { recursive: true })
    await symlink(at(), at('app'))
    await rm(at('plain'))
    await symlink('passwd', at('plain'))
    expect(await restoreFiles(kept)).toEqual([
      `${at('app', 'passwd')}: a folder on the way to it is another one now`,
      `${at('app', 'later')}: a folder on the way to it is another one now`,
    ])
    expect(await readFile(at('passwd'), 'utf8')).toBe('good')
    expect(await readFile(at('later'), 'utf8')).toBe('good')
    expect((await lstat(at('plain'))).isFile()).toBe(true)
  })

  it('a keeping that was cut off holds nothing, and says so', async () => {
    await writeFile(at('a'), 'x')
    await keepFiles(kept, { paths: [at('a')], trees: [] })
    await rm(join(kept, 'list.json'))
    await writeFile(at('a'), 'y')
    expect(await restoreFiles(kept)).toEqual([expect.stringContaining('list.json') as string])
    expect(await readFile(at('a'), 'utf8')).toBe('y')
  })
})

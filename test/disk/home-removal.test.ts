import { mkdir, readdir, readFile, rename, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isUnfinished, removeHome } from '#disk/home-removal.ts'
import { controlSocketOf, Home } from '#disk/home.ts'
import { atEnd, scratch } from './scratch.ts'

async function made(name = 'home'): Promise<string> {
  const dir = join(await scratch(), name)
  await (await Home.create(dir)).close()
  await writeFile(join(dir, 'config.yaml'), '')
  await writeFile(join(dir, 'keys', 'device'), 'secret')
  await mkdir(join(dir, 'bundles', 'web', '1'), { recursive: true })
  await writeFile(join(dir, 'bundles', 'web', '1', 'policy.yaml'), 'x', { mode: 0o444 })
  await symlink('1', join(dir, 'bundles', 'web', 'current'))
  await mkdir(join(dir, 'kept', 'web'), { recursive: true })
  return dir
}
const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

describe('removing a home', () => {
  it('leaves nothing of it, its folder neither', async () => {
    const dir = await made()
    expect(await removeHome(dir)).toEqual([])
    expect(await isThere(dir)).toBe(false)
  })

  it('leaves what somebody else put there, and says so', async () => {
    const dir = await made()
    await writeFile(join(dir, 'notes.txt'), 'mine')
    expect(await removeHome(dir)).toEqual([join(dir, 'notes.txt')])
    expect(await readdir(dir)).toEqual(['notes.txt'])
    await expect(removeHome(dir)).rejects.toMatchObject({ code: 'HOME_NOT_FOUND' })
  })

  it('follows no link out of it, and says where it led', async () => {
    const dir = await made()
    const elsewhere = join(dir, '..', 'elsewhere')
    await rename(join(dir, 'contents'), elsewhere)
    await writeFile(join(elsewhere, 'chunk'), 'bytes')
    await symlink(elsewhere, join(dir, 'contents'))
    expect(await removeHome(dir)).toEqual([elsewhere])
    expect([await isThere(dir), await readFile(join(elsewhere, 'chunk'), 'utf8')]).toEqual([false, 'bytes'])
  })

  it('does not begin while somebody works on it', async () => {
    const dir = await made()
    const home = await Home.open(dir)
    atEnd(() => home.close())
    await expect(removeHome(dir)).rejects.toMatchObject({ code: 'HOME_LOCKED' })
    expect(await isThere(join(dir, 'keys', 'device'))).toBe(true)
  })

  it('that was cut off leaves no home, and is finished by the next', async () => {
    const dir = await made()
    await writeFile(join(dir, 'unfinished'), '')
    expect(await isUnfinished(dir)).toBe(false)
    await unlink(join(dir, 'version'))
    expect(await isUnfinished(dir)).toBe(true)
    await expect(Home.open(dir)).rejects.toMatchObject({ code: 'HOME_NOT_FOUND' })
    expect(await removeHome(dir)).toEqual([])
    expect(await isThere(dir)).toBe(false)
  })

  it('takes away the socket that lies elsewhere for its long path, and no socket of others', async () => {
    const dir = await made('h'.repeat(120))
    const socket = controlSocketOf(dir)
    await writeFile(socket, '')
    await writeFile(`${socket}.other`, '')
    atEnd(() => unlink(`${socket}.other`))
    await removeHome(dir)
    expect([await isThere(socket), await isThere(`${socket}.other`)]).toEqual([false, true])
  })

  it('of a folder that is no home changes nothing', async () => {
    const dir = await scratch()
    await mkdir(join(dir, 'keys'))
    await expect(removeHome(dir)).rejects.toMatchObject({ code: 'HOME_NOT_FOUND' })
    expect([await readdir(dir), await isUnfinished(join(dir, 'none'))]).toEqual([['keys'], false])
  })
})

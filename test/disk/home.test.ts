import { execFile } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { controlSocketOf, Home } from '#disk/home.ts'
import { atEnd, scratch } from './scratch.ts'

async function made(): Promise<string> {
  const dir = join(await scratch(), 'home')
  await (await Home.create(dir)).close()
  return dir
}

async function opened(dir: string): Promise<Home> {
  const home = await Home.open(dir)
  atEnd(async () => home.close())
  return home
}

describe('a home', () => {
  it('is made private and whole, and opened again', async () => {
    const dir = await made()
    expect((await stat(dir)).mode & 0o777).toBe(0o700)
    expect((await readdir(dir)).sort()).toEqual([
      'bundles',
      'contents',
      'index',
      'journal',
      'keys',
      'outbox',
      'trust',
      'version',
    ])
    expect(await readFile(join(dir, 'version'), 'utf8')).toBe('format: 1\n')
    const home = await opened(dir)
    expect(home.bundle('web', 3)).toBe(join(dir, 'bundles', 'web', '3'))
    expect(home.bundle('web')).toBe(join(dir, 'bundles', 'web'))
    expect(home.controlSocket).toBe(join(dir, 'control.sock'))
    for (const folder of ['keys', 'trust', 'contents', 'journal', 'outbox'] as const)
      expect(home[folder]).toBe(join(dir, folder))
  })

  it('is not made where there is one, nor in a folder with other things', async () => {
    const dir = await made()
    await expect(Home.create(dir)).rejects.toMatchObject({ code: 'HOME_EXISTS', exitCode: 2, where: dir })
    await opened(dir)
    const other = await scratch()
    await writeFile(join(other, 'thesis.txt'), 'mine')
    await expect(Home.create(other)).rejects.toMatchObject({ code: 'HOME_NOT_EMPTY', exitCode: 2 })
    await expect(Home.create(join(other, 'thesis.txt'))).rejects.toMatchObject({ code: 'HOME_NOT_EMPTY' })
    expect(await readFile(join(other, 'thesis.txt'), 'utf8')).toBe('mine')
  })

  it('is refused where the file system makes no folders, and nobody waits for it', async () => {
    // mkdir in procfs says ENOENT although the folder above is there, on which a recursive mkdir of Node 24 turns for ever.
    await expect(Home.create('/proc/grapevine/home')).rejects.toMatchObject({ code: 'HOME_NOT_WRITABLE', exitCode: 2 })
  })

  it('is not there where filling it failed, and can then be made', async () => {
    const dir = join(await scratch(), 'home')
    const failing = Home.create(dir, async (home) => {
      await writeFile(join(home.keys, 'root'), 'half a key')
      throw new RangeError('no more entropy')
    })
    await expect(failing).rejects.toThrow('no more entropy')
    await expect(Home.open(dir)).rejects.toMatchObject({ code: 'HOME_NOT_FOUND', exitCode: 2 })
    await (await Home.create(dir)).close()
    expect(await readdir((await opened(dir)).keys)).toEqual([])
  })

  it('whose making the power ended is no home, and is swept by the next try', async () => {
    const dir = join(await scratch(), 'home')
    await mkdir(join(dir, 'keys'), { recursive: true })
    await writeFile(join(dir, 'unfinished'), '')
    await writeFile(join(dir, 'keys', 'root'), 'half a key')
    await expect(Home.open(dir)).rejects.toMatchObject({ code: 'HOME_NOT_FOUND' })
    await (await Home.create(dir)).close()
    expect(await readdir((await opened(dir)).keys)).toEqual([])
  })

  it('is not swept by a second try while the first is still at it', async () => {
    const dir = join(await scratch(), 'home')
    const first = await Home.create(dir, async (home) => {
      await writeFile(join(home.keys, 'root'), 'a key')
      await expect(Home.create(dir)).rejects.toMatchObject({ code: 'HOME_LOCKED' })
    })
    expect(await readdir(first.keys)).toEqual(['root'])
    await first.close()
  })

  it('is not found where there is none, and nothing is made there', async () => {
    const dir = await scratch()
    for (const path of [dir, join(dir, 'none')])
      await expect(Home.open(path)).rejects.toMatchObject({
        code: 'HOME_NOT_FOUND',
        next: expect.stringContaining('grapevine init'),
      })
    expect(await readdir(dir)).toEqual([])
  })

  it('has one owner, in this process and among others, and none once it is closed', async () => {
    const dir = await made()
    const home = await Home.open(dir)
    await expect(Home.open(dir)).rejects.toMatchObject({ code: 'HOME_LOCKED', exitCode: 2 })
    const script = `import { Home } from '#disk/home.ts'
      await Home.open(${JSON.stringify(dir)}).then((home) => home.close(), (error) => console.log(error.code))`
    const elsewhere = async (): Promise<string> =>
      (await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])).stdout.trim()
    expect(await elsewhere()).toBe('HOME_LOCKED')
    await home.close()
    expect(await elsewhere()).toBe('')
  })

  it('of a newer format is left alone', async () => {
    const dir = await made()
    await writeFile(join(dir, 'version'), 'format: 2\n')
    await expect(Home.open(dir)).rejects.toMatchObject({ code: 'HOME_TOO_NEW', exitCode: 2 })
  })

  it('says what of it is damaged, and changes nothing', async () => {
    const damages: [string, (dir: string) => Promise<void>][] = [
      ['"version" is missing', async (dir) => rm(join(dir, 'version'))],
      ['"version" is not understood', async (dir) => writeFile(join(dir, 'version'), 'formlos')],
      ['keys/ is missing', async (dir) => rm(join(dir, 'keys'), { recursive: true })],
      ['trust/ is missing', async (dir) => rm(join(dir, 'trust'), { recursive: true })],
      ['The index', async (dir) => writeFile(join(dir, 'index', 'CURRENT'), 'garbage')],
    ]
    for (const [text, damage] of damages) {
      const dir = await made()
      await damage(dir)
      const before = (await readdir(dir)).sort()
      await expect(Home.open(dir)).rejects.toMatchObject({
        code: 'HOME_DAMAGED',
        exitCode: 2,
        message: expect.stringContaining(text),
      })
      expect((await readdir(dir)).sort()).toEqual(before)
    }
  })

  it('makes again what can be found again', async () => {
    const dir = await made()
    for (const folder of ['contents', 'index', 'journal', 'outbox', 'bundles'])
      await rm(join(dir, folder), { recursive: true })
    await opened(dir)
    expect(await readdir(dir)).toHaveLength(8)
  })

  it('that cannot be written is named', async () => {
    const dir = await scratch()
    await writeFile(join(dir, 'file'), '')
    const below = Home.create(join(dir, 'file', 'home'))
    await expect(below).rejects.toMatchObject({ code: 'HOME_NOT_WRITABLE', exitCode: 2 })
  })
})

describe('the control socket', () => {
  it('lies in the home, or in a private folder where its path is too long', async () => {
    const dir = join(await scratch(), 'x'.repeat(120))
    await mkdir(dir)
    const socket = controlSocketOf(dir)
    expect(Buffer.byteLength(socket)).toBeLessThanOrEqual(100)
    await (await Home.create(dir)).close()
    expect((await stat(join(socket, '..'))).mode & 0o777).toBe(0o700)
    const link = join(await scratch(), 'link')
    await symlink(dir, link)
    expect(controlSocketOf(link)).toBe(socket)
    const other = join(await scratch(), 'x'.repeat(120))
    expect(controlSocketOf(other)).not.toBe(socket)
  })

  it('is not looked for in a folder that others could use', async () => {
    const dir = join(await scratch(), 'y'.repeat(120))
    await (await Home.create(dir)).close()
    const folder = join(controlSocketOf(dir), '..')
    await chmod(folder, 0o777)
    atEnd(async () => chmod(folder, 0o700))
    expect(() => controlSocketOf(dir)).toThrow(expect.objectContaining({ code: 'SOCKET_FOLDER_UNSAFE', exitCode: 2 }))
    await chmod(folder, 0o700)
    expect(controlSocketOf(dir)).toContain(folder)
  })
})

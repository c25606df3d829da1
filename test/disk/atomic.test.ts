import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { Negative } from '#base/errors.ts'
import { readIfThere, sweepFolder, writeAtomic } from '#disk/atomic.ts'
import { systemError } from '#disk/system-error.ts'
import { scratch } from './scratch.ts'

describe('an atomic write', () => {
  it('replaces the whole file, with its mode', async () => {
    const path = join(await scratch(), 'file')
    await writeAtomic(path, utf8('a longer first text'), 0o644)
    await writeAtomic(path, utf8('second'), 0o600)
    expect(await readFile(path, 'utf8')).toBe('second')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readIfThere(path)).toEqual(utf8('second'))
  })

  it('leaves nothing behind where it fails', async () => {
    const dir = await scratch()
    await mkdir(join(dir, 'file'))
    await writeFile(join(dir, 'file', 'inside'), 'x')
    await expect(writeAtomic(join(dir, 'file'), utf8('x'), 0o600)).rejects.toMatchObject({ exitCode: 2 })
    expect(await readdir(dir)).toEqual(['file'])
  })

  it('many at once leave one of the texts', async () => {
    const path = join(await scratch(), 'file')
    const texts = Array.from({ length: 20 }, (_, at) => String(at).repeat(1_000))
    await Promise.all(texts.map(async (text) => writeAtomic(path, utf8(text), 0o600)))
    expect(texts).toContain(await readFile(path, 'utf8'))
  })

  it('what an interrupted one left is swept, and nothing else', async () => {
    const dir = await scratch()
    for (const name of ['.state.tmp-17-3', 'state', '.hidden', 'x.tmp']) await writeFile(join(dir, name), '')
    await sweepFolder(dir)
    expect((await readdir(dir)).sort()).toEqual(['.hidden', 'state', 'x.tmp'])
  })
})

describe('what the system said', () => {
  it('an absent file is undefined, and what is no file says so', async () => {
    const dir = await scratch()
    expect(await readIfThere(join(dir, 'none'))).toBeUndefined()
    expect(await readIfThere(join(dir, 'none', 'below'))).toBeUndefined()
    await expect(readIfThere(dir)).rejects.toMatchObject({ code: 'FILE_UNREADABLE', exitCode: 2, where: dir })
  })

  it('a path that cannot be written names itself', async () => {
    const dir = await scratch()
    await writeFile(join(dir, 'file'), '')
    const path = join(dir, 'file', 'below')
    await expect(writeAtomic(path, utf8('x'), 0o600)).rejects.toMatchObject({ code: 'HOME_NOT_WRITABLE', where: path })
    await expect(writeAtomic(join(dir, 'no', 'folder'), utf8('x'), 0o600)).rejects.toMatchObject({
      code: 'DISK_FAILED',
      exitCode: 3,
    })
  })

  it('each failure of a call is one of four, and nothing else is touched', () => {
    const called = (code: string): Error => Object.assign(new Error(code), { code, syscall: 'write' })
    const codes = (code: string, act: 'read' | 'write') => systemError(called(code), 'here', act)
    for (const code of ['ENOSPC', 'EDQUOT'])
      expect(codes(code, 'write')).toMatchObject({ code: 'DISK_FULL', exitCode: 3 })
    for (const code of ['EACCES', 'EPERM', 'EROFS']) {
      expect(codes(code, 'write')).toMatchObject({ code: 'HOME_NOT_WRITABLE', where: 'here' })
      expect(codes(code, 'read')).toMatchObject({ code: 'FILE_UNREADABLE', where: 'here' })
    }
    expect(codes('EIO', 'read')).toMatchObject({ code: 'DISK_FAILED' })
    const ours = new Negative('X', { message: 'no' })
    const bug = new TypeError('a bug')
    expect(systemError(ours, 'here')).toBe(ours)
    expect(systemError(bug, 'here')).toBe(bug)
  })
})

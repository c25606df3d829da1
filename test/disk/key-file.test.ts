import { chmod, copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createKey, readKey } from '#disk/key-file.ts'
import { scratch } from './scratch.ts'

const key = Uint8Array.from({ length: 32 }, (_, at) => at)

async function kept(): Promise<string> {
  const path = join(await scratch(), 'device')
  await createKey(path, key)
  return path
}

describe('a key file', () => {
  it('gives back the key, and only its owner may read it', async () => {
    const path = await kept()
    expect(await readKey(path, 32)).toEqual(key)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readFile(path, 'utf8')).toMatch(/^grapevine-key-1 device [\w-]{43} [0-9a-f]{8}\n$/)
  })

  it('is never replaced', async () => {
    const path = await kept()
    await expect(createKey(path, new Uint8Array(32))).rejects.toMatchObject({ code: 'KEY_EXISTS', exitCode: 2 })
    expect(await readKey(path, 32)).toEqual(key)
  })

  it('that could not be written whole is not there', async () => {
    const dir = await scratch()
    await expect(createKey(join(dir, 'none', 'device'), key)).rejects.toMatchObject({ code: 'DISK_FAILED' })
    expect(await readdir(dir)).toEqual([])
  })

  it('that is missing is named', async () => {
    const path = join(await scratch(), 'device')
    await expect(readKey(path, 32)).rejects.toMatchObject({ code: 'KEY_MISSING', exitCode: 2, where: path })
  })

  it('that others may read or write is refused, with the command that mends it', async () => {
    const path = await kept()
    for (const mode of [0o640, 0o604, 0o620, 0o610]) {
      await chmod(path, mode)
      await expect(readKey(path, 32)).rejects.toMatchObject({
        code: 'KEY_PERMISSIONS',
        next: expect.stringContaining(`chmod 600 ${path}`),
      })
    }
  })

  it('that is damaged, of another length or another one is refused', async () => {
    const path = await kept()
    const text = await readFile(path, 'utf8')
    const damaged = { code: 'KEY_DAMAGED', exitCode: 2, where: path }
    await expect(readKey(path, 64)).rejects.toMatchObject(damaged)
    const spoilt = ['', text.slice(0, 40), text.replace('AAEC', 'AAED'), `${text}\n`, text.replace('-1 ', '-2 ')]
    for (const other of [...spoilt, 'x'.repeat(100_000)]) {
      await writeFile(path, other)
      await expect(readKey(path, 32)).rejects.toMatchObject(damaged)
    }
    await writeFile(path, text)
    await copyFile(path, join(path, '..', 'root'))
    await expect(readKey(join(path, '..', 'root'), 32)).rejects.toMatchObject({ code: 'KEY_DAMAGED' })
  })
})

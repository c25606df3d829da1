import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { loadTrust, saveTrust } from '#disk/trust-files.ts'
import { scratch } from './scratch.ts'

/** A folder in which the states 1 to `count` were saved one after the other, and the slot of the last. */
async function saved(count: number): Promise<{ dir: string; newest: string; older: string }> {
  const dir = await scratch()
  for (let state = 1; state <= count; state++) await saveTrust(dir, utf8(`state ${state}`))
  const [a, b] = [join(dir, 'state-a'), join(dir, 'state-b')]
  return count % 2 === 1 ? { dir, newest: a, older: b } : { dir, newest: b, older: a }
}

async function spoil(path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  await writeFile(path, bytes)
}

describe('the trust state on disk', () => {
  it('is what was saved last', async () => {
    expect(await loadTrust(await scratch())).toBeUndefined()
    for (const count of [1, 2, 3, 10]) {
      const { dir } = await saved(count)
      expect(await loadTrust(dir)).toEqual(utf8(`state ${count}`))
      expect((await readdir(dir)).length).toBe(Math.min(count, 2))
    }
  })

  it('a torn slot leaves the state before, and the next save goes into the torn one', async () => {
    for (const count of [2, 3]) {
      for (const bytes of [0, 3, 20, 50]) {
        const { dir, newest } = await saved(count)
        await truncate(newest, bytes)
        expect(await loadTrust(dir)).toEqual(utf8(`state ${count - 1}`))
        await saveTrust(dir, utf8('after'))
        expect(await loadTrust(dir)).toEqual(utf8('after'))
      }
    }
  })

  it('one flipped bit anywhere is noticed', async () => {
    for (let at = 0; at < 51; at += 5) {
      const { dir, newest, older } = await saved(2)
      await spoil(newest, at)
      expect(await loadTrust(dir)).toEqual(utf8('state 1'))
      await spoil(older, at)
      await expect(loadTrust(dir)).rejects.toMatchObject({ code: 'TRUST_STATE_DAMAGED', exitCode: 2, where: dir })
    }
  })

  it('damage without a whole slot is an alarm, never a first start', async () => {
    const { dir, newest } = await saved(1)
    await truncate(newest, 0)
    await expect(loadTrust(dir)).rejects.toMatchObject({ code: 'TRUST_STATE_DAMAGED' })
  })
})

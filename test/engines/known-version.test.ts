import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { KnownVersion } from '#engines/known-version.ts'

it('a program is asked once for its version, and again where another stands in its place or it told none', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'grapevine-version-'))
  try {
    const file = join(folder, 'tool')
    const known = new KnownVersion()
    const ask = vi.fn(() => Promise.resolve<string | undefined>('3.21'))
    await writeFile(file, 'one')
    expect([await known.of(file, ask), await known.of(file, ask)]).toEqual(['3.21', '3.21'])
    expect(ask).toHaveBeenCalledTimes(1)
    await writeFile(file, 'another')
    ask.mockResolvedValueOnce(undefined)
    expect(await known.of(file, ask)).toBeUndefined()
    expect(await known.of(file, ask)).toBe('3.21')
    await rm(file)
    await known.of(file, ask)
    expect(ask).toHaveBeenCalledTimes(4)
  } finally {
    await rm(folder, { recursive: true })
  }
})

import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Catalog, type ContentRecord } from '#disk/catalog.ts'
import { atEnd, scratch } from './scratch.ts'

async function opened(dir?: string): Promise<Catalog> {
  const index = await Catalog.open(join(dir ?? (await scratch()), 'index'))
  atEnd(async () => index.close())
  return index
}

const [content, other, chunk] = ['content', 'other', 'chunk'].map((label) => sha256(utf8(label))) as [
  ReturnType<typeof sha256>,
  ReturnType<typeof sha256>,
  ReturnType<typeof sha256>,
]
const record: ContentRecord = {
  ref: { digest: content, length: 5 },
  have: 'AQ',
  where: 'file',
  layouts: [],
  dirty: false,
}

describe('the catalog', () => {
  it('keeps records and places over a restart, and forgets what is removed', async () => {
    const dir = await scratch()
    const index = await Catalog.open(join(dir, 'index'))
    await index.write([{ content, record, places: [{ chunk, index: 70_000 }] }])
    await index.close()
    const again = await opened(dir)
    expect(await again.records()).toEqual([record])
    expect(await again.find([chunk, content])).toEqual([{ content, index: 70_000 }, undefined])
    await again.forget(other, [chunk])
    expect(await again.find([chunk])).toEqual([{ content, index: 70_000 }])
    await again.forget(content, [chunk])
    await again.write([{ content, record: undefined }])
    expect(await again.find([chunk])).toEqual([undefined])
    expect(await again.records()).toEqual([])
  })

  it('of writes that were handed in one after the other, the last one stays', async () => {
    const index = await opened()
    await Promise.all(
      Array.from({ length: 50 }, async (_, at) => index.write([{ content, record: { ...record, have: String(at) } }])),
    )
    expect(await index.records()).toEqual([{ ...record, have: '49' }])
  })

  it('keeps notes of other rooms, apart from each other', async () => {
    const index = await opened()
    await index.putNote('device/b', { seq: 2 })
    await index.putNote('device/a', { seq: 1 })
    await index.putNote('devices', 'not one of them')
    expect(await index.getNote('device/b')).toEqual({ seq: 2 })
    expect(await index.getNote('device/c')).toBeUndefined()
    const notes: unknown[] = []
    for await (const note of index.notes('device/')) notes.push(note)
    expect(notes).toEqual([{ seq: 1 }, { seq: 2 }])
    await index.removeNote('device/b')
    expect(await index.getNote('device/b')).toBeUndefined()
  })

  it('gives up its lock also where the last writes fail, and says that they did', async () => {
    const dir = await scratch()
    const index = await Catalog.open(join(dir, 'index'))
    index.onClose(async () => {
      throw new RangeError('the last write failed')
    })
    await expect(index.close()).rejects.toThrow('the last write failed')
    expect(await (await opened(dir)).records()).toEqual([])
  })
})

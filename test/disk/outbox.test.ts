import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { Outbox } from '#disk/outbox.ts'
import { scratch } from './scratch.ts'

const report = (label: string): { name: Digest; bytes: Uint8Array } => ({
  name: sha256(utf8(label)),
  bytes: utf8(label),
})

describe('the outbox', () => {
  it('keeps reports over a restart, oldest first, until they are removed', async () => {
    const dir = join(await scratch(), 'outbox')
    const outbox = await Outbox.open(dir)
    const reports = ['one', 'two', 'three'].map(report)
    for (const { name, bytes } of reports) await outbox.put(name, bytes)
    const again = await Outbox.open(dir)
    expect(await again.list()).toEqual(
      reports.map(({ name, bytes }) => ({ name, bytes: bytes.byteLength, seq: undefined })),
    )
    expect(await again.read(reports[1]!.name)).toEqual(utf8('two'))
    await again.remove(reports[1]!.name)
    await again.remove(reports[1]!.name)
    expect(await again.read(reports[1]!.name)).toBeUndefined()
    expect((await (await Outbox.open(dir)).list()).map(({ name }) => name)).toEqual([
      reports[0]!.name,
      reports[2]!.name,
    ])
  })

  it('a report is kept once', async () => {
    const dir = await scratch()
    const outbox = await Outbox.open(dir)
    const { name, bytes } = report('once')
    await Promise.all([outbox.put(name, bytes), outbox.put(name, bytes)])
    expect(await readdir(dir)).toHaveLength(1)
  })

  it('knows our own by their numbers over a restart, and drops them after all that is of others', async () => {
    const dir = await scratch()
    const outbox = await Outbox.open(dir, { reportsMax: 3, bytesMax: 1_000 })
    const [own, other, newest, more] = ['own', 'other', 'newest', 'more'].map(report)
    await outbox.put(own!.name, own!.bytes, 41)
    await outbox.put(other!.name, other!.bytes)
    await outbox.put(newest!.name, newest!.bytes, 42)
    await outbox.put(more!.name, more!.bytes)
    const again = await Outbox.open(dir)
    expect((await again.list()).map(({ name, seq }) => [name, seq])).toEqual([
      [own!.name, 41],
      [newest!.name, 42],
      [more!.name, undefined],
    ])
    expect(await again.read(newest!.name)).toEqual(utf8('newest'))
  })

  it('never holds more than its limits: the oldest go first', async () => {
    const dir = await scratch()
    const outbox = await Outbox.open(dir, { reportsMax: 3, bytesMax: 20 })
    for (const label of ['first', 'second', 'third', 'fourth'])
      await outbox.put(report(label).name, report(label).bytes)
    expect((await outbox.list()).map(({ name }) => name)).toEqual(
      ['second', 'third', 'fourth'].map((label) => report(label).name),
    )
    await outbox.put(report('fifteen letters').name, utf8('fifteen letters'))
    expect(await outbox.list()).toEqual([{ name: report('fifteen letters').name, bytes: 15 }])
    const large = report('more than twenty letters')
    await expect(outbox.put(large.name, large.bytes)).rejects.toMatchObject({ code: 'REPORT_TOO_LARGE', exitCode: 4 })
    expect(await outbox.list()).toHaveLength(1)
  })

  it('a report under another name is refused', async () => {
    const outbox = await Outbox.open(await scratch())
    const put = outbox.put(report('a').name, report('b').bytes)
    await expect(put).rejects.toMatchObject({ code: 'REPORT_MISNAMED', exitCode: 4 })
    expect(await outbox.list()).toEqual([])
  })

  it('a report that rotted or was removed is dropped, and strange files are passed over', async () => {
    const dir = await scratch()
    const outbox = await Outbox.open(dir)
    for (const label of ['rotten', 'gone', 'good']) await outbox.put(report(label).name, report(label).bytes)
    const [rotten, gone] = (await readdir(dir)).sort()
    await writeFile(join(dir, rotten ?? ''), 'rotted')
    await rm(join(dir, gone ?? ''))
    await writeFile(join(dir, 'README'), 'strange')
    for (const label of ['rotten', 'gone']) expect(await outbox.read(report(label).name)).toBeUndefined()
    expect(await outbox.list()).toEqual([{ name: report('good').name, bytes: 4 }])
    expect(await (await Outbox.open(dir)).list()).toEqual([{ name: report('good').name, bytes: 4 }])
  })
})

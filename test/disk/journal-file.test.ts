import { appendFile, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { JournalFile } from '#disk/journal-file.ts'
import { scratch } from './scratch.ts'

const entries = [{ type: 'bundle', name: 'web' }, { type: 'report', seq: 1 }, 'ein Wort: grün', 4]

async function written(): Promise<string> {
  const path = join(await scratch(), 'agent.journal')
  const journal = await JournalFile.open(path)
  for (const entry of entries) await journal.append(entry)
  return path
}

describe('a journal', () => {
  it('gives back what was appended, in order', async () => {
    const path = await written()
    const again = await JournalFile.open(path)
    expect(again.entries).toEqual(entries)
    await again.append('more')
    expect((await JournalFile.open(path)).entries).toEqual([...entries, 'more'])
  })

  it('is empty before its first entry', async () => {
    const path = join(await scratch(), 'none')
    expect((await JournalFile.open(path)).entries).toEqual([])
  })

  it('cut off anywhere, it keeps every entry before the cut, and goes on from there', async () => {
    const path = await written()
    const whole = await readFile(path)
    for (let bytes = 0; bytes <= whole.byteLength; bytes += 3) {
      await writeFile(path, whole)
      await truncate(path, bytes)
      const lines = whole.subarray(0, bytes).toString('latin1').split('\n').length - 1
      const journal = await JournalFile.open(path)
      expect(journal.entries).toEqual(entries.slice(0, lines))
      await journal.append('after')
      expect((await JournalFile.open(path)).entries).toEqual([...entries.slice(0, lines), 'after'])
    }
  })

  it('a last line that was never filled is dropped', async () => {
    const path = await written()
    await appendFile(path, `${'\0'.repeat(40)}\n`)
    expect((await JournalFile.open(path)).entries).toEqual(entries)
  })

  it('a damaged line before others is an error that names it, and nothing is changed', async () => {
    const path = await written()
    const text = await readFile(path, 'utf8')
    const damaged = text.replace('"seq":1', '"seq":2')
    await writeFile(path, damaged)
    await expect(JournalFile.open(path)).rejects.toMatchObject({
      code: 'JOURNAL_DAMAGED',
      exitCode: 2,
      where: `${path}:2`,
    })
    expect(await readFile(path, 'utf8')).toBe(damaged)
  })

  it('entries appended at once come one after the other', async () => {
    const path = join(await scratch(), 'agent.journal')
    const journal = await JournalFile.open(path)
    await Promise.all(Array.from({ length: 30 }, async (_, at) => journal.append(at)))
    expect((await JournalFile.open(path)).entries).toEqual(Array.from({ length: 30 }, (_, at) => at))
  })

  it('rewritten, it holds the new entries alone, and those appended later', async () => {
    const path = join(await scratch(), 'agent.journal')
    const journal = await JournalFile.open(path)
    const long = 'x'.repeat(100_000)
    for (let at = 0; at < 3; at++) await journal.append(long)
    expect(journal.isLong).toBe(true)
    await Promise.all([journal.rewrite(['short']), journal.append('later')])
    expect(journal.isLong).toBe(false)
    expect((await JournalFile.open(path)).entries).toEqual(['short', 'later'])
  })
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { FileStore } from '#disk/file-store.ts'
import { Home } from '#disk/home.ts'
import { JournalFile } from '#disk/journal-file.ts'
import { Outbox } from '#disk/outbox.ts'
import { loadTrust } from '#disk/trust-files.ts'
import { scratch } from './scratch.ts'

/** Works on a home without end, in another process, and says how far it is: every line stands for something that was kept. */
const work = (dir: string): string => `
  import { join } from 'node:path'
  import { Random } from '#base/random.ts'
  import { sha256 } from '#base/digest.ts'
  import { MemoryStore } from '#content/memory-store.ts'
  import { FileStore } from '#disk/file-store.ts'
  import { Home } from '#disk/home.ts'
  import { JournalFile } from '#disk/journal-file.ts'
  import { Outbox } from '#disk/outbox.ts'
  import { saveTrust } from '#disk/trust-files.ts'
  const home = await Home.open(${JSON.stringify(dir)})
  const store = await FileStore.open(home.contents, home.index)
  const journal = await JournalFile.open(join(home.journal, 'agent.journal'))
  const outbox = await Outbox.open(home.outbox)
  const say = (what, fields) => process.stdout.write(JSON.stringify({ what, ...fields }) + '\\n')
  for (let round = journal.entries.length; ; round++) {
    const random = new Random('round ' + round)
    const bytes = Uint8Array.from({ length: 200_000 }, () => random.below(256))
    const origin = new MemoryStore()
    const ref = await origin.add([bytes])
    const fetch = async (wanted) => {
      if (wanted.list) await fetch(wanted.list)
      const { chunks } = await store.open(wanted)
      for (let index = 0; index < chunks; index++) {
        await store.put(wanted.digest, index, await origin.read(wanted.digest, index))
        say('chunk', { ref: wanted, index })
      }
    }
    await fetch(ref)
    await journal.append(round)
    say('round', { round })
    await saveTrust(home.trust, new TextEncoder().encode(String(round)))
    say('trust', { round })
    const report = new TextEncoder().encode('report ' + round)
    await outbox.put(sha256(report), report)
    say('report', { name: sha256(report) })
  }`

interface Said {
  readonly what: 'chunk' | 'round' | 'trust' | 'report'
  readonly ref?: Parameters<FileStore['open']>[0]
  readonly index?: number
  readonly round?: number
  readonly name?: string
}

/** Kills the worker in the middle of something, and returns what it had said. */
async function killedAfter(dir: string, ms: number): Promise<Said[]> {
  const worker = spawn(process.execPath, ['--input-type=module', '-e', work(dir)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  worker.stdout.on('data', (piece: Buffer) => (text += piece.toString()))
  await once(worker.stdout, 'data')
  await sleep(ms)
  worker.kill('SIGKILL')
  await once(worker, 'close')
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Said)
}

describe('a process that is killed at any moment', () => {
  it('leaves a home that opens, with everything that it had kept', { timeout: 60_000 }, async () => {
    const dir = join(await scratch(), 'home')
    await (await Home.create(dir)).close()
    for (const ms of [3, 40, 90, 160]) {
      const said = await killedAfter(dir, ms)
      const home = await Home.open(dir)
      const store = await FileStore.open(home.contents, home.index)
      const chunks = said.filter(({ what }) => what === 'chunk')
      expect(chunks.length).toBeGreaterThan(0)
      for (const { ref, index } of chunks) {
        if (!ref || index === undefined) continue
        await store.open(ref)
        expect(await store.read(ref.digest, index)).toBeDefined()
      }
      const { entries } = await JournalFile.open(join(home.journal, 'agent.journal'))
      expect(entries).toEqual(entries.map((_, at) => at))
      const last = (what: Said['what']): number => said.findLast((line) => line.what === what)?.round ?? -1
      expect(entries.length).toBeGreaterThan(last('round'))
      const trust = await loadTrust(home.trust)
      expect(Number(new TextDecoder().decode(trust ?? new TextEncoder().encode('-1')))).toBeGreaterThanOrEqual(
        last('trust'),
      )
      const reports = new Set<string>((await (await Outbox.open(home.outbox)).list()).map(({ name }) => name))
      for (const { name } of said.filter(({ what }) => what === 'report')) expect(reports).toContain(name)
      await home.close()
    }
  })
})

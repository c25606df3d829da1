import { describe, expect, it } from 'vitest'
import { sha256, type Digest } from '#base/digest.ts'
import { concatBytes, utf8 } from '#base/bytes.ts'
import { Refused, Unavailable } from '#base/errors.ts'
import { silentLog } from '#base/log.ts'
import { MemoryStore } from '#content/memory-store.ts'
import { OlderBytes } from '#content/patch.ts'
import type { MemberInput } from '#member/member.ts'
import { Effects, type Keepers } from '#node/effects.ts'
import type { Works } from '#node/jobs.ts'
import type { Address, LinkId, Links } from '#protocol/link.ts'
import { boxKey } from '#trust/keys.ts'
import { madeBytes } from '../contracts/chunk-store.ts'
import { keyOf, seedOf } from '../support/fleet.ts'

const link = 1 as LinkId
const bytes = utf8('hello')
const content = sha256(bytes)

function made(change: { keepers?: Partial<Keepers>; links?: Partial<Links>; apply?: Works['apply'] } = {}): {
  effects: Effects
  inputs: MemberInput[]
  bugs: unknown[]
  written: string[]
} {
  const inputs: MemberInput[] = []
  const bugs: unknown[] = []
  const written: string[] = []
  const kept = new Map<Digest, Uint8Array>()
  const note = (what: string) => (): Promise<void> => {
    written.push(what)
    return Promise.resolve()
  }
  const store = change.keepers?.store ?? new MemoryStore()
  const keepers: Keepers = {
    store,
    open: (ref) => store.open(ref),
    older: () => Promise.resolve(undefined),
    saveTrust: (state) => note(`trust ${state.byteLength}`)(),
    saveAddresses: note('addresses'),
    saveDevice: note('device'),
    savePackages: (_peer, { count }) => note('packages')().then(() => count > 0),
    appendJournal: (entry) => note(`journal ${entry.type}`)(),
    outbox: {
      put: (name, sealed) => Promise.resolve(void kept.set(name, sealed)),
      read: (name) => Promise.resolve(kept.get(name)),
      remove: (name) => Promise.resolve(void kept.delete(name)),
    },
    ...change.keepers,
  }
  const effects = new Effects({
    keepers,
    works: {
      prepare: () => Promise.resolve({ type: 'prepared', engine: 'pretend' }),
      apply: change.apply ?? (() => Promise.resolve({ type: 'results', results: [] })),
      observe: () => Promise.resolve({ type: 'findings', findings: [] }),
      check: () => Promise.resolve({ name: 'm', outcome: 'pass', said: '' }),
    },
    takeInventory: () => Promise.resolve({ packages: '', machine: {} }),
    probations: { carryOut: () => Promise.resolve(undefined) },
    device: keyOf('device'),
    log: silentLog,
    originBox: () => boxKey(seedOf('box')).public,
    feed: (input) => inputs.push(input),
    onBug: (error) => bugs.push(error),
  })
  effects.attach((change.links ?? {}) as Links)
  return { effects, inputs, bugs, written }
}

/** A network that brings these chunks, and tells how `onChunk` took them. */
const bringing = (...chunks: Uint8Array[]): { links: Partial<Links>; ends: unknown[] } => {
  const ends: unknown[] = []
  const links: Partial<Links> = {
    fetch: async (_link, _run, onChunk) => {
      for (const [index, chunk] of chunks.entries()) {
        try {
          await onChunk(index, chunk, 'whole')
        } catch (error) {
          ends.push(error)
          return 'failed'
        }
      }
      return 'done'
    },
  }
  return { links, ends }
}
const fetch = { type: 'fetch', fetch: 5, link, run: { content, first: 0, count: 1 } } as const

describe('carrying out effects', () => {
  const full = (): Promise<void> => Promise.reject(new Unavailable('DISK_FULL', { message: 'No room' }))
  const entry = { type: 'report', seq: 1 } as const

  it('an apply whose window closed before it began is told so, and the next one is not', async () => {
    const closed: boolean[] = []
    const { effects } = made({
      apply: (_name, _version, { closing }) => {
        closed.push(closing.aborted)
        return Promise.resolve({ type: 'results', results: [] })
      },
    })
    effects.carryOut({ type: 'end-apply', name: 'web', version: 1 })
    for (const version of [1, 2]) {
      effects.carryOut({ type: 'apply', name: 'web', version })
      await effects.settled()
    }
    expect(closed).toEqual([true, false])
  })

  it('an apply that cannot be noted beforehand does not happen, and says so', async () => {
    const ran: string[] = []
    const { effects, inputs } = made({
      keepers: { appendJournal: full },
      apply: () => Promise.resolve(void ran.push('apply')).then(() => ({ type: 'results', results: [] })),
    })
    effects.carryOut({ type: 'journal', entry })
    effects.carryOut({ type: 'apply', name: 'web', version: 1 })
    await effects.settled()
    expect(ran).toEqual([])
    expect(inputs).toEqual([
      { type: 'applied', name: 'web', version: 1, outcome: { type: 'failed', reason: 'nothing was changed: No room' } },
    ])
  })

  it.each(['appendJournal', 'put'])('a report that cannot be written is told anew: %s', async (write) => {
    const outbox = { put: full, read: () => Promise.resolve(undefined), remove: () => Promise.resolve() }
    const { effects, inputs } = made({ keepers: write === 'put' ? { outbox } : { appendJournal: full } })
    effects.carryOut({ type: 'journal', entry })
    effects.carryOut({ type: 'seal', seq: 1, keep: 0, body: utf8('{}') })
    await effects.settled()
    expect(inputs).toEqual([{ type: 'unreported' }])
  })

  it('a chunk is verified and stored before the machine hears of it', async () => {
    const { effects, inputs } = made(bringing(bytes))
    effects.carryOut({ type: 'open', ref: { digest: content, length: bytes.byteLength } })
    await effects.settled()
    effects.carryOut(fetch)
    await effects.settled()
    expect(inputs).toMatchObject([
      { type: 'opened', chunks: 1 },
      { type: 'chunk', fetch: 5, verdict: 'stored' },
      { type: 'fetch-ended', end: 'done' },
    ])
  })

  it('a wrong chunk is told as wrong, and a full disk as such; neither ends the process', async () => {
    const wrong = made(bringing(utf8('other')))
    wrong.effects.carryOut({ type: 'open', ref: { digest: content, length: bytes.byteLength } })
    await wrong.effects.settled()
    wrong.effects.carryOut(fetch)
    await wrong.effects.settled()
    expect(wrong.inputs[1]).toMatchObject({ type: 'chunk', verdict: 'wrong' })
    const network = bringing(bytes)
    const store = Object.assign(new MemoryStore(), {
      put: () => Promise.reject(new Unavailable('DISK_FULL', { message: 'full' })),
    })
    const full = made({ ...network, keepers: { store } })
    full.effects.carryOut(fetch)
    await full.effects.settled()
    expect(full.inputs).toMatchObject([
      { type: 'chunk', verdict: 'unstored' },
      { type: 'fetch-ended', end: 'failed' },
    ])
    expect(network.ends).toMatchObject([{ code: 'CHUNK_UNSTORED' }])
    expect([...wrong.bugs, ...full.bugs]).toEqual([])
  })

  describe('a chunk that resembles older bytes', () => {
    const olderBytes = madeBytes('older', 60_000)
    const chunk = concatBytes(olderBytes.subarray(0, 30_000), utf8('new'), olderBytes.subarray(30_000))
    const run = { content: sha256(chunk), first: 0, count: 1 }

    /** A member that has the older bytes fetches the chunk from one that has it whole, which changes patches by `twist`. */
    async function fetched(twist: (patch: Uint8Array) => Uint8Array = (patch) => patch): Promise<{
      asker: ReturnType<typeof made>
      server: ReturnType<typeof made>
      sketches: (Uint8Array | undefined)[]
      again: () => Promise<void>
    }> {
      const [serving, asking] = [new MemoryStore(), new MemoryStore()]
      const ref = await serving.add([chunk])
      await asking.open(ref)
      const sketches: (Uint8Array | undefined)[] = []
      let take: Parameters<Links['fetch']>[2]
      let over = Promise.withResolvers<'done' | 'failed'>()
      const server = made({
        keepers: { store: serving },
        links: {
          answer: (_ask, index, sent, form = 'whole') =>
            take(index, form === 'patch' ? twist(sent) : sent, form).catch(() => over.resolve('failed')),
          finish: () => over.resolve('done'),
        },
      })
      const asker = made({
        keepers: { store: asking, older: () => Promise.resolve(olderBytes) },
        links: {
          fetch: (_link, asked, onChunk, _signal, sketch) => {
            take = onChunk
            over = Promise.withResolvers()
            sketches.push(sketch)
            server.effects.events().asked(link, 1, asked, sketch)
            server.effects.carryOut({ type: 'serve', link, ask: 1, run: asked })
            return over.promise
          },
        },
      })
      const again = async (): Promise<void> => {
        asker.effects.carryOut({ type: 'fetch', fetch: 5, link, run })
        await asker.effects.settled()
      }
      await again()
      return { asker, server, sketches, again }
    }

    it('comes as its difference, and both sides count what crossed', async () => {
      const { asker, server } = await fetched()
      expect(asker.inputs).toMatchObject([
        { type: 'chunk', fetch: 5, verdict: 'stored' },
        { type: 'fetch-ended', end: 'done' },
      ])
      const [came] = asker.inputs.filter((input) => input.type === 'chunk')
      expect(came?.bytes).toBeLessThan(6_000)
      expect(server.inputs.find((input) => input.type === 'served')).toMatchObject({ bytes: came?.bytes })
    })

    it.each([
      ['makes other bytes', (patch: Uint8Array) => concatBytes(patch, Uint8Array.of(0, 0, 0, 1, 9))],
      ['cannot be followed', () => Uint8Array.of(1)],
    ])("is nobody's fault where its difference %s: it is asked for whole then", async (_, twist) => {
      const { asker, sketches, again } = await fetched(twist)
      expect(asker.inputs).toMatchObject([{ type: 'fetch-ended', end: 'failed' }])
      await again()
      expect(sketches.map(Boolean)).toEqual([true, false])
      expect(asker.inputs[1]).toMatchObject({ type: 'chunk', bytes: chunk.byteLength, verdict: 'stored' })
      expect(asker.bugs).toEqual([])
    })
  })

  it('a number is on disk before a report is sealed with it', async () => {
    const order: string[] = []
    const { effects, inputs } = made({
      keepers: {
        appendJournal: async () => {
          await new Promise((resolve) => setTimeout(resolve, 20))
          order.push('journal')
        },
        outbox: {
          put: () => Promise.resolve(void order.push('outbox')),
          read: () => Promise.resolve(undefined),
          remove: () => Promise.resolve(),
        },
      },
    })
    effects.carryOut({ type: 'journal', entry: { type: 'report', seq: 1 } })
    effects.carryOut({ type: 'seal', seq: 1, keep: 0, body: bytes })
    await effects.settled()
    expect([order, inputs[0]?.type]).toEqual([['journal', 'outbox'], 'spooled'])
  })

  it('of many states of trust that wait only the newest is written', async () => {
    const { effects, written } = made()
    for (const size of [1, 2, 3, 4]) effects.carryOut({ type: 'save-trust', bytes: new Uint8Array(size) })
    await effects.settled()
    expect(written).toEqual(['trust 4'])
  })

  it('a dial that fails is an input, and a mistake of ours is told to whoever ends the process', async () => {
    const failing = made({
      links: { dial: () => Promise.reject(new Unavailable('DIAL_FAILED', { message: 'nobody' })) },
    })
    failing.effects.carryOut({ type: 'dial', address: '/ip4/10.0.0.1/tcp/1' as Address })
    await failing.effects.settled()
    expect(failing.inputs).toMatchObject([{ type: 'dial-failed', reason: 'nobody' }])
    const buggy = made({ keepers: { saveAddresses: () => Promise.reject(new TypeError('oops')) } })
    buggy.effects.carryOut({ type: 'save-addresses', known: [] })
    await buggy.effects.settled()
    expect(buggy.bugs).toHaveLength(1)
    const full = made({
      keepers: { saveAddresses: () => Promise.reject(new Unavailable('DISK_FULL', { message: 'full' })) },
    })
    full.effects.carryOut({ type: 'save-addresses', known: [] })
    await full.effects.settled()
    expect(full.bugs).toEqual([])
  })

  it('an ask is served from the store, and denied where the chunk is not here', async () => {
    const answers: unknown[] = []
    const links: Partial<Links> = {
      answer: (ask, index, chunk) => Promise.resolve(void answers.push([ask, index, chunk.byteLength])),
      finish: (ask, denied) => void answers.push([ask, denied ?? 'done']),
    }
    const store = new MemoryStore()
    await store.add([bytes])
    const { effects, inputs } = made({ links, keepers: { store } })
    effects.carryOut({ type: 'serve', link, ask: 1, run: { content, first: 0, count: 1 } })
    effects.carryOut({ type: 'serve', link, ask: 2, run: { content: sha256(utf8('x')), first: 0, count: 1 } })
    await effects.settled()
    expect(answers).toEqual(
      expect.arrayContaining([
        [1, 0, 5],
        [1, 'done'],
        [2, 'NOT_HERE'],
      ]),
    )
    expect(inputs).toEqual([{ type: 'served', link, content, bytes: 5 }])
    expect(new Refused('X', { message: 'x' }).exitCode).toBe(4)
  })

  it('a part of an ask tells how much went out, only the last one ends it, and its sketch serves all parts', async () => {
    const older = madeBytes('older', 60_000)
    const chunk = concatBytes(older.subarray(0, 30_000), utf8('new'), older.subarray(30_000))
    const sent: unknown[] = []
    let isThere = true
    const links: Partial<Links> = {
      answer: (_ask, index, _bytes, form) =>
        isThere
          ? Promise.resolve(void sent.push([index, form]))
          : Promise.reject(new Unavailable('X', { message: 'x' })),
      finish: (ask) => void sent.push(['end', ask]),
    }
    const store = new MemoryStore()
    const ref = await store.add([chunk, chunk])
    const { effects, inputs } = made({ links, keepers: { store } })
    const run = { content: ref.digest, first: 0, count: 2 }
    const serve = async (first: number, part: 'more' | 'last'): Promise<void> => {
      effects.carryOut({ type: 'serve', link, ask: 1, run: { ...run, first, count: 1 }, part })
      await effects.settled()
    }
    effects.events().asked(link, 1, run, new OlderBytes(older).sketch)
    await serve(0, 'more')
    await serve(1, 'last')
    isThere = false
    await serve(0, 'more')
    expect(sent).toEqual([
      [0, 'patch'],
      [1, 'patch'],
      ['end', 1],
    ])
    const parts = inputs.filter((input) => input.type === 'part-served')
    expect(parts.map(({ isGone }) => isGone)).toEqual([false, false, true])
    expect(parts[0]?.bytes).toBe(inputs.find((input) => input.type === 'served')?.bytes)
    expect(parts[2]?.bytes).toBe(0)
  })

  it('asks of one neighbour are served one after the other, and the next also where one is given up', async () => {
    const answers: number[] = []
    const gate = Promise.withResolvers<void>()
    const links: Partial<Links> = {
      answer: (ask) => {
        answers.push(ask)
        return ask === 1 ? gate.promise : Promise.resolve()
      },
      finish: () => {},
    }
    const store = new MemoryStore()
    await store.add([bytes])
    const { effects } = made({ links, keepers: { store } })
    const other = (link + 1) as LinkId
    for (const [ask, to] of [
      [1, link],
      [2, link],
      [3, other],
    ] as const)
      effects.carryOut({ type: 'serve', link: to, ask, run: { content, first: 0, count: 1 } })
    await expect.poll(() => answers).toEqual([1, 3])
    gate.reject(new Unavailable('ASKER_GONE', { message: 'gone' }))
    await effects.settled()
    expect(answers).toEqual([1, 3, 2])
  })
})

/** The ledger as people and programs read it: names, sums, one content alone, and what is left of it after a restart. */
import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { encodeManifest, type ManifestFile } from '#content/manifest.ts'
import { LedgerBook } from '#node/ledger-book.ts'
import type { Session } from '#node/session.ts'
import { why } from '#node/why.ts'
import type { Ledger } from '#protocol/ledger.ts'
import { Site, Stage, siteStart } from '../support/site.ts'

const digestOf = (label: string): Digest => sha256(utf8(label))
const file = (path: string, content: number, digest: Digest, length: number, offset = 0): ManifestFile => ({
  path,
  mode: 0o644,
  length,
  digest,
  content,
  offset,
})
const large = { digest: digestOf('large'), length: 100_000, list: { digest: digestOf('list'), length: 72 } }
const pack = { digest: digestOf('pack'), length: 20 }
const manifest = encodeManifest({
  name: 'web',
  version: 3,
  contents: [large, pack],
  files: [
    file('files/a', 1, digestOf('a'), 10),
    file('files/b', 1, digestOf('b'), 10, 10),
    file('packages/data.bin', 0, large.digest, large.length),
  ],
})
const manifestRef = { digest: sha256(manifest), length: manifest.byteLength }

let site: Site
let stage: Stage
let notes: Map<string, unknown>
let writes: number

const ledgerOf = (): Ledger => stage.member.protocol.ledger
const index = {
  getNote: (key: string) => Promise.resolve(notes.get(key)),
  putNote: (key: string, note: unknown) => {
    writes++
    notes.set(key, JSON.parse(JSON.stringify(note)))
    return Promise.resolve()
  },
}
const store = {
  readWhole: (content: Digest) => Promise.resolve(content === manifestRef.digest ? manifest : undefined),
}
const open = (now = stage.now): Promise<LedgerBook> =>
  LedgerBook.open({ index, store, protocol: stage.member.protocol, now })
const asked = async (args: Record<string, unknown> = {}): Promise<Awaited<ReturnType<typeof why>>> =>
  why({ member: stage.member, ledgerBook: await open() } as unknown as Session, args)

beforeEach(() => {
  notes = new Map()
  writes = 0
  site = new Site()
  site.release([{ name: 'web', version: 3, manifest: manifestRef, custom: {} }])
  stage = new Stage(site, site.person('relay', { role: 'relay' }))
})

describe('why', () => {
  it('calls contents by their bundle and files', async () => {
    for (const { digest } of [large, large.list, pack, manifestRef]) ledgerOf().chunk(true, 'down', digest, 10)
    ledgerOf().chunk(true, 'up', digestOf('forgotten'), 1)
    const { contents } = await asked()
    expect(contents.map(({ name }) => name)).toEqual([
      'web 3: packages/data.bin',
      'web 3: list of packages/data.bin',
      'web 3: 2 files, files/a …',
      'web 3: manifest',
      null,
    ])
    expect(contents[0]).toMatchObject({ bundle: 'web', version: 3, what: 'file', path: 'packages/data.bin' })
  })

  it('has lines that add up to what crossed the line, with the reasons of what came in vain', async () => {
    const link = stage.meet(site.origin, { direction: 'out' })
    stage.say(link, { t: 'want', contents: [large.digest] })
    ledgerOf().chunk(true, 'down', large.digest, 1000, { peer: site.origin.peer })
    ledgerOf().chunk(true, 'down', large.digest, 300, { peer: site.origin.peer, reason: 'lease-expired' })
    const document = await asked()
    const lines = [...document.contents, ...document.control, document.older]
    for (const key of ['downBytes', 'upBytes'] as const)
      expect(lines.reduce((sum, line) => sum + line[key], 0)).toBe(document[key])
    expect(document.upBytes).toBeGreaterThan(0)
    expect(document).toMatchObject({ duplicateBytes: 300, duplicates: { 'lease-expired': 300 }, neededBytes: 1000 })
    expect(document.factor).toBeCloseTo(document.downBytes / 1000, 3)
    expect(document.contents[0]?.peers).toEqual([
      { peerId: site.origin.peer, name: 'origin', site: 'origin', downBytes: 1300, upBytes: 0, duplicateBytes: 300 },
    ])
  })

  it('shows one content by the beginning of its digest, also one that never crossed the line', async () => {
    ledgerOf().chunk(true, 'down', large.digest, 10)
    expect((await asked({ content: large.digest.slice(0, 8) })).contents).toMatchObject([{ content: large.digest }])
    expect((await asked({ content: pack.digest })).contents).toMatchObject([{ content: pack.digest, downBytes: 0 }])
  })

  it.each([
    ['what is no digest', 'xyz', 'CONTENT_PREFIX_INVALID'],
    ['more than a digest', 'a'.repeat(65), 'CONTENT_PREFIX_INVALID'],
    ['what nobody knows', digestOf('nobody'), 'CONTENT_UNKNOWN'],
  ])('refuses %s', async (_what, content, code) => {
    await expect(asked({ content })).rejects.toMatchObject({ code })
  })

  it('asks for more digits where several begin so', async () => {
    for (let number = 0; number < 40; number++) ledgerOf().chunk(true, 'down', digestOf(String(number)), 1)
    const common = digestOf('7').slice(0, 1)
    await expect(asked({ content: common })).rejects.toMatchObject({ code: 'CONTENT_AMBIGUOUS' })
  })
})

describe('the ledger over a restart', () => {
  it('goes on with its sums, its beginning and its names, also of a bundle that was replaced', async () => {
    const book = await open()
    ledgerOf().chunk(true, 'down', large.digest, 1000, { peer: 'origin' })
    await book.save()
    site.release([])
    stage = new Stage(site, stage.self)
    const { since, contents, downBytes, neededBytes } = await asked()
    expect([since, downBytes, neededBytes]).toEqual([new Date(siteStart).toISOString(), 1000, 1000])
    expect(contents).toMatchObject([{ name: 'web 3: packages/data.bin', downBytes: 1000 }])
  })

  it('is written only where something was entered', async () => {
    const book = await open()
    await book.save()
    ledgerOf().chunk(false, 'down', large.digest, 1)
    await book.save()
    await book.save()
    await (await open()).save()
    expect(writes).toBe(1)
  })

  it('begins anew where what is there is of another program', async () => {
    notes.set('ledger', { v: 2, everything: 'else' })
    expect((await open()).since).toBe(stage.now)
  })
})

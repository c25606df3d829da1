import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { after, day } from '#base/time.ts'
import type { MemberEffect } from '#member/member.ts'
import type { LinkId } from '#protocol/link.ts'
import { announcementBytesMax, askAgainMs, messageBytesMax, packBytesMax, packMs } from '#protocol/params.ts'
import type { Message } from '#protocol/wire.ts'
import type { BundleTarget, MetadataPack } from '#trust/metadata-pack.ts'
import { decodePack, encodePack } from '#trust/pack-codec.ts'
import { nextRelease } from '#trust/repository.ts'
import { announced, of, Site, siteStart, Stage, type Person } from '../support/site.ts'

let site: Site
let stage: Stage
let bob: Person
let link: LinkId

beforeEach(() => {
  site = new Site()
  stage = new Stage(site, site.person('alice'))
  bob = site.person('bob')
  stage.start()
  link = stage.meet(bob)
})

const bundle = (name: string, custom: Record<string, unknown> = {}): BundleTarget => ({
  name,
  version: 1,
  manifest: { digest: sha256(utf8(name)), length: 10 },
  custom: { select: { labels: { for: 'nobody' } }, ...custom },
})
/** A release whose metadata has about this many bytes. */
const largeRelease = (bytes: number): MetadataPack =>
  site.release(
    Array.from({ length: Math.ceil(bytes / 1_000) }, (_, number) => bundle(`b${number}`, { note: 'n'.repeat(780) })),
  )
const gossip = (pack: MetadataPack | Uint8Array, on: LinkId = link): MemberEffect[] =>
  stage.feed({ type: 'gossip', link: on, bytes: pack instanceof Uint8Array ? pack : announced(pack) })
const verdict = (effects: readonly MemberEffect[]): string[] => of('verdict', effects).map((effect) => effect.verdict)
const events = (effects: readonly MemberEffect[]): string[] => of('log', effects).map(({ event }) => event)
const kinds = (effects: readonly MemberEffect[], on: LinkId = link): string[] =>
  stage.said(on, effects).map(({ t }) => t)
const asks = (effects: readonly MemberEffect[], on: LinkId = link): number =>
  stage.said(on, effects).filter((message) => message.t === 'head' && message.ask).length
const packs = (effects: readonly MemberEffect[]): number => kinds(effects).filter((kind) => kind === 'pack').length
const release = (): number => stage.member.protocol.self.set.release
/** A pack in parts, as `tell` cuts it. */
function partsOf(pack: MetadataPack): Extract<Message, { t: 'pack' }>[] {
  const bytes = encodePack(pack)
  const size = messageBytesMax / 2
  const parts = Math.max(1, Math.ceil(bytes.byteLength / size))
  return Array.from({ length: parts }, (_, part) => ({
    t: 'pack',
    part,
    parts,
    bytes: bytes.subarray(part * size, (part + 1) * size),
  }))
}

describe('an announcement', () => {
  it('that is newer and valid is passed on, kept durably, and taken up', () => {
    const effects = gossip(site.release([bundle('web')]))
    expect([verdict(effects), release()]).toEqual([['accept'], 2])
    expect(of('save-trust', effects)).toHaveLength(1)
    expect(decodePack(of('save-trust', effects)[0]?.bytes ?? new Uint8Array(), packBytesMax)).toEqual(site.newest)
  })

  it('that we have already is not passed on again', () => {
    const pack = site.release([])
    gossip(pack)
    const again = gossip(pack)
    expect([verdict(again), kinds(again)]).toEqual([['ignore'], []])
  })

  it('that is older goes no further, and its bringer is sent what is newer', () => {
    const old = site.heartbeat()
    gossip(site.release([bundle('web')]))
    const effects = gossip(old)
    // Told already as its link is young: it is told again when it still does not know after a while.
    expect([verdict(effects), packs(effects), packs(stage.pass(askAgainMs)), release()]).toEqual([['ignore'], 0, 1, 2])
  })

  it('by a key we do not know is nobody’s fault: its bringer is asked for the rest', () => {
    const effects = gossip(new Site('other').release([]))
    expect([verdict(effects), asks(effects), stage.farewell(link).byes]).toEqual([['ignore'], 1, []])
  })

  it('of a timestamp alone is taken for what it says: there is more, and its bringer is asked for it', () => {
    const { timestamp } = largeRelease(40_000)
    const effects = gossip({ roots: [], ...(timestamp && { timestamp }), roles: new Map(), documents: new Map() })
    expect([verdict(effects), asks(effects), release()]).toEqual([['accept'], 1, 1])
    for (const part of partsOf(site.newest)) stage.say(link, part)
    expect(release()).toBe(2)
  })

  it('that does not make the set whole is no proof of its other parts: it goes no further, and the rest is asked for', () => {
    site.release([], { revocations: { issuers: new Set(), peers: new Set(), tokens: new Set() } })
    const { timestamp, snapshot, roles } = site.release([bundle('web')])
    const news = { roots: [], ...(timestamp && { timestamp }), documents: new Map() }
    const partial = gossip({
      ...news,
      ...(snapshot && { snapshot }),
      roles: new Map([...roles].filter(([name]) => name === 'bundles')),
    })
    expect([verdict(partial), asks(partial), release()]).toEqual([['ignore'], 1, 1])
    const carol = stage.meet(site.person('carol'), { versions: site.versions(site.first) })
    const { timestamp: next } = site.release([])
    const forged = gossip(
      { ...news, ...(next && { timestamp: next }), roles: new Map([['bundles', utf8('forged')]]) },
      carol,
    )
    expect([verdict(forged), asks(forged, carol)]).toEqual([['ignore'], 1])
  })

  it('carries no roots: one that does is rejected unread, for whoever lacks a root asks for it', () => {
    const effects = gossip(encodePack(site.release([bundle('web')])))
    expect([verdict(effects), release(), of('save-trust', effects)]).toEqual([['reject'], 1, []])
    expect(of('log', effects).map(({ fields }) => fields['what'])).toEqual(['GOSSIP_REFUSED'])
  })

  it('that is noise is rejected, and the third one ends the link', () => {
    const verdicts = [1, 2, 3].map(() => verdict(gossip(utf8('noise'))))
    expect(verdicts).toEqual([['reject'], ['reject'], ['reject']])
    const blamed = of('log', stage.effects).filter(({ event }) => event === 'peer.blamed')
    expect(blamed.map(({ fields }) => fields['what'])).toEqual(['GOSSIP_REFUSED', 'GOSSIP_REFUSED', 'GOSSIP_REFUSED'])
    expect(stage.farewell(link).byes).toEqual(['BANNED'])
  })

  it('larger than an announcement may be is rejected whatever it holds', () => {
    expect(verdict(gossip(largeRelease(announcementBytesMax + 1_000)))).toEqual(['reject'])
    expect(release()).toBe(1)
  })

  it('that has expired is not taken, and not held against who carried it', () => {
    const pack = site.release([])
    stage.now = after(siteStart, 40 * day)
    const late = stage.meet(bob)
    const effects = gossip(pack, late)
    expect([verdict(effects), release(), stage.farewell(late).byes]).toEqual([['ignore'], 1, []])
    expect(of('log', effects).map(({ fields }) => fields['code'])).toEqual(['METADATA_EXPIRED'])
  })

  it('that differs from a valid one of the same version is kept back and cried out', () => {
    gossip(site.release([]))
    const other = nextRelease({
      previous: site.first,
      keys: site.keys,
      now: after(siteStart, 5_000),
      bundles: [bundle('evil')],
    })
    const effects = gossip(other)
    expect([verdict(effects), events(effects)]).toEqual([['ignore'], ['head.equivocation']])
    expect(stage.member.protocol.self.set.bundles()).toEqual([])
  })
})

describe('our own release', () => {
  beforeEach(() => {
    stage = new Stage(site, site.origin)
    stage.start()
  })

  it('is announced with everything that changed, where that is small', () => {
    const effects = stage.feed({ type: 'metadata', pack: site.release([bundle('web')]) })
    const [announced] = of('gossip', effects)
    const newcomer = new Stage(site, site.person('carol'), { pack: site.first })
    newcomer.start()
    const at = newcomer.meet(bob)
    newcomer.feed({ type: 'gossip', link: at, bytes: announced?.bytes ?? new Uint8Array() })
    expect(newcomer.member.protocol.self.set.release).toBe(2)
  })

  it('is taken as a whole or not at all: one that we would not accept from others is told to nobody', () => {
    const forged = new Site('other').release([bundle('web')])
    const { timestamp } = site.release([bundle('web')])
    const before = stage.effects.length
    const pack = { ...forged, roots: [], ...(timestamp && { timestamp }) }
    expect(() => stage.feed({ type: 'metadata', pack })).toThrow(/METADATA_HASH/)
    expect(stage.effects.slice(before)).toEqual([])
  })

  it('is announced by its timestamp alone where it is large', () => {
    const effects = stage.feed({ type: 'metadata', pack: largeRelease(40_000) })
    expect(of('gossip', effects)[0]?.bytes.byteLength).toBeLessThan(2_000)
  })
})

describe('two members that meet', () => {
  it('the one ahead tells at once, unasked; the other waits for it and asks nothing', () => {
    const before = site.versions()
    const pack = site.release([bundle('web')])
    gossip(pack)
    const behind = stage.meet(site.person('carol'), { versions: before })
    expect(kinds(stage.effects, behind)).toContain('pack')
    const ahead = stage.meet(site.person('dave'), { versions: { ...site.versions(), timestamp: 99 } })
    expect(kinds(stage.effects, ahead)).not.toContain('head')
  })

  it('a newer root comes before a newer timestamp, for it may have taken that one’s authority away', () => {
    gossip(site.heartbeat())
    const rooted = { ...site.versions(site.first), root: 2, timestamp: 0, snapshot: 0 }
    const ahead = stage.meet(site.person('dave'), { versions: rooted })
    expect(kinds(stage.effects, ahead)).not.toContain('pack')
    expect(asks(stage.say(ahead, { t: 'head', versions: rooted, ask: false }), ahead)).toBe(0)
    expect(asks([...stage.pass(packMs), ...stage.say(ahead, { t: 'head', versions: rooted, ask: false })])).toBe(1)
  })

  it('where the one ahead stays silent, another is asked', () => {
    const ahead = stage.meet(site.person('dave'), { versions: { ...site.versions(), timestamp: 99 } })
    expect(asks(stage.pass(packMs - 1)) + asks(stage.effects, ahead)).toBe(0)
    expect(asks(stage.pass(1))).toBe(1)
  })

  it('a newcomer that knows nothing is brought up by a whole pack, step by step from the first root', () => {
    const newcomer = new Stage(site, site.person('carol'), { isNewcomer: true })
    newcomer.start()
    const at = newcomer.meet(bob)
    for (const part of partsOf(site.newest)) newcomer.say(at, part)
    expect(newcomer.member.protocol.self.set.complete).toBe(true)
  })
})

describe('a pack', () => {
  it('passes in parts, however large the release', () => {
    const parts = partsOf(largeRelease(700_000))
    expect(parts.length).toBeGreaterThan(6)
    for (const part of parts) stage.say(link, part)
    expect(release()).toBe(2)
  })

  it('brought up a member: it tells the neighbours of its site that were not, at once', () => {
    const carol = stage.meet(site.person('carol'))
    const effects = partsOf(site.release([bundle('web')])).flatMap((part) => stage.say(link, part))
    expect(kinds(effects, carol)).toEqual(['pack'])
  })

  it('whose parts come out of order is refused, and costs its sender', () => {
    const [, second] = partsOf(largeRelease(700_000))
    const effects = second ? stage.say(link, second) : []
    expect(of('log', effects).map(({ fields }) => fields['what'])).toContain('PACK_INVALID')
  })

  it('that grows beyond the limit is refused before it is whole', () => {
    const bytes = new Uint8Array(messageBytesMax - 1_000)
    let refused: number | undefined
    for (let part = 0; part < 20 && refused === undefined; part++)
      if (events(stage.say(link, { t: 'pack', part, parts: 21, bytes })).includes('peer.blamed')) refused = part
    expect(refused).toBe(Math.floor(packBytesMax / bytes.byteLength))
  })

  it('that comes slowly over a thin line is waited for as long as it comes', () => {
    const carol = stage.meet(site.person('carol'))
    const parts = partsOf(largeRelease(700_000))
    const { timestamp } = site.newest
    gossip({ roots: [], ...(timestamp && { timestamp }), roles: new Map(), documents: new Map() })
    const quiet = parts.flatMap((part) => [...stage.pass(packMs - 1_000), ...stage.say(link, part)])
    expect([asks(quiet, carol), release()]).toEqual([0, 2])
  })

  it('that was late is still taken when it goes on, and is not held against its sender', () => {
    const [first, ...rest] = partsOf(largeRelease(700_000))
    stage.say(link, { t: 'head', versions: site.versions(), ask: false })
    if (first) stage.say(link, first)
    stage.pass(5 * packMs)
    for (const part of rest) stage.say(link, part)
    expect([release(), events(stage.effects).includes('peer.blamed')]).toEqual([2, false])
  })

  it('that got lost is sent again once its receiver says what it has', () => {
    const before = site.versions()
    gossip(site.release([bundle('web')]))
    stage.say(link, { t: 'head', versions: before, ask: false })
    const again = stage.say(link, { t: 'head', versions: before, ask: false })
    expect(packs([...again, ...stage.pass(askAgainMs)])).toBe(1)
  })

  it('is drawn from us no more often than an honest member would ask, whatever versions it claims', () => {
    for (const part of partsOf(largeRelease(700_000))) stage.say(link, part)
    const nothing = { root: 0, timestamp: 0, snapshot: 0, roles: {} }
    let bytes = 0
    for (let ms = 0; ms < 10_000; ms += 10) {
      const claimed = { ...nothing, timestamp: ms % 3 }
      const effects = [...stage.say(link, { t: 'head', versions: claimed, ask: ms % 20 === 0 }), ...stage.pass(10)]
      for (const message of stage.said(link, effects)) if (message.t === 'pack') bytes += message.bytes.byteLength
    }
    const once = encodePack(site.newest).byteLength
    // What it draws is still what an honest member that lost everything would need.
    expect(bytes).toBeGreaterThan(5 * once)
    expect(bytes).toBeLessThanOrEqual((10_000 / askAgainMs + 1) * once)
  })

  it('that is owed is not sent to a link that is gone, and a newer release does not wait for it', () => {
    const before = site.versions()
    gossip(site.release([bundle('web')]))
    stage.pass(askAgainMs)
    const ask = (): MemberEffect[] => stage.say(link, { t: 'head', versions: before, ask: true })
    expect([packs(ask()), packs(ask())]).toEqual([1, 0])
    gossip(site.release([bundle('db')]), stage.meet(site.person('carol')))
    expect(packs(ask())).toBeLessThanOrEqual(1)
    const told = stage
      .said(link)
      .flatMap((message) => (message.t === 'pack' ? decodePack(message.bytes, packBytesMax) : []))
    expect(told.at(-1)?.timestamp).toEqual(site.newest.timestamp)
    ask()
    stage.lose(link)
    expect(packs(stage.pass(2 * askAgainMs))).toBe(0)
  })

  it('that never completes makes us ask again, but with a pause between', () => {
    stage.say(link, { t: 'head', versions: { ...site.versions(), timestamp: 99 }, ask: false })
    const empty = encodePack({ roots: [], roles: new Map(), documents: new Map() })
    let count = 0
    for (let ms = 0; ms < 10_000; ms += 10)
      count += asks([...stage.say(link, { t: 'pack', part: 0, parts: 1, bytes: empty }), ...stage.pass(10)])
    expect(count).toBeGreaterThan(2)
    expect(count).toBeLessThanOrEqual(10_000 / askAgainMs + 1)
  })

  it('is never sent by a member that has only a part of the newest set itself', () => {
    const { timestamp } = largeRelease(40_000)
    gossip({ roots: [], ...(timestamp && { timestamp }), roles: new Map(), documents: new Map() })
    expect(kinds(stage.say(link, { t: 'head', versions: site.versions(site.first), ask: true }))).toEqual([])
  })
})

import * as fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import type { DuplicateReason } from '#protocol/account.ts'
import { Ledger, type LedgerState } from '#protocol/ledger.ts'
import type { LinkId } from '#protocol/link.ts'
import { ledgerContentsMax, peersPerContentMax } from '#protocol/params.ts'
import { encodeMessage } from '#protocol/wire.ts'
import { chunk, fetches, have, large, opened, replaceStage, want } from '../support/exchange-stage.ts'
import { announced, addressOf, of, Site, Stage } from '../support/site.ts'

const content = sha256(utf8('content'))

/** What every account of the ledger says, summed. */
function sumOf(ledger: Ledger): { downBytes: number; upBytes: number } {
  const accounts = [...Object.values(ledger.control), ledger.older, ...ledger.entries().map((entry) => entry[1])]
  return {
    downBytes: accounts.reduce((sum, { downBytes }) => sum + downBytes, 0),
    upBytes: accounts.reduce((sum, { upBytes }) => sum + upBytes, 0),
  }
}

describe('the ledger', () => {
  it('counts what crosses the line by content, direction and peer, and chunks inside the site only as a sum', () => {
    const ledger = new Ledger()
    ledger.chunk(true, 'down', content, 100, { peer: 'origin' })
    ledger.chunk(true, 'up', content, 7, { peer: 'far' })
    ledger.chunk(false, 'down', content, 50, { peer: 'near' })
    const [[digest, account] = [], ...others] = ledger.entries()
    expect([digest, account?.downBytes, account?.upBytes, others]).toEqual([content, 100, 7, []])
    expect([...(account?.peers ?? [])]).toEqual([
      ['origin', { downBytes: 100, upBytes: 0, duplicateBytes: 0 }],
      ['far', { downBytes: 0, upBytes: 7, duplicateBytes: 0 }],
    ])
    expect([ledger.wan, ledger.lan]).toEqual([
      { downBytes: 100, upBytes: 7 },
      { downBytes: 50, upBytes: 0 },
    ])
  })

  it('counts what came in vain as come, with the reason and the peer, and not as needed', () => {
    const ledger = new Ledger()
    ledger.chunk(true, 'down', content, 100, { peer: 'origin' })
    ledger.chunk(true, 'down', content, 30, { peer: 'origin', reason: 'already' })
    ledger.chunk(true, 'down', content, 5, { peer: 'far', reason: 'wrong' })
    ledger.chunk(false, 'down', content, 9, { reason: 'race' })
    expect([ledger.wan.downBytes, ledger.duplicateBytes, ledger.neededBytes]).toEqual([135, 35, 100])
    const account = ledger.entries()[0]?.[1]
    expect(account?.duplicates).toEqual({ already: 30, wrong: 5 })
    expect(account?.peers.get('origin')?.duplicateBytes).toBe(30)
  })

  it('beyond its limits sums older contents, and further peers, so that nothing is lost', () => {
    const ledger = new Ledger()
    for (let number = 0; number < ledgerContentsMax + 5; number++) {
      ledger.chunk(true, 'down', sha256(utf8(`content ${number}`)), 10, { peer: `peer ${number}`, reason: 'race' })
      // The first one has traffic again and again, so it stays.
      ledger.chunk(true, 'down', sha256(utf8('content 0')), 1, { peer: `peer ${number}` })
    }
    expect(ledger.entries()).toHaveLength(ledgerContentsMax)
    expect([ledger.olderContents, ledger.older.downBytes, ledger.older.duplicates]).toEqual([5, 50, { race: 50 }])
    const first = ledger.entries().at(-1)?.[1]
    expect(first?.peers.size).toBe(peersPerContentMax)
    expect(first?.others.downBytes).toBe(ledgerContentsMax + 5 - peersPerContentMax)
    expect(sumOf(ledger)).toEqual(ledger.wan)
  })

  it('whatever is entered, its lines add up to what crossed the line, also after a restart', () => {
    const entry = fc.record({
      outside: fc.boolean(),
      direction: fc.constantFrom('down', 'up'),
      content: fc.nat(30).map((number) => sha256(utf8(String(number)))),
      bytes: fc.nat(100_000),
      peer: fc.option(fc.nat(20).map(String), { nil: undefined }),
      reason: fc.option(fc.constantFrom<DuplicateReason>('already', 'wrong', 'race', 'unstored'), { nil: undefined }),
    })
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 200 }), fc.nat(200), (entries, restartAt) => {
        let ledger = new Ledger()
        const wan = { downBytes: 0, upBytes: 0 }
        for (const [at, { outside, direction, content, bytes, peer, reason }] of entries.entries()) {
          if (at === restartAt) {
            const before: LedgerState = JSON.parse(JSON.stringify(ledger.state()))
            ledger = new Ledger()
            ledger.restore(before)
          }
          ledger.chunk(outside, direction, content, bytes, { peer, reason: direction === 'down' ? reason : undefined })
          if (outside) wan[direction === 'down' ? 'downBytes' : 'upBytes'] += bytes
        }
        expect([ledger.wan, sumOf(ledger)]).toEqual([wan, wan])
        for (const [, account] of ledger.entries()) {
          const shares = [...account.peers.values(), account.others]
          expect(shares.reduce((sum, share) => sum + share.downBytes, 0)).toBe(account.downBytes)
          expect(shares.reduce((sum, share) => sum + share.duplicateBytes, 0)).toBe(account.duplicateBytes)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('after a restart goes on where it was', () => {
    const ledger = new Ledger()
    ledger.chunk(true, 'down', content, 100, { peer: 'origin', reason: 'race' })
    ledger.chunk(false, 'down', content, 3)
    const next = new Ledger()
    next.restore(JSON.parse(JSON.stringify(ledger.state())))
    expect(next.state()).toEqual(ledger.state())
    expect([next.wan, next.lan]).toEqual([ledger.wan, ledger.lan])
  })
})

describe('what a member enters', () => {
  let site: Site
  let stage: Stage
  /** The bytes said on a link by us. */
  const saidBytes = (link: LinkId): number =>
    of('send', stage.effects).reduce((sum, effect) => sum + (effect.link === link ? effect.bytes.byteLength : 0), 0)

  beforeEach(() => {
    site = new Site()
    stage = new Stage(site, site.person('relay', { role: 'relay' }))
    stage.start()
  })

  it('is every byte of every message, also of those before the hello told whether the other side is of our site', () => {
    const outside = stage.meet(site.origin, { direction: 'out', address: addressOf(200) })
    const inside = stage.meet(site.person('bob'))
    stage.pass(60_000)
    const { wan, lan, controlBytes } = stage.member.protocol.ledger
    expect([wan.upBytes, lan.upBytes]).toEqual([saidBytes(outside), saidBytes(inside)])
    const hello = {
      t: 'hello',
      wire: 1,
      membership: site.origin.certificate,
      versions: site.versions(),
      addresses: [site.origin.address],
    } as const
    const heard = [hello, { t: 'ready', acting: false, reach: false } as const].map((message) => encodeMessage(message))
    expect(wan.downBytes).toBe(heard.reduce((sum, bytes) => sum + bytes.byteLength, 0))
    expect(controlBytes).toBe(wan.upBytes + wan.downBytes)
  })

  it('is gossip once for each link that crosses the line', () => {
    const outside = stage.meet(site.origin, { direction: 'out', address: addressOf(200) })
    stage.meet(site.person('bob'))
    const before = stage.member.protocol.ledger.wan.downBytes
    const bytes = announced(site.heartbeat())
    stage.feed({ type: 'gossip', link: outside, bytes })
    expect(stage.member.protocol.ledger.wan.downBytes - before).toBe(bytes.byteLength)
  })

  it('is told by what it is for, and by whom', () => {
    const outside = stage.meet(site.origin, { direction: 'out', address: addressOf(200) })
    stage.say(outside, { t: 'want', contents: [content] })
    const { control, peers } = stage.member.protocol.ledger
    const want = encodeMessage({ t: 'want', contents: [content] }).byteLength
    expect(control['want-have'].downBytes).toBe(want)
    expect(control['want-have'].peers.get(site.origin.peer)?.downBytes).toBe(want)
    expect(control.hello.upBytes).toBe(saidBytes(outside))
    expect(peers.get(site.origin.peer)).toEqual({ name: 'origin', site: 'origin' })
    stage.feed({ type: 'gossip', link: outside, bytes: new Uint8Array(77) })
    expect([control.gossip.downBytes, control.other.downBytes]).toEqual([77, 0])
  })

  it('is a receipt too, which the origin sends', () => {
    stage = new Stage(site, site.origin)
    stage.start()
    const link = stage.meet(site.person('relay', { role: 'relay' }))
    const report = new Uint8Array(300).fill(1)
    stage.say(link, { t: 'reports', sealed: [report] })
    expect(stage.member.protocol.ledger.wan.upBytes).toBe(saidBytes(link))
  })
})

describe('what came in vain', () => {
  /** A relay that asks the origin for ten chunks and is brought one of them so. */
  const reasonOf = (verdict: 'already' | 'wrong' | 'unstored'): unknown => {
    const site = new Site()
    const stage = replaceStage(new Stage(site, site.person('relay', { role: 'relay' })))
    stage.start()
    const link = stage.meet(site.origin, { direction: 'out', address: addressOf(200) })
    want({ digest: large.digest, length: large.length })
    opened(large, 10)
    const [ask] = fetches(have(link, large, 10))
    chunk(ask?.fetch ?? 0, ask?.run.first ?? 0, verdict)
    return stage.member.protocol.ledger.entries()[0]?.[1].duplicates
  }

  it.each([
    ['was brought by a neighbour meanwhile', 'already', { race: 32_000 }],
    ['was wrong', 'wrong', { wrong: 32_000 }],
    ['could not be stored', 'unstored', { unstored: 32_000 }],
  ] as const)('says so of a chunk that %s', (_what, verdict, reason) => {
    expect(reasonOf(verdict)).toEqual(reason)
  })
})

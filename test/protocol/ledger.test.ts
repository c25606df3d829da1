import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Ledger } from '#protocol/ledger.ts'
import type { LinkId } from '#protocol/link.ts'
import { encodeMessage } from '#protocol/wire.ts'
import { announced, addressOf, of, Site, Stage } from '../support/site.ts'

const content = sha256(utf8('content'))

describe('the ledger', () => {
  it('counts what crosses the line by content and direction, and chunks inside the site only as a sum', () => {
    const ledger = new Ledger()
    ledger.chunk(true, 'down', content, 100)
    ledger.chunk(true, 'up', content, 7)
    ledger.chunk(false, 'down', content, 50)
    expect(ledger.entries()).toEqual([{ content, downBytes: 100, upBytes: 7, duplicateBytes: 0 }])
    expect([ledger.wan, ledger.lan]).toEqual([
      { downBytes: 100, upBytes: 7 },
      { downBytes: 50, upBytes: 0 },
    ])
  })

  it('counts a chunk that was here already, or was wrong, as come and as duplicate', () => {
    const ledger = new Ledger()
    ledger.chunk(true, 'down', content, 100, true)
    expect([ledger.wan.downBytes, ledger.duplicateBytes, ledger.entries()[0]?.duplicateBytes]).toEqual([100, 100, 100])
  })

  it('counts control messages on the line beside the chunks', () => {
    const ledger = new Ledger()
    ledger.control(true, 'up', 30)
    ledger.control(false, 'up', 40)
    expect([ledger.wan.upBytes, ledger.lan.upBytes, ledger.controlBytes]).toEqual([30, 40, 30])
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

  it('is a receipt too, which the origin sends', () => {
    stage = new Stage(site, site.origin)
    stage.start()
    const link = stage.meet(site.person('relay', { role: 'relay' }))
    const report = new Uint8Array(300).fill(1)
    stage.say(link, { t: 'reports', sealed: [report] })
    expect(stage.member.protocol.ledger.wan.upBytes).toBe(saidBytes(link))
  })
})

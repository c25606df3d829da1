import { beforeEach, describe, expect, it } from 'vitest'
import type { ContentRef } from '#content/content-ref.ts'
import type { MemberEffect } from '#member/member.ts'
import type { LinkId } from '#protocol/link.ts'
import { dutyMs, pauseMs, reachMs, slowAskMs, stallPauseMsMax } from '#protocol/params.ts'
import { all, begin, bob, chunk, digestOf, ended, far, fetches, have, opened } from '../support/exchange-stage.ts'
import { replaceStage, site, stage, want } from '../support/exchange-stage.ts'
import { of, Stage } from '../support/site.ts'

const big: ContentRef = { digest: digestOf('big'), length: 32_000_000 }

/** Puts somebody on the stage who lacks a content of 1000 chunks. */
function lacking(role: 'client' | 'relay'): void {
  replaceStage(new Stage(site, site.person('lacking', { role }), { known: [{ address: far, inside: false }] }))
  stage.start()
  want(big)
  opened(big, 1000)
}
beforeEach(begin)

describe('a neighbour that offers everything', () => {
  it('and denies it again and again is asked ever more rarely, and keeps nobody from the outside', () => {
    lacking('client')
    const liar = stage.meet(site.personBeside(stage.self.peer, 'below'), { acting: true, reach: true })
    have(liar, big, 1000)
    let asks = 0
    let acted = 0
    const answer = (effects: readonly MemberEffect[]): void => {
      for (const { fetch } of fetches(effects)) answer([...(asks++, ended(fetch, 'denied'))])
      if (stage.said(liar, effects).some(({ t }) => t === 'want')) answer(have(liar, big, 1000))
      for (const { address } of of('dial', effects)) stage.feed({ type: 'dial-failed', address, reason: '' })
    }
    answer(stage.effects.splice(0))
    for (let ms = 0; ms < 10 * stallPauseMsMax; ms += 500) {
      answer(stage.pass(500))
      if (stage.member.protocol.standing.acting) acted += 500
    }
    expect(acted).toBeGreaterThanOrEqual(reachMs)
    expect(asks).toBeLessThan(50)
  })

  it('and lets it trickle loses its place: what it brings too slowly is fetched over the line', () => {
    lacking('relay')
    const line = stage.meet(site.origin, { direction: 'out', address: far })
    const slow = stage.meet(bob)
    have(slow, big, 1000)
    have(line, big, 1000)
    const asked = (link: LinkId): number => fetches(stage.effects).filter((each) => each.link === link).length
    const waiting = fetches(stage.effects).filter(({ link }) => link === slow)
    expect([waiting.length > 0, asked(line)]).toEqual([true, 0])
    const [first] = waiting
    for (const at of all(Math.ceil((slowAskMs + dutyMs) / pauseMs))) {
      chunk(first?.fetch ?? 0, (first?.run.first ?? 0) + at)
      const effects = stage.pass(pauseMs)
      if (stage.said(slow, effects).some(({ t }) => t === 'want')) have(slow, big, 1000)
    }
    expect(asked(line)).toBeGreaterThan(0)
  })
})

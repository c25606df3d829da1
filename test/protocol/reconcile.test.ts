import { beforeEach, describe, expect, it } from 'vitest'
import { day } from '#base/time.ts'
import type { MemberEffect } from '#member/member.ts'
import type { LinkId } from '#protocol/link.ts'
import { reconcileMs } from '#protocol/params.ts'
import { announced, of, Site, Stage } from '../support/site.ts'

let site: Site
let stage: Stage
let link: LinkId

beforeEach(() => {
  site = new Site()
  stage = new Stage(site, site.person('alice'))
  stage.start()
  link = stage.meet(site.person('bob'))
})

describe('comparing heads now and then', () => {
  const compares = (effects: readonly MemberEffect[]): number =>
    stage.said(link, effects).filter((message) => message.t === 'head').length

  it('is rarer and rarer while nothing changes, and never ends', () => {
    const first = compares(stage.pass(600_000))
    const day1 = compares(stage.pass(day))
    expect([first >= 3, first <= 12]).toEqual([true, true])
    expect([day1 >= 48, day1 <= 100]).toEqual([true, true])
  })

  it('begins anew when something changed', () => {
    stage.pass(day)
    stage.feed({ type: 'gossip', link, bytes: announced(site.heartbeat()) })
    expect(compares(stage.pass(reconcileMs))).toBeGreaterThan(0)
  })

  it('goes outside where there is a link, or a whole site would never learn what all of it missed', () => {
    const outside = stage.meet(site.origin)
    stage.effects.splice(0)
    stage.pass(day)
    const at = (where: LinkId): number => stage.said(where).filter((message) => message.t === 'head').length
    expect([at(link), at(outside) > 40]).toEqual([0, true])
  })

  it('costs a member without neighbours nothing', () => {
    stage.lose(link)
    expect(of('send', stage.pass(day))).toEqual([])
  })
})

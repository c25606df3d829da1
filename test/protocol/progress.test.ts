/** What a member tells its site, and hears of it. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { LinkId } from '#protocol/link.ts'
import type { SiteMember } from '#protocol/outlook.ts'
import { progressKeptMs, progressTellMs } from '#protocol/params.ts'
import type { ProgressRow } from '#protocol/progress-row.ts'
import type { Message, ProgressMessage } from '#protocol/wire.ts'
import {
  begin,
  bob,
  carol,
  chunk,
  ended,
  far,
  fetches,
  have,
  large,
  opened,
  site,
  small,
  stage,
  want,
} from '../support/exchange-stage.ts'

const row: ProgressRow = { release: 1, bundles: 1, prepared: 1, failed: 0, unsized: 0, missing: 0, rate: 0 }
const told = (link: LinkId): ProgressMessage[] =>
  stage.said(link).filter((message): message is ProgressMessage => message.t === 'progress')
const says = (link: LinkId, more: Partial<ProgressMessage> = {}): Message[] =>
  stage.said(link, stage.say(link, { t: 'progress', row, ask: false, others: [], ...more }))
const members = (): SiteMember[] => stage.member.protocol.progress.members(stage.now)
const known = (): unknown[] => members().map(({ name, present, row: said }) => [name, present, said?.missing])

beforeEach(begin)

describe('telling the site', () => {
  it('everybody of the site is told how far we are, and nobody of another', () => {
    const near = stage.meet(bob)
    const outside = stage.meet(site.origin, { direction: 'out', address: far })
    stage.pass(5_000)
    expect(told(near)).toEqual([
      { t: 'progress', row: expect.objectContaining({ missing: 0 }), ask: false, others: [] },
    ])
    expect(told(outside)).toEqual([])
  })

  it('is done again when it changes, not more often than every few seconds, and what is told last is the truth', () => {
    const near = stage.meet(bob)
    stage.pass(5_000)
    const before = told(near).length
    want({ digest: large.digest, length: large.length })
    opened(large, 10)
    const [ask] = fetches(have(near, large, 10))
    for (let index = 0; index < 10; index++) {
      stage.pass(300)
      chunk(ask?.fetch ?? 0, index)
    }
    ended(ask?.fetch ?? 0, 'done')
    stage.pass(10_000)
    const during = told(near).slice(before)
    expect(during.length).toBeGreaterThan(1)
    expect(during.length).toBeLessThanOrEqual(2 + Math.ceil(3_000 / progressTellMs))
    expect(during[0]?.row).toMatchObject({ missing: large.length })
    expect(during.at(-1)?.row).toMatchObject({ missing: 0, rate: 0 })
  })

  it('is made up for where it was too early, though nothing more happens', () => {
    const near = stage.meet(bob)
    stage.pass(10_000)
    want(small)
    opened(small, 1)
    expect(told(near).at(-1)?.row.missing).toBe(small.length)
    stage.pass(1_200)
    want({ digest: large.digest, length: large.length })
    opened(large, 10)
    expect(told(near).at(-1)?.row.missing).toBe(small.length)
    stage.pass(progressTellMs)
    expect(told(near).at(-1)?.row.missing).toBe(small.length + large.length)
  })

  it('is silent while nothing changes, and hardly ever wakes for it', () => {
    const near = stage.meet(bob)
    stage.pass(10_000)
    const [before, wakes] = [told(near).length, stage.wakes]
    stage.pass(3_600_000)
    expect(told(near)).toHaveLength(before)
    expect(stage.wakes - wakes).toBeLessThan(120)
  })

  it('says what the line has yet to bring only where we act and reach the outside: what neighbours have need not come', () => {
    const near = stage.meet(bob)
    stage.pass(5_000)
    expect(told(near).at(-1)?.row.line).toBeUndefined()
    stage.meet(site.origin, { direction: 'out', address: far })
    want({ digest: large.digest, length: large.length })
    opened(large, 10)
    have(near, large, 10, 0, 1, 2, 3)
    const { missing, line } = members()[0]?.row ?? row
    expect([missing, line]).toEqual([large.length, { missing: 192_000, unfound: 192_000, rate: 0 }])
  })
})

describe('hearing of the site', () => {
  it('knows who is there, also before it has said anything, and for a while who was', () => {
    const near = stage.meet(bob)
    stage.meet(carol)
    says(near, { row: { ...row, missing: 7 } })
    expect(known()).toEqual([
      ['alice', true, 0],
      ['bob', true, 7],
      ['carol', true, undefined],
    ])
    stage.lose(near)
    expect(known()).toContainEqual(['bob', false, 7])
    stage.pass(progressKeptMs)
    expect(known()).toEqual([
      ['alice', true, 0],
      ['carol', true, undefined],
    ])
  })

  it('of another site hears nothing', () => {
    const outside = stage.meet(site.origin, { direction: 'out', address: far })
    expect(says(outside, { ask: true })).toEqual([])
    expect(members()).toHaveLength(1)
  })

  it('answers a question with what others said, once a second', () => {
    const [near, other] = [stage.meet(bob), stage.meet(carol)]
    says(other, { row: { ...row, missing: 9 } })
    stage.pass(400)
    const answer = says(near, { ask: true })
    expect(answer).toMatchObject([
      { t: 'progress', ask: false, others: [{ name: 'carol', role: 'client', ageMs: 400, row: { missing: 9 } }] },
    ])
    expect(says(near, { ask: true })).toEqual([])
    stage.pass(1_000)
    expect(says(near, { ask: true })).toHaveLength(1)
  })

  it('on a question hears of members without a link, and believes a member itself more than others', () => {
    const near = stage.meet(bob)
    const dave = site.person('dave')
    stage.feed({ type: 'survey' })
    expect(told(near).at(-1)).toMatchObject({ ask: true })
    const others = [dave, carol].map(({ peer, name }) => ({
      peer,
      name,
      role: 'client' as const,
      ageMs: 100,
      row: { ...row, missing: 3 },
    }))
    says(near, { others })
    says(stage.meet(carol), { row: { ...row, missing: 0 } })
    expect(known()).toEqual([
      ['alice', true, 0],
      ['bob', true, 0],
      ['carol', true, 0],
      ['dave', true, 3],
    ])
    stage.pass(60_000)
    expect(known()).not.toContainEqual(['dave', true, 3])
  })

  it('knows since when the site is ready or not', () => {
    const near = stage.meet(bob)
    says(near)
    stage.pass(60_000)
    const readyAt = stage.member.protocol.progress.since
    expect(readyAt).toBeLessThan(stage.now - 50_000)
    says(near, { row: { ...row, missing: 1 } })
    expect(stage.member.protocol.progress.since).toBe(stage.now)
    stage.pass(60_000)
    expect(stage.member.protocol.progress.since).toBe(stage.now - 60_000)
  })
})

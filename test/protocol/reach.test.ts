/** Whether somebody can be reached now: a protocol of stubs whose neighbours the test makes. */
import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { Random } from '#base/random.ts'
import { instant } from '#base/time.ts'
import type { KnownAddress, ProtocolEffect, ProtocolNotice } from '#protocol/effect.ts'
import type { ProtocolInput } from '#protocol/input.ts'
import type { Address, LinkId } from '#protocol/link.ts'
import { Neighbours, type Neighbour } from '#protocol/neighbour.ts'
import type { Protocol } from '#protocol/protocol.ts'
import { Reach } from '#protocol/reach.ts'
import type { PeerId } from '#trust/peer-id.ts'

let neighbours: Neighbours
let known: KnownAddress[]
let reach: Reach

beforeEach(() => {
  neighbours = new Neighbours()
  known = []
  const set = { versions: () => ({ root: 1, timestamp: 1, snapshot: 1, roles: [] }) }
  const stub = {
    neighbours,
    self: { random: new Random('reach'), set },
    ledger: { message: () => {} },
    budgets: {},
    knownAddresses: () => known,
  }
  reach = new Reach(stub as unknown as Protocol)
})

const link = (number: number): LinkId => number as LinkId
const addressOf = (number: number): Address => `/ip4/192.0.2.${number}/tcp/47100` as Address
function add(number: number, direction: 'in' | 'out'): void {
  const neighbour = {
    link: link(number),
    peer: `p${number}` as PeerId,
    direction,
    address: addressOf(number),
    phase: 'established',
  }
  neighbours.add(neighbour as Neighbour)
}
function ask(anew = true): [boolean, string[]] {
  const effects: ProtocolEffect[] = []
  const ok = reach.ask({ now: instant(0), out: (effect) => effects.push(effect), notify: () => {} }, anew)
  return [ok, effects.map((effect) => (effect.type === 'dial' ? `dial ${effect.address}` : effect.type))]
}
const up = (number: number): boolean =>
  reach.isShownBy(
    { type: 'link-up', link: link(number), peer: 'p' as PeerId, direction: 'out', address: addressOf(1) },
    [],
  )
const heard = (number: number, notices: readonly ProtocolNotice[] = []): boolean =>
  reach.isShownBy({ type: 'message', link: link(number), bytes: utf8('x') }, notices)
const greeted: readonly ProtocolNotice[] = [{ type: 'greeted', peer: 'p' as PeerId, membership: utf8('x') }]

describe('asking whether a neighbour can be reached', () => {
  it('dials those anew whom we dialled, two at most, and an answer on an open link shows nothing', () => {
    for (const number of [1, 2, 3]) add(number, 'out')
    add(4, 'in')
    const [ok, asked] = ask()
    expect(ok).toBe(true)
    expect(new Set(asked).size).toBe(2)
    expect(asked.every((what) => what.startsWith('dial '))).toBe(true)
    expect([heard(1), heard(4)]).toEqual([false, false])
    expect([up(9), heard(9), heard(9, greeted), heard(9, greeted)]).toEqual([false, false, true, false])
  })

  it('a greeting on a link that was there before the question shows nothing', () => {
    add(1, 'out')
    ask()
    up(8)
    ask()
    expect(heard(8, greeted)).toBe(false)
  })

  it('a link of the question before counts where it is only asked once more', () => {
    add(1, 'out')
    ask()
    up(8)
    ask(false)
    expect(heard(8, greeted)).toBe(true)
  })

  it('where all links came from others, any answer on one will do', () => {
    add(1, 'in')
    expect(ask()).toEqual([true, ['send']])
    expect(heard(7)).toBe(false)
    expect(heard(1)).toBe(true)
  })

  it('with no link left, dials members of the own site, or others where none is known', () => {
    expect(ask()).toEqual([false, []])
    known = [{ address: addressOf(5), inside: false }]
    expect(ask()).toEqual([true, [`dial ${addressOf(5)}`]])
    known.push({ address: addressOf(6), inside: true })
    expect(ask()).toEqual([true, [`dial ${addressOf(6)}`]])
  })

  it('links that nobody greets on do not pile up, and nothing is shown that nobody asked for', () => {
    add(1, 'out')
    up(9)
    expect(heard(9, greeted)).toBe(false)
    ask()
    const inputs = Array.from({ length: 1_000 }, (_, number) => up(number + 100))
    expect(inputs).not.toContain(true)
    expect(heard(1_099, greeted)).toBe(false)
    const failed: ProtocolInput = { type: 'dial-failed', address: addressOf(1), reason: 'x' }
    expect(reach.isShownBy(failed, [])).toBe(false)
  })
})

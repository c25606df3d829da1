import { beforeEach, describe, expect, it } from 'vitest'
import { after, instant, type Instant } from '#base/time.ts'
import type { Report } from '#facts/report.ts'
import { Fleet, type Device } from '#origin/fleet.ts'
import type { Membership } from '#trust/membership.ts'
import type { PeerId } from '#trust/peer-id.ts'

const now = instant(Date.UTC(2026, 2, 6, 16))
const member = (name: string, more: Partial<Membership> = {}): Membership => ({
  peer: `12D3KooW${name}` as PeerId,
  name,
  site: 'berlin',
  role: 'client',
  labels: {},
  token: undefined,
  issuer: 'i',
  expires: after(now, 1_000_000),
  ...more,
})
const report = (seq: number, more: Partial<Report> = {}): Report => ({
  v: 1,
  seq,
  at: now,
  release: seq,
  bundles: [],
  drift: [],
  ...more,
})
let fleet: Fleet

beforeEach(() => {
  fleet = new Fleet()
})

describe('the list of devices', () => {
  it('names a device from its first hello on, though it never reported', () => {
    const device = fleet.greeted(member('web-1'), now)
    expect(device).toMatchObject({ name: 'web-1', firstSeen: now, lastSeen: now, lastReport: undefined, seq: 0 })
    expect(fleet.list()).toEqual([device])
  })

  it('does not name the origin itself', () => {
    expect(fleet.greeted(member('origin', { role: 'origin' }), now)).toBeUndefined()
    expect(fleet.list()).toEqual([])
  })

  it('is kept on disk only when a hello said something new', () => {
    fleet.greeted(member('web-1'), now)
    const again = fleet.greeted(member('web-1'), after(now, 5_000))
    const moved = fleet.greeted(member('web-1', { site: 'lyon' }), after(now, 6_000))
    const labelled = fleet.greeted(member('web-1', { site: 'lyon', labels: { role: 'db' } }), after(now, 7_000))
    expect([again, moved?.site, labelled?.labels]).toEqual([undefined, 'lyon', { role: 'db' }])
    expect(fleet.list()[0]).toMatchObject({ firstSeen: now, lastSeen: after(now, 7_000) })
  })

  it('is in order of site, then name', () => {
    for (const [name, site] of [
      ['b', 'lyon'],
      ['a', 'lyon'],
      ['z', 'berlin'],
    ] as const)
      fleet.greeted(member(name, { site }), now)
    expect(fleet.list().map(({ name }) => name)).toEqual(['z', 'a', 'b'])
  })
})

const take = (from: Membership, seq: number, said: Report, at: Instant): Device | undefined =>
  fleet.reported(from, { seq, report: said, inventory: undefined }, at).device

describe('a report', () => {
  it('counts once, and only if its number is higher than the last', () => {
    expect(take(member('web-1'), 2, report(2), now)).toMatchObject({ seq: 2, release: 2, lastReport: now })
    expect(take(member('web-1'), 2, report(2, { release: 9 }), now)).toBeUndefined()
    expect(take(member('web-1'), 1, report(1), now)).toBeUndefined()
    expect(fleet.list()[0]?.release).toBe(2)
  })

  it('tells what is left alone there, and that the device left, until it says otherwise', () => {
    const pause = { since: now, until: after(now, 1_000), reason: 'stocktaking' }
    take(member('web-1'), 1, report(1, { pauses: [pause], left: true }), now)
    const kept = JSON.parse(JSON.stringify(fleet.list())) as unknown[]
    expect(Fleet.restore(kept).list()[0]).toMatchObject({ pauses: [pause], left: now })
    take(member('web-1'), 2, report(2), after(now, 5))
    expect(fleet.list()[0]).toMatchObject({ pauses: [], left: undefined })
    expect(Fleet.restore([{ peer: '12D3KooWold', seq: 1 }]).list()[0]).toMatchObject({ pauses: [], left: undefined })
  })

  it('without facts leaves those that were told before', () => {
    take(member('web-1'), 1, report(1, { facts: { hostname: 'x' } }), now)
    take(member('web-1'), 2, report(2), now)
    expect(fleet.list()[0]?.facts).toEqual({ hostname: 'x' })
  })

  it('that was overtaken by the next still brings its facts, which come only once, and nothing else', () => {
    take(member('web-1'), 2, report(2), now)
    const late = take(member('web-1'), 1, report(1, { facts: { hostname: 'x' } }), after(now, 5))
    expect(late).toMatchObject({ seq: 2, release: 2, facts: { hostname: 'x' } })
    expect(take(member('web-1'), 1, report(1, { facts: { hostname: 'x' } }), now)).toBeUndefined()
  })

  it('that was overtaken does not bring back older facts', () => {
    take(member('web-1'), 3, report(3, { facts: { hostname: 'new' } }), now)
    expect(take(member('web-1'), 2, report(2, { facts: { hostname: 'old' } }), now)).toBeUndefined()
    expect(fleet.list()[0]?.facts).toEqual({ hostname: 'new' })
  })
})

describe('a token that brought more devices than it was made for', () => {
  const token = { id: 'a'.repeat(32), max: 2 }
  const greet = (name: string, more: Partial<Membership> = { token }): void =>
    void fleet.greeted(member(name, more), now)

  it('is told once, when the first one too many comes, by hello or by report', () => {
    greet('web-1')
    take(member('web-2', { token }), 1, report(1), now)
    greet('web-1')
    expect([fleet.takeExceeded(), fleet.tokenUses()]).toEqual([[], [{ ...token, used: 2 }]])
    take(member('web-3', { token }), 1, report(1), now)
    expect([fleet.takeExceeded(), fleet.takeExceeded()]).toEqual([[{ ...token, used: 3 }], []])
    greet('web-4')
    expect([fleet.takeExceeded(), fleet.tokenUses()]).toEqual([[], [{ ...token, used: 4 }]])
  })

  it('does not count those that joined by another token, or by none', () => {
    greet('web-1')
    greet('web-2')
    greet('web-3', { token: undefined })
    greet('web-4', { token: { id: 'b'.repeat(32), max: 1 } })
    greet('web-2', { token: { id: 'b'.repeat(32), max: 1 } })
    expect(fleet.takeExceeded()).toEqual([{ id: 'b'.repeat(32), max: 1, used: 2 }])
    expect(fleet.tokenUses().map(({ used }) => used)).toEqual([1, 2])
  })

  it('is known after a restart, and not told anew', () => {
    for (const name of ['web-1', 'web-2', 'web-3']) greet(name)
    const again = Fleet.restore(JSON.parse(JSON.stringify(fleet.list())) as unknown[])
    expect([again.takeExceeded(), again.tokenUses()]).toEqual([[], [{ ...token, used: 3 }]])
  })
})

describe('a list that was kept', () => {
  it('is the same after a restart', () => {
    fleet.greeted(member('web-1'), now)
    take(member('web-2'), 4, report(4, { facts: { hostname: 'x' } }), now)
    const kept = JSON.parse(JSON.stringify(fleet.list())) as unknown[]
    const again = Fleet.restore(kept)
    expect(again.list()).toEqual(fleet.list())
    expect(
      again.reported(member('web-2'), { seq: 4, report: report(4), inventory: undefined }, now).device,
    ).toBeUndefined()
  })

  it('is read without what is no device', () => {
    expect(Fleet.restore([null, 5, {}, { peer: 'x' }, { peer: 'x', seq: 'y' }]).list()).toEqual([])
  })
})

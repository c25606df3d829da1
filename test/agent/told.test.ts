/** What is told once, and again: facts, machine, packages; reports that are quiet; what a restart and a loss leave. */
import { beforeEach, describe, expect, it } from 'vitest'
import { after, day, hour, instant, minute } from '#base/time.ts'
import { decompress } from '#content/compress.ts'
import { Journal } from '#agent/journal.ts'
import { scanEveryMs } from '#agent/scan.ts'
import { inventoryPackedBytesMax } from '#agent/told.ts'
import { inventoryPartBytesMax, readInventoryPart, type InventoryPart } from '#facts/inventory-part.ts'
import { packagesDigest, withChanges } from '#facts/packages.ts'
import type { Report } from '#facts/report.ts'
import { debianPackages } from '../support/debian.ts'
import {
  agent,
  applied,
  begin,
  bundle,
  deliver,
  effects,
  feed,
  now,
  of,
  pass,
  prepared,
  publish,
  reports,
  restart,
  setNow,
  start,
} from '../support/agent-stage.ts'

const web = bundle('web')
const found = (packages: string, model = 'x'): void =>
  void feed({ type: 'inventory', inventory: { packages, machine: { model } } })
const received = (seq: number, anew = false): void => void feed({ type: 'report-received', seq, anew })
/** What the reports told of the inventory. */
const parts = (from = effects): (InventoryPart | undefined)[] =>
  of('report', from).map(
    ({ inventory }) => inventory && readInventoryPart(decompress(inventory, inventoryPartBytesMax)),
  )
const last = (): { report: Report; keep: number; part: InventoryPart | undefined } => {
  const { report, keep } = of('report').at(-1) ?? { report: {} as Report, keep: -1 }
  return { report, keep, part: parts().at(-1) }
}
const restarted = (): void =>
  restart({}, Journal.replay(JSON.parse(JSON.stringify(of('journal').map(({ entry }) => entry))) as unknown[]))
const [one, two, three] = ['a:all 1\n', 'a:all 1\nb:all 1\n', 'a:all 2\nb:all 1\n'] as const

/** A device that has applied its policy and told everything, for good. */
function settled(): void {
  publish(web)
  feed({ type: 'facts', facts: { hostname: 'x' } })
  deliver(web)
  prepared('web')
  applied('web')
  // One look since facts are known, and one after the apply.
  found(one)
  found(one)
  pass(minute)
  received(last().report.seq)
  pass(minute)
}

beforeEach(() => {
  begin()
  setNow(start)
})

describe('the inventory', () => {
  it('is taken when facts are known, after each apply, and every six hours, never twice at once', () => {
    feed({ type: 'facts', facts: {} })
    expect(of('take-inventory')).toHaveLength(1)
    feed({ type: 'facts', facts: {} })
    expect(of('take-inventory')).toHaveLength(1)
    found(one)
    expect(of('take-inventory')).toHaveLength(2)
    found(one)
    publish(web)
    deliver(web)
    prepared('web')
    expect(of('take-inventory')).toHaveLength(2)
    applied('web')
    expect(of('take-inventory')).toHaveLength(3)
    found(one)
    expect(of('take-inventory', pass(scanEveryMs - 1))).toHaveLength(0)
    expect(of('take-inventory', pass(1))).toHaveLength(1)
  })

  it('is told whole first, then as changes to what the origin has', () => {
    settled()
    expect(last().part?.packages).toMatchObject({ digest: packagesDigest(one), count: 1 })
    expect(last().part?.packages?.base).toBeUndefined()
    found(two)
    pass(minute)
    expect(last().part).toEqual({
      packages: {
        base: packagesDigest(one),
        digest: packagesDigest(two),
        count: 2,
        changes: new Map([['b:all', '1']]),
      },
    })
    expect(last().report.facts).toBeUndefined()
  })

  it('is not told again while it is on its way, and all together once it changed meanwhile', () => {
    settled()
    found(two)
    pass(minute)
    const told = last().report.seq
    applied('web')
    publish(bundle('web', 2))
    pass(minute)
    expect([last().report.seq > told, last().part, last().keep]).toEqual([true, undefined, told])
    found(three)
    pass(minute)
    expect([last().part?.packages?.base, last().part?.packages?.changes.size, last().keep]).toEqual([
      packagesDigest(one),
      2,
      0,
    ])
  })

  it('is not taken for told because another report was received', () => {
    settled()
    found(two)
    pass(minute)
    publish(bundle('web', 2))
    pass(minute)
    received(last().report.seq)
    found(three)
    pass(minute)
    expect(last().part?.packages?.base).toBe(packagesDigest(one))
  })

  it('of very many packages is told in parts, each after the receipt for the one before', () => {
    const many = debianPackages(7_000)
    settled()
    found(many)
    let list: string = one
    for (let round = 0; round < 9 && list !== many; round++) {
      pass(minute)
      const packed = of('report').at(-1)?.inventory
      expect(packed?.byteLength).toBeLessThanOrEqual(inventoryPackedBytesMax)
      expect(last().part?.packages?.base).toBe(packagesDigest(list))
      list = withChanges(list, last().part?.packages?.changes ?? new Map())
      expect(last().part?.packages?.digest).toBe(packagesDigest(list))
      const before = of('report').length
      pass(hour)
      expect(of('report')).toHaveLength(before)
      received(last().report.seq)
    }
    expect(list).toBe(many)
    pass(minute)
    const before = of('report').length
    pass(hour)
    expect(of('report')).toHaveLength(before)
  })

  it('that cannot be found out holds nothing up', () => {
    publish(web)
    feed({ type: 'facts', facts: { hostname: 'x' } })
    feed({ type: 'inventory', inventory: undefined })
    pass(minute)
    expect(last().report.facts).toEqual({ hostname: 'x' })
    expect(parts()).toEqual([undefined])
  })
})

describe('a day without news', () => {
  it('ends with a report that says nothing but that all is as it was, and in which reports', () => {
    settled()
    const { seq } = last().report
    const [report, ...more] = reports(pass(day))
    expect(more).toEqual([])
    expect(report).toMatchObject({
      seq: seq + 1,
      bundles: [],
      drift: [],
      same: { state: seq, facts: seq, inventory: seq },
    })
  })

  it('ends with all of it where no receipt came: whoever carried it may have lost it', () => {
    settled()
    found(two)
    pass(minute)
    const [report, ...more] = reports(pass(day))
    expect(more).toEqual([])
    expect(report?.same).toBeUndefined()
    expect(report?.bundles).toHaveLength(1)
    expect(last().part?.packages?.digest).toBe(packagesDigest(two))
  })

  it('is a day also where the clock was set back meanwhile', () => {
    settled()
    setNow(instant(start - 30 * day))
    feed({ type: 'wake' })
    const passed = pass(2 * day - hour)
    expect([reports(passed).length, of('take-inventory', passed).length]).toEqual([1, 1])
  })
})

describe('a restart', () => {
  it('with nothing new is not reported, and the day goes on', () => {
    settled()
    const { at, release } = last().report
    restarted()
    feed({ type: 'release', release, bundles: [web] })
    feed({ type: 'facts', facts: { hostname: 'x' } })
    deliver(web)
    found(one)
    expect(reports(pass(hour))).toEqual([])
    setNow(after(instant(at), day))
    feed({ type: 'wake' })
    expect(reports().map(({ same }) => same !== undefined)).toEqual([true])
  })

  it('knows what is on its way, and tells the rest when it is received', () => {
    settled()
    found(two)
    pass(minute)
    const told = last().report.seq
    restarted()
    publish(web)
    feed({ type: 'facts', facts: { hostname: 'x' } })
    deliver(web)
    found(two)
    expect(parts(pass(minute)).filter(Boolean)).toEqual([])
    received(told)
    found(three)
    pass(minute)
    expect(last().part?.packages?.base).toBe(packagesDigest(two))
  })
})

describe('an origin that lost what it had', () => {
  it('is told everything again, once, however many reports it answers so', () => {
    settled()
    const { seq } = last().report
    reports(pass(day))
    received(seq + 1, true)
    received(seq, true)
    pass(minute)
    expect(last().report).toMatchObject({ seq: seq + 2, facts: { hostname: 'x' }, bundles: [{ name: 'web' }] })
    expect(last().part?.packages).toMatchObject({ digest: packagesDigest(one) })
    expect(last().part?.packages?.base).toBeUndefined()
    received(seq + 1, true)
    expect(reports(pass(hour))).toEqual([])
    expect(agent.reporting.inventory?.packages).toBe(one)
    expect(now).toBeGreaterThan(start)
  })

  it('and asks again and again is told everything once an hour', () => {
    settled()
    const before = reports().length
    for (let ms = 0; ms < 4 * hour; ms += minute) {
      received(last().report.seq, true)
      pass(minute)
    }
    expect(reports().length - before).toBeLessThanOrEqual(5)
    expect(reports().length - before).toBeGreaterThanOrEqual(3)
  })
})

import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { instant } from '#base/time.ts'
import { statusDocument, type StatusDocument } from '#node/status.ts'
import { noBudget, type Budget } from '#protocol/budget.ts'
import { Site, Stage, type Person } from '../support/site.ts'

const site = new Site()
/** The line of a member that got one chunk of a content from a neighbour outside. */
function lineOf(person: Person, running = true, budget: Budget = noBudget): StatusDocument['wan'] {
  const stage = new Stage(site, person)
  stage.start()
  const { member } = stage
  if (running && person !== site.origin) member.protocol.ledger.chunk(true, 'down', sha256(utf8('content')), 7)
  return statusDocument({
    member,
    running,
    addresses: [],
    fleet: 'acme',
    outbox: 0,
    contents: [],
    budget,
    now: instant(0),
  }).wan
}

describe('the factor of a member', () => {
  it('is what came down the line for each byte that it needed', () => {
    expect(lineOf(site.person('bob'))).toMatchObject({ neededBytes: 7, downBytes: 7, factor: 1 })
  })

  it('is null at the origin, which made what it has and needs nothing', () => {
    expect(lineOf(site.origin)).toMatchObject({ neededBytes: 0, factor: null })
  })

  it('is null where no daemon runs: nothing was counted', () => {
    expect(lineOf(site.person('bob'), false)).toMatchObject({ downBytes: 0, factor: null })
  })
})

describe('the budget of a member', () => {
  it('is shown in bytes a second with the time until it holds, and as null where there is no limit', () => {
    const until = instant(Date.UTC(2026, 2, 6, 18))
    const limits = { ...noBudget, wanDown: 125_000, until }
    expect(lineOf(site.person('bob'), true, limits).budget).toEqual({
      downBytesPerSecond: 125_000,
      upBytesPerSecond: null,
      until: '2026-03-06T18:00:00.000Z',
    })
    expect(lineOf(site.person('bob')).budget).toMatchObject({ downBytesPerSecond: null, until: null })
  })
})

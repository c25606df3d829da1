import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { statusDocument, type StatusDocument } from '#node/status.ts'
import { Site, Stage, type Person } from '../support/site.ts'

const site = new Site()
/** The line of a member that got one chunk of a content from a neighbour outside. */
function lineOf(person: Person, running = true): StatusDocument['wan'] {
  const stage = new Stage(site, person)
  stage.start()
  const { member } = stage
  if (running && person !== site.origin) member.protocol.ledger.chunk(true, 'down', sha256(utf8('content')), 7)
  return statusDocument({ member, running, addresses: [], fleet: 'acme', outbox: 0, contents: [] }).wan
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

import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { ranksFirst, type UplinkMember } from '#protocol/duty.ts'
import { Site } from '../support/site.ts'

const site = new Site()
const member = (name: string, role: 'relay' | 'client' = 'relay'): UplinkMember => site.person(name, { role })
const relays = [0, 1, 2].map((number) => member(`relay-${number}`))
const content = sha256(utf8('a content'))
const parts = Array.from({ length: 2_000 }, (_, part) => part)
const sharesOf = (members: readonly UplinkMember[]): number[][] =>
  members.map((one) => {
    const others = members.filter((other) => other !== one)
    return parts.filter((part) => ranksFirst(one, others, content, part))
  })

describe('the duty to fetch a part from outside', () => {
  it('falls to exactly one of the uplink members, about evenly', () => {
    const shares = sharesOf(relays)
    expect(shares.flat().sort((a, b) => a - b)).toEqual(parts)
    for (const share of shares) expect(share.length).toBeGreaterThan(parts.length / 4)
  })

  it('moves only from the one that left: what others had stays theirs', () => {
    const [before, later] = [sharesOf(relays), sharesOf(relays.slice(0, 2))]
    for (const number of [0, 1]) expect(later[number]).toEqual(expect.arrayContaining(before[number] ?? []))
  })

  it('falls to a relay more often than to a volunteer', () => {
    const [relay, client] = sharesOf([member('relay-0'), member('client', 'client')])
    expect(relay?.length).toBeGreaterThan((client?.length ?? 0) * 2)
  })

  it('of another content falls otherwise', () => {
    const [first, second] = relays as [UplinkMember, UplinkMember]
    const other = sha256(utf8('another'))
    const differ = parts.filter(
      (part) => ranksFirst(first, [second], content, part) !== ranksFirst(first, [second], other, part),
    )
    expect(differ.length).toBeGreaterThan(parts.length / 4)
  })
})

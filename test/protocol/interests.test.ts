import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { instant } from '#base/time.ts'
import { Interests } from '#protocol/interests.ts'
import type { LinkId } from '#protocol/link.ts'
import type { Turn } from '#protocol/neighbour.ts'
import { contentsPerLinkMax } from '#protocol/params.ts'
import { decodeMessage, type Message } from '#protocol/wire.ts'

const [first, second] = [1 as LinkId, 2 as LinkId]
const digests = Array.from({ length: contentsPerLinkMax + 2 }, (_, index) => sha256(utf8(`content ${index}`)))
const [a, b] = digests as [Digest, Digest]
let interests: Interests
let said: [LinkId, Message][]
const turn: Turn = {
  now: instant(0),
  out: (effect) => effect.type === 'send' && said.push([effect.link, decodeMessage(effect.bytes)]),
  notify: () => {},
}

beforeEach(() => {
  interests = new Interests()
  said = []
})

describe('what neighbours want to hear of', () => {
  it('is remembered for each link until they say otherwise or are gone', () => {
    interests.heard(first, a)
    interests.heard(second, a)
    interests.heard(second, b)
    interests.unheard(first, a)
    expect([[...interests.of(a)], [...interests.at(second)]]).toEqual([[second], [a, b]])
    interests.down(second)
    expect([[...interests.of(a)], [...interests.at(second)]]).toEqual([[], []])
  })

  it('has a limit for each link, within which it may be said again', () => {
    for (const digest of digests.slice(0, contentsPerLinkMax)) interests.heard(first, digest)
    expect([interests.heard(first, a), interests.heard(first, digests.at(-1) as Digest)]).toEqual([true, false])
    expect(interests.heard(second, a)).toBe(true)
  })
})

describe('what we want to hear of', () => {
  it('is asked once of each neighbour, and taken back from those who were asked', () => {
    interests.ask(turn, first, [a])
    interests.ask(turn, first, [a, b])
    interests.ask(turn, second, [b])
    interests.done(turn, a)
    expect(said).toEqual([
      [first, { t: 'want', contents: [a] }],
      [first, { t: 'want', contents: [b] }],
      [second, { t: 'want', contents: [b] }],
      [first, { t: 'unwant', contents: [a] }],
    ])
  })

  it('is asked again where the answer is doubtful', () => {
    interests.ask(turn, first, [a])
    interests.askAgain(turn, first, [a])
    interests.askAgain(turn, first, [])
    expect(said).toHaveLength(2)
  })

  it('is asked as far as a neighbour listens, and the shortage is told once there is room', () => {
    interests.ask(turn, first, digests)
    const [message] = said.map(([, want]) => want)
    expect(message?.t === 'want' && message.contents.length).toBe(contentsPerLinkMax)
    expect(interests.takeShortage()).toBe(false)
    interests.done(turn, a)
    expect([interests.takeShortage(), interests.takeShortage()]).toEqual([true, false])
    interests.ask(turn, first, digests.slice(1))
    expect(said.at(-1)?.[1]).toEqual({ t: 'want', contents: [digests[contentsPerLinkMax]] })
  })
})

import { afterEach, describe, expect, it } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { utf8 } from '#base/bytes.ts'
import { linked, type LinkHome } from '../contracts/link.ts'
import { Parties, until } from './parties.ts'

const parties = new Parties()
const home: LinkHome = { make: () => Promise.resolve([]), until }

afterEach(() => parties.stop())

describe('the price of false gossip', () => {
  it('a neighbour that was honest for long is not heard any more after four false messages, and keeps its link', async () => {
    const [liar, hearer] = [await parties.start(), await parties.start()]
    await linked(home, liar, hearer)
    // Presence and good messages must buy nothing: by default they pay for 13 false ones.
    for (let at = 0; hearer.events.gossips.length < 4; at++) {
      await liar.links.publish(utf8(`good ${at}`))
      await sleep(50)
    }
    hearer.events.judge = () => 'reject'
    for (let at = 0; at < 4; at++) {
      const heard = hearer.events.gossips.length
      await liar.links.publish(utf8(`false ${at}`))
      await until('it is judged', () => hearer.events.gossips.length > heard)
    }
    hearer.events.judge = () => 'accept'
    // Scores are reckoned anew at a heartbeat, every 5 s.
    let isHeard = true
    for (const end = performance.now() + 11_000; isHeard && performance.now() < end;) {
      const heard = hearer.events.gossips.length
      await liar.links.publish(utf8(`good again ${performance.now()}`))
      await sleep(250)
      isHeard = hearer.events.gossips.length > heard
    }
    expect(isHeard).toBe(false)
    expect(hearer.events.downs).toEqual([])
  }, 20_000)
})

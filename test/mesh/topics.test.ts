import { afterEach, describe, expect, it } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { utf8 } from '#base/bytes.ts'
import { linked, type LinkHome } from '../contracts/link.ts'
import { Parties, until, type MeshParty } from './parties.ts'

const parties = new Parties()
const home: LinkHome = { make: () => Promise.resolve([]), until }

afterEach(() => parties.stop())

/** Links that come at the same time cannot be told by order: each side admits what comes. */
async function linkedTo(hub: MeshParty, leaf: MeshParty): Promise<void> {
  hub.events.onLinkUp = (link) => hub.links.admit(link)
  leaf.events.onLinkUp = (link) => leaf.links.admit(link)
  await leaf.links.dial(hub.address)
}

describe('gossip over a hub', () => {
  it('reaches all of 20 members behind one address at once, also what one of them says', async () => {
    const hub = await parties.start()
    const leaves = await Promise.all(Array.from({ length: 20 }, () => parties.start()))
    await Promise.all(leaves.map((leaf) => linkedTo(hub, leaf)))
    const isHeard = (text: string, by: readonly MeshParty[]): boolean =>
      by.every(({ events }) => events.gossips.some((heard) => heard.startsWith(text)))
    for (let at = 0; at < 100 && !isHeard('ready', leaves); at++) {
      await hub.links.publish(utf8(`ready ${at}`))
      await sleep(50)
    }
    const [speaker, ...others] = leaves as [MeshParty, ...MeshParty[]]
    await speaker.links.publish(utf8('news'))
    await until('all others hear it', () => isHeard('news', [hub, ...others]), 2_000)
    expect(isHeard('news', [speaker])).toBe(false)
  })
})

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

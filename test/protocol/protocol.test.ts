import { beforeEach, describe, expect, it } from 'vitest'
import { concatBytes, utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Random } from '#base/random.ts'
import type { MemberInput } from '#member/member.ts'
import type { Address, LinkId } from '#protocol/link.ts'
import { encodeMessage, type Message } from '#protocol/wire.ts'
import { encodePack } from '#trust/pack-codec.ts'
import { announced, addressOf, of, Site, Stage, type Person } from '../support/site.ts'

let site: Site
let stage: Stage
let bob: Person

beforeEach(() => {
  site = new Site()
  stage = new Stage(site, site.person('alice'), { known: [{ address: addressOf(200), inside: false }] })
  bob = site.person('bob')
})

describe('before the network is there', () => {
  it('nothing is dialled, asked or waited for', () => {
    stage.feed({ type: 'added', refs: [{ digest: sha256(utf8('a')), length: 1 }] })
    stage.feed({ type: 'spooled', name: sha256(utf8('b')), bytes: 1 })
    stage.feed({ type: 'facts', facts: {} })
    expect([of('dial', stage.effects), of('query', stage.effects), of('send', stage.effects)]).toEqual([[], [], []])
  })

  it('metadata that is known already is in force: the first input tells the rest of the member', () => {
    stage.start()
    expect(stage.member.protocol.self.set.release).toBe(1)
    expect(stage.member.agent?.status()).toEqual([])
  })
})

describe('stopping', () => {
  it('says good-bye on every link, also on those that nobody admitted yet', () => {
    stage.start()
    const links = [stage.meet(bob), stage.linkUp(site.person('carol'))]
    stage.feed({ type: 'stopping' })
    expect(links.map((link) => stage.farewell(link))).toEqual([
      { byes: ['STOPPING'], closes: ['STOPPING'] },
      { byes: ['STOPPING'], closes: ['STOPPING'] },
    ])
  })

  it('ends everything: nobody is dialled, asked or told any more, and a link that comes late is closed', () => {
    stage.start()
    const link = stage.meet(bob)
    stage.feed({ type: 'stopping' })
    stage.effects.length = 0
    stage.lose(link)
    stage.feed({ type: 'seen', address: bob.address, peer: bob.peer })
    stage.pass(600_000)
    expect([of('dial', stage.effects), of('query', stage.effects), of('send', stage.effects)]).toEqual([[], [], []])
    expect(stage.farewell(stage.linkUp(bob, 'out')).closes).toEqual(['STOPPING'])
  })
})

describe('a good-bye', () => {
  it('is the last that is heard and said on a link', () => {
    stage.start()
    const link = stage.meet(bob)
    stage.say(link, { t: 'bye', code: 'STEPPED_DOWN' })
    const effects = [
      ...stage.say(link, { t: 'head', versions: site.versions(), ask: true }),
      ...stage.feed({ type: 'gossip', link, bytes: announced(site.heartbeat()) }),
      ...stage.pass(600_000),
    ]
    expect(stage.said(link, effects)).toEqual([])
    expect(stage.farewell(link)).toEqual({ byes: [], closes: ['BYE_STEPPED_DOWN'] })
  })
})

describe('hostile input', () => {
  /** A message that is well-formed and means little: what a member could make up. */
  function madeUp(random: Random): Message {
    const digest = sha256(utf8(`content ${random.below(5)}`))
    const number = random.pick([0, 1, 2, 3, 7, 1_000_000]) ?? 0
    const versions = { root: number, timestamp: random.below(9), snapshot: number, roles: { bundles: number, mesh: 1 } }
    const bytes = Uint8Array.from({ length: random.below(40) + 1 }, () => random.below(256))
    const peer = random.pick([bob.peer, site.origin.peer, stage.self.peer]) ?? bob.peer
    const address = random.pick([addressOf(3), `/dns4/x/tcp/1/p2p/${site.origin.peer}` as Address]) ?? addressOf(4)
    const messages: Message[] = [
      { t: 'hello', wire: 1, membership: bob.certificate, versions, addresses: [address] },
      { t: 'ready', acting: random.below(2) === 0, reach: true },
      { t: 'bye', code: 'X' },
      { t: 'head', versions, ask: random.below(2) === 0 },
      { t: 'pack', part: random.below(3), parts: 3, bytes },
      { t: 'pack', part: 0, parts: 1, bytes: encodePack(random.pick([site.first, site.newest]) ?? site.first) },
      { t: 'roster', members: [{ peer, addresses: [address] }] },
      { t: 'uplink', acting: random.below(2) === 0, reach: random.below(2) === 0, others: [] },
      { t: 'want', contents: [digest, sha256(bytes)] },
      { t: 'unwant', contents: [digest] },
      { t: 'have', content: digest, chunks: 8, bits: new Uint8Array([random.below(256)]) },
      { t: 'have', content: digest, chunks: random.below(3) },
      { t: 'more', content: digest, runs: [[random.below(9), 1 + random.below(1_000)]] },
      { t: 'reports', sealed: [bytes] },
      { t: 'receipt', bytes: concatBytes(bob.key.public, bytes) },
    ]
    return random.pick(messages) as Message
  }

  /** Anything that the world may tell a member, in any order. */
  function anyInput(random: Random, people: readonly Person[]): MemberInput {
    const link = (1 + random.below(12)) as LinkId
    const content = sha256(utf8(`content ${random.below(5)}`))
    const other = random.pick(people) as Person
    const inputs: MemberInput[] = [
      {
        type: 'link-up',
        link,
        peer: other.peer,
        direction: random.pick(['in', 'out']) ?? 'in',
        address: other.address,
      },
      { type: 'link-down', link, reason: 'x' },
      { type: 'dial-failed', address: other.address, reason: 'x' },
      { type: 'message', link, bytes: Uint8Array.from({ length: random.below(60) }, () => random.below(256)) },
      { type: 'gossip', link, bytes: announced(site.newest) },
      { type: 'seen', address: other.address, peer: other.peer },
      { type: 'asked', link, ask: random.below(9), run: { content, first: random.below(9), count: random.below(300) } },
      { type: 'served', link, content, bytes: 10 },
      { type: 'opened', content, chunks: 8, have: new Uint8Array([random.below(256)]) },
      { type: 'open-failed', content, code: 'DISK_FULL' },
      {
        type: 'chunk',
        fetch: random.below(20),
        index: random.below(9),
        bytes: 9,
        verdict: random.pick(['stored', 'already', 'wrong', 'unstored']) ?? 'wrong',
      },
      {
        type: 'fetch-ended',
        fetch: random.below(20),
        end: random.pick(['done', 'denied', 'failed', 'cancelled']) ?? 'done',
      },
      { type: 'added', refs: [{ digest: content, length: 8 }] },
      { type: 'spooled', name: content, bytes: 100 },
      { type: 'report-read', link, sealed: [new Uint8Array(3)] },
      { type: 'wake' },
      { type: 'facts', facts: { hostname: 'x' } },
      { type: 'apply-now' },
      { type: 'look' },
      { type: 'observed', name: 'web', version: 1, outcome: { type: 'findings', findings: [] } },
      { type: 'checked', name: 'web', version: 1, result: { name: 'm', outcome: 'fail', said: '' } },
      { type: 'manifest', content, bytes: utf8('{}') },
      { type: 'prepared', name: 'web', version: 1, outcome: { type: 'failed', reason: 'x' } },
      { type: 'applied', name: 'web', version: 1, outcome: { type: 'failed', reason: 'x' } },
    ]
    return random.pick(inputs) as MemberInput
  }

  it.each(['client', 'relay', 'origin'] as const)(
    'whatever comes in whatever order, a %s throws nothing, and each wake is later than the last',
    (role) => {
      const manifest = { digest: sha256(utf8('content 1')), length: 8 }
      site.release([{ name: 'web', version: 1, manifest, custom: {} }])
      for (let seed = 0; seed < 12; seed++) {
        const random = new Random(`${role} ${seed}`)
        const self = role === 'origin' ? site.origin : site.person('victim', { role })
        stage = new Stage(site, self, { seed: `${seed}`, pack: random.below(2) ? site.first : site.newest })
        const people = [bob, site.person('carol'), site.person('dave', { site: 'lyon' }), site.origin, self]
        stage.start()
        for (let step = 0; step < 400; step++) {
          if (random.below(3) === 0) stage.feed(anyInput(random, people))
          else if (random.below(8) === 0) stage.meet(random.pick(people) as Person)
          else
            stage.feed({
              type: 'message',
              link: (1 + random.below(12)) as LinkId,
              bytes: encodeMessage(madeUp(random)),
            })
          if (random.below(5) === 0) stage.pass(random.below(3_000))
        }
        stage.pass(3_600_000)
      }
      expect(stage.wakes).toBeLessThan(20_000)
    },
  )

  it('a thousand wakes of an untroubled member take days, not moments', () => {
    stage.start()
    stage.meet(bob, { acting: true, reach: true })
    const start = stage.now
    while (stage.wakes < 1_000) stage.pass(3_600_000)
    expect(stage.now - start).toBeGreaterThan(86_400_000)
  })

  it('a member whose site reaches nobody outside wakes about once for each dial, all day', () => {
    stage.start()
    stage.meet(bob)
    const start = stage.now
    while (stage.wakes < 1_000) stage.pass(3_600_000)
    expect(stage.now - start).toBeGreaterThan(8 * 3_600_000)
  })
})

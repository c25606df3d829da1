/** One member's protocol against neighbours that a test plays by hand, message by message. */
import { describe, expect, it } from 'vitest'
import { sha256, type Digest } from '#base/digest.ts'
import { utf8 } from '#base/bytes.ts'
import { Random } from '#base/random.ts'
import { after, day, type Instant } from '#base/time.ts'
import type { ProtocolEffect, ProtocolNotice } from '#protocol/effect.ts'
import type { ProtocolInput } from '#protocol/input.ts'
import type { Address, LinkId } from '#protocol/link.ts'
import { contentsPerLinkMax } from '#protocol/params.ts'
import { Protocol } from '#protocol/protocol.ts'
import { decodeMessage, encodeMessage, type Message } from '#protocol/wire.ts'
import { enrol, verifyMembership } from '#trust/membership.ts'
import { encodePack } from '#trust/pack-codec.ts'
import { peerIdOf, type PeerId } from '#trust/peer-id.ts'
import { nextRelease } from '#trust/repository.ts'
import { TrustedSet } from '#trust/trusted-set.ts'
import { fleet, keyOf, now, seedOf } from '../support/fleet.ts'

const acme = fleet()
const content = sha256(utf8('content'))

interface Played {
  readonly protocol: Protocol
  readonly effects: ProtocolEffect[]
  readonly notices: ProtocolNotice[]
  feed(input: ProtocolInput): void
  /** What it sent on a link since the last look. */
  said(link: number): Message[]
  wait(ms: number): void
  time(): Instant
}

function play(role: 'client' | 'relay' = 'client', known: readonly string[] = []): Played {
  const { certificate, peer } = person('me', 'berlin', role)
  const set = TrustedSet.restore(acme.meshId, acme.first, now)
  const effects: ProtocolEffect[] = []
  const notices: ProtocolNotice[] = []
  let time = now
  const protocol = new Protocol({
    self: {
      peer,
      certificate,
      membership: verifyMembership(certificate, { meshId: acme.meshId, issuers: set.issuers(), peer, now }),
      pinnedIssuers: [],
      set,
      random: new Random('test'),
    },
    known: known.map((address) => ({ address: address as Address, inside: false })),
    now,
  })
  const feed = (input: ProtocolInput): void =>
    protocol.handle(
      input,
      time,
      (effect) => effects.push(effect),
      (notice) => notices.push(notice),
    )
  let looked = 0
  return {
    protocol,
    effects,
    notices,
    feed,
    said: (link) => {
      const sent = effects
        .slice(looked)
        .flatMap((effect) => (effect.type === 'send' && effect.link === link ? decodeMessage(effect.bytes) : []))
      looked = effects.length
      return sent
    },
    wait: (ms) => {
      const end = after(time, ms)
      for (let wakes = 0; wakes < 10_000; wakes++) {
        const next = protocol.nextWake()
        if (next === undefined || next > end) break
        // A wake in the past would be a loop that never sleeps.
        time = next > time ? next : after(time, 1)
        feed({ type: 'wake' })
      }
      time = end
    },
    time: () => time,
  }
}

function person(
  name: string,
  site = 'berlin',
  role: 'client' | 'relay' = 'client',
): { certificate: Uint8Array; peer: PeerId } {
  const device = keyOf(name)
  const token = acme.token({ site, role, tokenSeed: seedOf(`token ${name}`) })
  return { certificate: enrol({ token, device, name, now }), peer: peerIdOf(device.public) }
}

const link = (id: number): LinkId => id as LinkId
const hello = (certificate: Uint8Array, wire = 1): Message => ({
  t: 'hello',
  wire,
  membership: certificate,
  versions: acme.set.versions(),
  addresses: [],
})

/** Brings a neighbour to established. */
function meet(
  me: Played,
  id: number,
  name: string,
  site = 'berlin',
  role: 'client' | 'relay' = 'client',
  standing = { acting: false, reach: false },
): PeerId {
  const { certificate, peer } = person(name, site, role)
  me.feed({ type: 'link-up', link: link(id), peer, direction: 'in', address: `/ip4/10.0.0.${id}/tcp/1` as Address })
  say(me, id, hello(certificate))
  say(me, id, { t: 'ready', ...standing })
  return peer
}

const say = (me: Played, id: number, message: Message): void =>
  me.feed({ type: 'message', link: link(id), bytes: encodeMessage(message) })
const codes = (messages: readonly Message[]): string[] =>
  messages.flatMap((message) => (message.t === 'bye' ? message.code : []))
const closed = (me: Played, id: number): boolean =>
  me.effects.some((effect) => effect.type === 'close' && effect.link === id)

describe('admission', () => {
  it('proves itself to no one before that one has, and serves nothing before both have', () => {
    const me = play()
    const { certificate, peer } = person('anna')
    me.feed({ type: 'link-up', link: link(1), peer, direction: 'in', address: '/ip4/10.0.0.1/tcp/1' as Address })
    expect(me.said(1)).toEqual([])
    say(me, 1, hello(certificate))
    expect(me.said(1).map(({ t }) => t)).toEqual(['hello', 'ready'])
    me.feed({ type: 'asked', link: link(1), ask: 9, run: { content, first: 0, count: 1 } })
    expect(me.effects.at(-1)).toMatchObject({ type: 'deny', ask: 9, code: 'NOT_ADMITTED' })
    say(me, 1, { t: 'ready', acting: false, reach: false })
    expect(me.protocol.neighbours.list('inside')).toHaveLength(1)
  })

  it('the one who dials greets first', () => {
    const me = play()
    const { peer } = person('anna')
    me.feed({ type: 'link-up', link: link(1), peer, direction: 'out', address: '/ip4/10.0.0.1/tcp/1' as Address })
    expect(me.said(1).map(({ t }) => t)).toEqual(['hello'])
  })

  it.each([
    ["another device's certificate", (): Message => hello(person('ben').certificate), 'MEMBERSHIP_OTHER_PEER'],
    ['no certificate', (): Message => hello(utf8('{}')), 'MEMBERSHIP_INVALID'],
    ['another wire version', (): Message => hello(person('anna').certificate, 2), 'WIRE_VERSION'],
    ['a want before its hello', (): Message => ({ t: 'want', contents: [content] }), 'OUT_OF_ORDER'],
    ['a ready before its hello', (): Message => ({ t: 'ready', acting: true, reach: true }), 'OUT_OF_ORDER'],
  ])('a neighbour with %s is told why and closed, and gets nothing', (_what, first, code) => {
    const me = play()
    const { peer } = person('anna')
    me.feed({ type: 'link-up', link: link(1), peer, direction: 'in', address: '/ip4/10.0.0.1/tcp/1' as Address })
    say(me, 1, first())
    expect(codes(me.said(1))).toEqual([code])
    expect([closed(me, 1), me.effects.some(({ type }) => type === 'admit')]).toEqual([true, false])
  })

  it('who says nothing in ten seconds is closed as too slow', () => {
    const me = play()
    const { peer } = person('anna')
    me.feed({ type: 'started', addresses: [] })
    me.feed({ type: 'link-up', link: link(1), peer, direction: 'in', address: '/ip4/10.0.0.1/tcp/1' as Address })
    me.wait(11_000)
    expect(codes(me.said(1))).toEqual(['TOO_SLOW'])
  })

  it('a second hello is out of order', () => {
    const me = play()
    meet(me, 1, 'anna')
    me.said(1)
    say(me, 1, hello(person('anna').certificate))
    expect(codes(me.said(1))).toEqual(['OUT_OF_ORDER'])
  })

  it('of two links to one member both sides keep the one that the lower peer id dialled', () => {
    const me = play()
    const peer = meet(me, 1, 'anna')
    me.feed({ type: 'link-up', link: link(2), peer, direction: 'out', address: '/ip4/10.0.0.1/tcp/2' as Address })
    const lowerIsMe = me.protocol.self.peer < peer
    expect([closed(me, 1), closed(me, 2)]).toEqual(lowerIsMe ? [true, false] : [false, true])
  })

  it('closes an open link at once when new metadata revokes its member (86)', () => {
    const me = play()
    me.feed({ type: 'started', addresses: [] })
    const peer = meet(me, 1, 'anna')
    const pack = nextRelease({
      previous: acme.first,
      keys: acme.keys,
      now,
      documents: { revocations: { issuers: new Set(), tokens: new Set(), peers: new Set([peer as string]) } },
    })
    me.said(1)
    me.feed({ type: 'metadata', pack })
    expect(codes(me.said(1))).toContain('MEMBERSHIP_REVOKED')
  })

  it('keeps out for a while who sent three messages that nobody understands', () => {
    const me = play()
    for (const id of [1, 2, 3]) {
      const peer = meet(me, id, 'anna')
      me.feed({ type: 'message', link: link(id), bytes: utf8('junk') })
      me.feed({ type: 'link-down', link: link(id), reason: 'gone' })
      expect(peer).toBeDefined()
    }
    me.said(4)
    const { peer } = person('anna')
    me.feed({ type: 'link-up', link: link(4), peer, direction: 'in', address: '/ip4/10.0.0.1/tcp/1' as Address })
    expect(codes(me.said(4))).toEqual(['BANNED'])
  })
})

describe('metadata', () => {
  it('a bad announcement is rejected and costs its carrier, a stranger and an old one do not', () => {
    const me = play()
    meet(me, 1, 'anna')
    const second = encodePack(acme.next())
    me.feed({ type: 'gossip', link: link(1), bytes: second })
    me.feed({ type: 'gossip', link: link(1), bytes: second })
    me.feed({ type: 'gossip', link: link(1), bytes: encodePack(acme.first) })
    me.feed({ type: 'gossip', link: link(1), bytes: utf8('junk') })
    const verdicts = me.effects.flatMap((effect) => (effect.type === 'verdict' ? effect.verdict : []))
    expect(verdicts).toEqual(['accept', 'ignore', 'ignore', 'reject'])
    const blamed = me.effects.filter((effect) => effect.type === 'log' && effect.event === 'peer.blamed')
    expect(blamed).toMatchObject([{ fields: { what: 'GOSSIP_REFUSED' } }])
  })

  it('is sent to a neighbour that is behind as soon as both know each other', () => {
    const me = play()
    me.feed({ type: 'metadata', pack: acme.next() })
    meet(me, 1, 'anna')
    expect(me.said(1).some(({ t }) => t === 'pack')).toBe(true)
  })

  it('that expired is nobody’s fault', () => {
    const me = play()
    meet(me, 1, 'anna')
    me.wait(40 * day)
    me.feed({ type: 'gossip', link: link(1), bytes: encodePack(acme.next()) })
    expect(me.effects.at(-1)).toEqual({ type: 'verdict', verdict: 'ignore' })
  })
})

describe('the exchange', () => {
  const ref = { digest: content, length: 200_000, list: { digest: sha256(utf8('list')), length: 252 } }
  const opened = (me: Played, digest: Digest, chunks: number): void =>
    me.feed({ type: 'opened', content: digest, chunks, have: new Uint8Array(Math.ceil(chunks / 8)) })

  function fetching(me: Played): void {
    const turn = {
      now: me.time(),
      out: (effect: ProtocolEffect) => void me.effects.push(effect),
      notify: (notice: ProtocolNotice) => void me.notices.push(notice),
    }
    me.protocol.want(turn, { digest: content, length: 200_000 }, 1)
    opened(me, content, 7)
  }

  it('fetches the list of a content before the content', () => {
    const me = play()
    const turn = { now, out: (effect: ProtocolEffect) => void me.effects.push(effect), notify: () => {} }
    me.protocol.want(turn, ref, 1)
    expect(me.effects.filter(({ type }) => type === 'open')).toEqual([{ type: 'open', ref: ref.list }])
  })

  it('asks a neighbour for what it has, and forgets what a liar said', () => {
    const me = play()
    me.feed({ type: 'started', addresses: [] })
    meet(me, 1, 'anna')
    fetching(me)
    say(me, 1, { t: 'have', content, chunks: 7 })
    const asked = me.effects.filter((effect) => effect.type === 'fetch')
    expect(asked.reduce((sum, { run }) => sum + run.count, 0)).toBe(7)
    me.feed({ type: 'chunk', fetch: asked[0]?.fetch ?? 0, index: asked[0]?.run.first ?? 0, bytes: 1, verdict: 'wrong' })
    expect(me.effects.some((effect) => effect.type === 'cancel')).toBe(true)
    expect(me.effects.filter((effect) => effect.type === 'log' && effect.event === 'peer.blamed')).toMatchObject([
      { fields: { what: 'CHUNK_WRONG' } },
    ])
  })

  it('blames a neighbour whose bitmap does not fit the content', () => {
    const me = play()
    me.feed({ type: 'started', addresses: [] })
    meet(me, 1, 'anna')
    fetching(me)
    say(me, 1, { t: 'have', content, chunks: 8 })
    expect(me.effects.filter((effect) => effect.type === 'log' && effect.event === 'peer.blamed')).toMatchObject([
      { fields: { what: 'HAVE_WRONG' } },
    ])
  })

  it('serves what is here, and says so where it is not', () => {
    const me = play()
    meet(me, 1, 'anna')
    me.feed({ type: 'added', refs: [{ digest: content, length: 10 }] })
    me.feed({ type: 'opened', content, chunks: 1, have: Uint8Array.of(1) })
    me.feed({ type: 'asked', link: link(1), ask: 1, run: { content, first: 0, count: 1 } })
    me.feed({ type: 'asked', link: link(1), ask: 2, run: { content, first: 0, count: 2 } })
    expect(me.effects.slice(-2)).toMatchObject([
      { type: 'serve', ask: 1 },
      { type: 'deny', ask: 2, code: 'NOT_HERE' },
    ])
  })

  it('lets a neighbour ask to hear of only so many contents', () => {
    const me = play()
    meet(me, 1, 'anna')
    const many = (from: number): Digest[] =>
      Array.from({ length: 4_000 }, (_, index) => sha256(utf8(`${from} ${index}`)))
    say(me, 1, { t: 'want', contents: many(1) })
    me.said(1)
    expect(contentsPerLinkMax).toBeLessThan(8_000)
    say(me, 1, { t: 'want', contents: many(2) })
    expect(codes(me.said(1))).toEqual(['TOO_MUCH'])
  })
})

describe('the uplink', () => {
  const origin = '/ip4/192.0.2.1/tcp/47100'
  const dials = (me: Played): string[] => me.effects.flatMap((effect) => (effect.type === 'dial' ? effect.address : []))

  it('a client that hears nobody goes outside within two seconds, and not at once', () => {
    const me = play('client', [origin])
    me.feed({ type: 'started', addresses: [] })
    expect(dials(me)).toEqual([])
    me.wait(2_000)
    expect(dials(me)).toEqual([origin])
  })

  it('a client that hears a relay never does', () => {
    const me = play('client', [origin])
    me.feed({ type: 'started', addresses: [] })
    meet(me, 1, 'relay', 'berlin', 'relay', { acting: true, reach: true })
    me.wait(120_000)
    expect(dials(me)).toEqual([])
  })

  it('a relay goes outside at once', () => {
    const me = play('relay', [origin])
    me.feed({ type: 'started', addresses: [] })
    expect(dials(me)).toEqual([origin])
  })

  it('a volunteer steps down, and leaves the outside, when a relay comes', () => {
    const me = play('client', [origin])
    me.feed({ type: 'started', addresses: [] })
    me.wait(2_000)
    meet(me, 1, 'hq', 'origin')
    me.said(1)
    meet(me, 2, 'relay', 'berlin', 'relay', { acting: true, reach: true })
    expect(codes(me.said(1))).toContain('STEPPED_DOWN')
    expect(me.protocol.standing).toEqual({ acting: false, reach: false })
  })

  it('when the relay loses the outside, a client takes over', () => {
    const me = play('client', [origin])
    me.feed({ type: 'started', addresses: [] })
    meet(me, 1, 'relay', 'berlin', 'relay', { acting: true, reach: true })
    me.wait(5_000)
    say(me, 1, { t: 'uplink', acting: false, reach: false })
    me.wait(2_000)
    expect(dials(me)).toEqual([origin])
  })

  it('a failed dial is tried again, each time later, and time always moves', () => {
    const me = play('relay', [origin])
    me.feed({ type: 'started', addresses: [] })
    let failed = 0
    for (let second = 0; second < 300; second++) {
      while (dials(me).length > failed) {
        failed++
        me.feed({ type: 'dial-failed', address: origin as Address, reason: 'nobody' })
      }
      me.wait(1_000)
    }
    expect(failed).toBeGreaterThan(5)
    expect(failed).toBeLessThan(20)
  })
})

import { beforeEach, describe, expect, it } from 'vitest'
import { instant } from '#base/time.ts'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Network } from '#sim/network.ts'
import { World } from '#sim/world.ts'
import type { Address, FetchEnd, LinkId } from '#protocol/link.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { Recorder } from '../contracts/link.ts'

const addressOf = (number: number): Address => `/ip4/10.0.0.${number}/tcp/1` as Address
const line = { downBps: 8_000_000, upBps: 800_000, latencyUs: 10_000 }
let world: World
let network: Network

interface Place {
  readonly address: Address
  readonly events: Recorder
}
function enter(number: number, site: string): Place {
  const events = new Recorder()
  network.enter({ peer: `peer-${number}` as PeerId, address: addressOf(number), site, events })
  return { address: addressOf(number), events }
}
function link(a: Place, b: Place): LinkId {
  let up = 0 as LinkId
  network.dial(
    a.address,
    b.address,
    () => {},
    (made) => (up = made),
  )
  world.run(world.nowUs + 1_000_000)
  network.admit(a.address, up)
  network.admit(b.address, up)
  return up
}
/** When something is heard, in microseconds from now. */
function takesUs(act: () => void, isDone: () => boolean): number {
  const before = world.nowUs
  act()
  expect(world.run(before + 60_000_000, isDone)).toBe(true)
  return world.nowUs - before
}

beforeEach(() => {
  world = new World(instant(0))
  network = new Network(
    world,
    new Map([
      ['berlin', line],
      ['lyon', line],
    ]),
  )
})

describe('a line', () => {
  it('carries a message at the rate of the slowest part of its way, plus the latency of both sites', () => {
    const [a, b] = [enter(1, 'berlin'), enter(2, 'lyon')]
    const up = link(a, b)
    const us = takesUs(
      () => network.send(a.address, up, new Uint8Array(10_000)),
      () => b.events.messages.length > 0,
    )
    expect(us).toBe(100_000 + 2 * line.latencyUs + 300)
  })

  it('is shared: what is sent later waits for what was sent before, whoever sent it', () => {
    const [a, b, c] = [enter(1, 'berlin'), enter(2, 'lyon'), enter(3, 'berlin')]
    const [ab, cb] = [link(a, b), link(c, b)]
    const both = takesUs(
      () => {
        network.send(a.address, ab, new Uint8Array(10_000))
        network.send(c.address, cb, new Uint8Array(10_000))
      },
      () => b.events.messages.length === 2,
    )
    expect(both).toBe(200_000 + 2 * line.latencyUs + 300)
  })

  it('does not slow the LAN, and nothing of the LAN is counted on it', () => {
    const [a, b] = [enter(1, 'berlin'), enter(2, 'berlin')]
    const up = link(a, b)
    const us = takesUs(
      () => network.send(a.address, up, new Uint8Array(100_000)),
      () => b.events.messages.length > 0,
    )
    expect(us).toBe(800 + 300)
    expect(network.uplinkBytes.size).toBe(0)
  })

  it('counts what crosses it, at both ends', () => {
    const [a, b] = [enter(1, 'berlin'), enter(2, 'lyon')]
    const up = link(a, b)
    network.send(a.address, up, new Uint8Array(700))
    expect(network.uplinkBytes.get('berlin')).toEqual({ downBytes: 0, upBytes: 700 })
    expect(network.uplinkBytes.get('lyon')).toEqual({ downBytes: 700, upBytes: 0 })
  })
})

describe('gossip', () => {
  it('crosses each link once, and only links of members that have it', () => {
    const [a, b, c, d] = [enter(1, 'berlin'), enter(2, 'berlin'), enter(3, 'lyon'), enter(4, 'lyon')]
    link(a, b)
    link(b, c)
    link(c, d)
    const before = network.uplinkBytes.get('berlin')?.upBytes ?? 0
    network.publish(a.address, new Uint8Array(500))
    world.run(world.nowUs + 1_000_000)
    expect([b, c, d].map(({ events }) => events.gossips.length)).toEqual([1, 1, 1])
    expect((network.uplinkBytes.get('berlin')?.upBytes ?? 0) - before).toBe(500)
    expect(network.uplinkBytes.get('berlin')?.downBytes ?? 0).toBe(0)
  })
})

describe('the LAN', () => {
  it('lets members of one site hear of each other, and nobody else', () => {
    const [a, b, c] = [enter(1, 'berlin'), enter(2, 'berlin'), enter(3, 'lyon')]
    network.query(a.address)
    world.run(10_000)
    expect(a.events.sightings.map(({ peer }) => peer)).toEqual(['peer-2'])
    expect(b.events.sightings.map(({ peer }) => peer)).toEqual(['peer-1'])
    expect(c.events.sightings).toEqual([])
  })
})

describe('a member that is switched off', () => {
  it('loses its links without a word, and answers nobody any more', () => {
    const [a, b] = [enter(1, 'berlin'), enter(2, 'berlin')]
    link(a, b)
    const ends: FetchEnd[] = []
    network.fetch(
      a.address,
      1 as LinkId,
      { content: sha256(utf8('x')), first: 0, count: 1 },
      () => {},
      (end) => ends.push(end),
    )
    network.leave(b.address)
    expect([a.events.downs.length, b.events.downs.length, ends]).toEqual([1, 0, ['failed']])
    let reason = ''
    network.dial(a.address, b.address, (why) => (reason = why))
    world.run(world.nowUs + 1_000_000)
    expect(reason).toBe('nobody answers')
  })
})

describe('calls of the network', () => {
  it('never answer within the call: a machine that asks is not entered again', () => {
    const [a, b] = [enter(1, 'berlin'), enter(2, 'berlin')]
    const up = link(a, b)
    const ends: FetchEnd[] = []
    const run = { content: sha256(utf8('x')), first: 0, count: 1 }
    const ask = network.fetch(
      a.address,
      up,
      run,
      () => {},
      (end) => ends.push(end),
    )
    network.cancel(ask)
    expect(ends).toEqual([])
    world.run(world.nowUs + 1)
    expect(ends).toEqual(['cancelled'])
    network.fetch(
      a.address,
      99 as LinkId,
      run,
      () => {},
      (end) => ends.push(end),
    )
    expect(ends).toEqual(['cancelled'])
    world.run(world.nowUs + 1)
    expect(ends).toEqual(['cancelled', 'failed'])
  })

  it('a chunk that is on its way when its fetch is cancelled does not arrive', () => {
    const [a, b] = [enter(1, 'berlin'), enter(2, 'berlin')]
    const up = link(a, b)
    const got: number[] = []
    const run = { content: sha256(utf8('x')), first: 0, count: 1 }
    b.events.onAsked = (asked) => network.answer(asked, 0, { size: 1_000_000 }, () => {})
    const ask = network.fetch(
      a.address,
      up,
      run,
      (index) => got.push(index),
      () => {},
    )
    world.run(world.nowUs + 1_000)
    network.cancel(ask)
    world.run(world.nowUs + 1_000_000)
    expect(got).toEqual([])
  })
})

/** The made-up network keeps the same contract as libp2p does, or the simulator would lie. */
import { setImmediate } from 'node:timers/promises'
import { Unavailable } from '#base/errors.ts'
import { instant } from '#base/time.ts'
import type { Address, ChunkRun, FetchEnd, LinkId, Links, OnChunk } from '#protocol/link.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { Network } from '#sim/network.ts'
import { World } from '#sim/world.ts'
import { describeLinks, Recorder, type Party } from '../contracts/link.ts'

/** Virtual time that passes between two looks, and how many looks a test waits. */
const stepUs = 1_000
const looksMax = 400
const madeUp: readonly string[] = ['a', 'b', 'c', 'd'].map((letter) => `12D3KooW${letter.repeat(44)}`)

/** What the contract asks for, on a network whose calls answer by callbacks: in the simulator devices call it directly. */
function linksOf(network: Network, self: Address): Links {
  return {
    dial: (address) =>
      new Promise<LinkId>((resolve, reject) => {
        const failed = (reason: string): void =>
          reject(new Unavailable('DIAL_FAILED', { message: `${reason}.`, where: address }))
        network.dial(self, address, failed, resolve)
      }),
    send: (link, bytes) => network.send(self, link, bytes),
    close: (link, reason) => network.close(self, link, reason),
    admit: (link) => network.admit(self, link),
    publish: (bytes) => Promise.resolve(network.publish(self, bytes)),
    fetch: (link, run, onChunk, signal) => fetchOver(network, self, { link, run, onChunk, signal }),
    answer: (ask, index, bytes) =>
      new Promise<void>((resolve, reject) => {
        network.answer(ask, index, { size: bytes.byteLength, bytes }, (isThere) =>
          isThere ? resolve() : reject(new Unavailable('ASKER_GONE', { message: 'The asker is gone.' })),
        )
      }),
    finish: (ask, denied) => network.finish(ask, denied),
    query: () => network.query(self),
  }
}

interface FetchOrder {
  readonly link: LinkId
  readonly run: ChunkRun
  readonly onChunk: OnChunk
  readonly signal: AbortSignal
}

function fetchOver(network: Network, self: Address, { link, run, onChunk, signal }: FetchOrder): Promise<FetchEnd> {
  return new Promise((resolve) => {
    let isSpoiled = false
    const spoil = (): void => {
      isSpoiled = true
      network.cancel(ask)
    }
    const ask: number = network.fetch(
      self,
      link,
      run,
      (index, { bytes }) => void onChunk(index, bytes ?? new Uint8Array(), 'whole').catch(spoil),
      (end) => resolve(isSpoiled ? 'failed' : end),
    )
    signal.addEventListener('abort', () => network.cancel(ask))
  })
}

/** Lets virtual time pass as long as somebody is there. */
async function turn(world: World, present: ReadonlySet<PeerId>): Promise<void> {
  while (present.size > 0) {
    world.run(world.nowUs + stepUs)
    await setImmediate()
  }
}

describeLinks('the made-up network', {
  make: (count) => {
    const world = new World(instant(0))
    const network = new Network(world, new Map())
    const present = new Set(madeUp.slice(0, count) as PeerId[])
    const parties = madeUp.slice(0, count).map((text, number): Party => {
      const [peer, plain] = [text as PeerId, `/ip4/10.0.0.${number + 1}/tcp/1` as Address]
      const events = new Recorder()
      network.enter({ peer, address: plain, site: 'berlin', events })
      const stop = (): Promise<void> => {
        present.delete(peer)
        return Promise.resolve(network.leave(plain))
      }
      return { links: linksOf(network, plain), events, address: `${plain}/p2p/${peer}` as Address, peer, stop }
    })
    void turn(world, present)
    return Promise.resolve(parties)
  },
  until: async (what, holds) => {
    for (let look = 0; look < looksMax; look++) {
      if (holds()) return
      await setImmediate()
    }
    throw new TypeError(`it did not come: ${what}`)
  },
})

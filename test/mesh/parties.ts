/** Members on loopback, over real libp2p, that write down what they are told: what the tests of this folder are made of. */
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLog } from '#base/log.ts'
import { sha256 } from '#base/digest.ts'
import { fromHex, utf8 } from '#base/bytes.ts'
import { startMesh, type Mesh, type MeshInit } from '#mesh/host.ts'
import type { Address } from '#protocol/link.ts'
import { Recorder, type Party } from '../contracts/link.ts'

export interface MeshParty extends Party {
  readonly mesh: Mesh
}

/** A seed that is the same for the same label. */
export const seedOf = (label: string): Uint8Array => fromHex(sha256(utf8(label))) ?? new Uint8Array()

export const anyPort = '/ip4/127.0.0.1/tcp/0' as Address

let made = 0

export async function startParty(init: Partial<MeshInit> = {}): Promise<MeshParty> {
  const events = new Recorder()
  const seed = seedOf(`party ${process.pid} ${made++}`)
  const mesh = await startMesh(
    { seed, listen: [anyPort], topic: 'grapevine/test/head', log: silentLog, ...init },
    events,
  )
  const [address] = mesh.addresses()
  return { mesh, links: mesh, events, address: address ?? anyPort, peer: mesh.peer, stop: () => mesh.stop() }
}

/** Starts members, and stops them at the end of a test. */
export class Parties {
  readonly #running: { stop(): Promise<void> }[] = []

  async start(init: Partial<MeshInit> = {}): Promise<MeshParty> {
    return this.keep(await startParty(init))
  }

  keep<T extends { stop(): Promise<void> }>(party: T): T {
    this.#running.push(party)
    return party
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((party) => party.stop()))
  }
}

/** Looks every few milliseconds until it holds; an error that names it after `withinMs`. */
export async function until(what: string, holds: () => boolean, withinMs = 8_000): Promise<void> {
  const end = performance.now() + withinMs
  while (!holds()) {
    if (performance.now() > end) throw new TypeError(`${what}: not within ${withinMs} ms`)
    await sleep(5)
  }
}

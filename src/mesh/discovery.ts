/**
 * LAN discovery (protocol.md §5.5a): one multicast socket per IPv4 interface, joined and sent by interface address, so that it works
 * without a multicast route and on every LAN of a machine. A query is itself an announcement, and is answered at once. Only members
 * with our tag, which stands for fleet and site, hear or are heard. One datagram:
 *
 *   0   4  "GVL1"
 *   4   1  kind: 1 query, 2 here
 *   5  16  tag
 *  21   2  TCP port, big endian
 *  23   1  n, length of the peer id
 *  24   n  peer id, ASCII
 *
 * The address is the datagram's source: nobody can announce somebody else's. Anything else is dropped without a word.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import { concatBytes, equalBytes, textOf, utf8 } from '#base/bytes.ts'
import { messageOf } from '#base/errors.ts'
import type { Log } from '#base/log.ts'
import type { Address } from '#protocol/link.ts'
import { publicKeyOf, type PeerId } from '#trust/peer-id.ts'

export interface DiscoveryInit {
  readonly tag: Uint8Array
  readonly port: number
  readonly peer: PeerId
  /** Where we listen now. */
  readonly addresses: () => readonly Address[]
  readonly seen: (address: Address, peer: PeerId) => void
  readonly log: Log
}

export interface LanState {
  readonly interface: string
  readonly ok: boolean
  readonly error?: string
}

/** Link-local (RFC 5771 §4): never forwarded by a router, and not filtered by switches that snoop. */
const group = '224.0.0.179'
const magic = utf8('GVL1')
const datagramBytesMax = 128
/** Answers a second, all askers together: a flood of queries must not become one of answers. */
const answersPerSecondMax = 50
const rescanMs = 30_000

interface Voice {
  readonly name: string
  readonly address: string
  readonly socket: Socket
  ok: boolean
  error: string | undefined
}

export class Discovery {
  readonly #init: DiscoveryInit
  readonly #voices = new Map<string, Voice>()
  #rescan: NodeJS.Timeout | undefined
  #answered = 0
  #second = 0

  constructor(init: DiscoveryInit) {
    this.#init = init
  }

  /** Opens a socket on every interface; where that fails the interface stays quiet, and `state` says why. */
  async start(): Promise<void> {
    await this.#scan()
    this.#rescan = setInterval(() => void this.#scan(), rescanMs).unref()
  }

  state(): LanState[] {
    return [...this.#voices.values()].map(({ name, ok, error }) => ({
      interface: name,
      ok,
      ...(error !== undefined && { error }),
    }))
  }

  /** Asks all LANs who is there. */
  query(): void {
    void this.#scan().then(() => {
      for (const voice of this.#voices.values()) this.#say(voice, 1)
    })
  }

  stop(): void {
    clearInterval(this.#rescan)
    for (const { socket } of this.#voices.values()) socket.close()
    this.#voices.clear()
  }

  /** Interfaces come and go: a laptop changes networks. */
  async #scan(): Promise<void> {
    const found = new Map<string, string>()
    for (const [name, list] of Object.entries(networkInterfaces()))
      for (const info of list ?? []) if (info.family === 'IPv4') found.set(info.address, name)
    for (const [address, { socket }] of this.#voices)
      if (!found.has(address)) {
        socket.close()
        this.#voices.delete(address)
      }
    const opening = [...found].filter(([address]) => !this.#voices.has(address))
    await Promise.all(opening.map(([address, name]) => this.#open(name, address)))
  }

  #open(name: string, address: string): Promise<void> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true })
    const voice: Voice = { name, address, socket, ok: false, error: undefined }
    this.#voices.set(address, voice)
    return new Promise((resolve) => {
      const failed = (error: unknown): void => {
        voice.ok = false
        voice.error = messageOf(error)
        this.#init.log.warn('discovery.quiet', { interface: name, error: voice.error })
        resolve()
      }
      socket.on('error', failed)
      socket.on('message', (bytes, from) => this.#heard(voice, bytes, from))
      socket.bind(this.#init.port, () => {
        try {
          socket.addMembership(group, address)
          socket.setMulticastInterface(address)
          socket.setMulticastTTL(1)
          socket.setMulticastLoopback(true)
          socket.unref()
          voice.ok = true
          resolve()
        } catch (error) {
          failed(error)
        }
      })
    })
  }

  #say(voice: Voice, kind: 1 | 2): void {
    const port = this.#portOn(voice.address)
    if (!voice.ok || port === undefined) return
    const peer = utf8(this.#init.peer)
    const bytes = concatBytes(
      magic,
      Uint8Array.of(kind),
      this.#init.tag,
      Uint8Array.of(port >> 8, port & 255, peer.byteLength),
      peer,
    )
    voice.socket.send(bytes, this.#init.port, group, (error) => {
      if (error) this.#init.log.debug('discovery.unsent', { interface: voice.name, error })
    })
  }

  /** The TCP port that a neighbour on this interface can reach, if we listen there. */
  #portOn(address: string): number | undefined {
    for (const own of this.#init.addresses()) {
      const [, host, port] = /^\/ip4\/([^/]+)\/tcp\/(\d+)/.exec(own) ?? []
      if (host === address || host === '0.0.0.0') return Number(port)
    }
    return undefined
  }

  #heard(voice: Voice, bytes: Uint8Array, from: RemoteInfo): void {
    const peer = bytes.byteLength <= datagramBytesMax && bytes.byteLength > 24 ? textOf(bytes.subarray(24)) : undefined
    if (peer === undefined || peer.length !== bytes[23] || !magic.every((byte, at) => bytes[at] === byte)) return
    if (!equalBytes(bytes.subarray(5, 21), this.#init.tag) || peer === this.#init.peer || !publicKeyOf(peer)) return
    // Every socket on this port hears what comes in on any interface: only the one it came in on speaks for it.
    if (isLoopback(from.address) !== isLoopback(voice.address)) return
    const port = ((bytes[21] ?? 0) << 8) | (bytes[22] ?? 0)
    this.#init.seen(`/ip4/${from.address}/tcp/${port}/p2p/${peer}` as Address, peer as PeerId)
    if (bytes[4] === 1 && this.#mayAnswer()) this.#say(voice, 2)
  }

  #mayAnswer(): boolean {
    const second = Math.floor(performance.now() / 1000)
    if (second !== this.#second) this.#answered = 0
    this.#second = second
    return this.#answered++ < answersPerSecondMax
  }
}

const isLoopback = (address: string): boolean => address.startsWith('127.')

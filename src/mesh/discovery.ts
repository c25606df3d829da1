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
const kinds = { query: 1, here: 2 } as const
const datagramBytesMax = 128
/**
 * An answer goes to all, since a datagram to one asker would reach only one of the members that share its host's port. So one answer
 * serves everybody who asked within this time: when a whole site starts in one second, each member still says ten a second at most.
 */
const answerMs = 100
const rescanMs = 30_000

/** Our ears and mouth on one interface. */
interface Voice {
  readonly name: string
  readonly address: string
  readonly netmask: string
  readonly socket: Socket
  ok: boolean
  error: string | undefined
  /** When it last answered; none is said before `answerMs` after that. */
  answeredAt: number
  answer: NodeJS.Timeout | undefined
}

export class Discovery {
  readonly #init: DiscoveryInit
  readonly #voices = new Map<string, Voice>()
  /** Why an interface is quiet, by its address: told once, not at each rescan. */
  readonly #told = new Map<string, string>()
  #rescan: NodeJS.Timeout | undefined
  #isStopped = false

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
      for (const voice of this.#voices.values()) this.#say(voice, kinds.query)
    })
  }

  stop(): void {
    this.#isStopped = true
    clearInterval(this.#rescan)
    for (const voice of this.#voices.values()) this.#drop(voice)
  }

  /** Interfaces come and go: a laptop changes networks. What failed is tried again. */
  async #scan(): Promise<void> {
    if (this.#isStopped) return
    const found = this.#interfaces()
    for (const voice of this.#voices.values())
      if (found.get(voice.address)?.netmask !== voice.netmask || voice.error !== undefined) this.#drop(voice)
    const opening = [...found.values()].filter(({ address }) => !this.#voices.has(address))
    await Promise.all(opening.map((place) => this.#open(place)))
  }

  #interfaces(): Map<string, Pick<Voice, 'name' | 'address' | 'netmask'>> {
    const found = new Map<string, Pick<Voice, 'name' | 'address' | 'netmask'>>()
    try {
      for (const [name, list] of Object.entries(networkInterfaces()))
        for (const { family, address, netmask } of list ?? [])
          if (family === 'IPv4') found.set(address, { name, address, netmask })
    } catch (error) {
      // A sandbox may forbid to look.
      this.#tell('', 'all', messageOf(error))
    }
    return found
  }

  #drop(voice: Voice): void {
    clearTimeout(voice.answer)
    if (this.#voices.get(voice.address) === voice) this.#voices.delete(voice.address)
    voice.ok = false
    voice.socket.close()
  }

  #open(place: Pick<Voice, 'name' | 'address' | 'netmask'>): Promise<void> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true })
    const voice: Voice = {
      ...place,
      socket,
      ok: false,
      error: undefined,
      answeredAt: Number.NEGATIVE_INFINITY,
      answer: undefined,
    }
    this.#voices.set(place.address, voice)
    return new Promise((resolve) => {
      const failed = (error: unknown): void => {
        voice.ok = false
        voice.error = messageOf(error)
        this.#tell(place.address, place.name, voice.error)
        resolve()
      }
      socket.on('error', failed)
      socket.on('close', resolve)
      socket.on('message', (bytes, from) => this.#heard(voice, bytes, from))
      socket.bind(this.#init.port, () => {
        try {
          socket.addMembership(group, place.address)
          socket.setMulticastInterface(place.address)
          socket.setMulticastTTL(1)
          socket.setMulticastLoopback(true)
          socket.unref()
          voice.ok = true
          this.#told.delete(place.address)
          resolve()
        } catch (error) {
          failed(error)
        }
      })
    })
  }

  #tell(address: string, name: string, error: string): void {
    if (this.#told.get(address) === error) return
    this.#told.set(address, error)
    this.#init.log.warn('discovery.quiet', { interface: name, error })
  }

  #say(voice: Voice, kind: number): void {
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
    const port = ((bytes[21] ?? 0) << 8) | (bytes[22] ?? 0)
    if (port === 0 || this.#voiceFor(from.address) !== voice) return
    this.#init.seen(`/ip4/${from.address}/tcp/${port}/p2p/${peer}` as Address, peer as PeerId)
    if (bytes[4] === kinds.query) this.#answer(voice)
  }

  /** Every socket on this port hears what comes in on any interface: only the one of the sender's network speaks for it. */
  #voiceFor(source: string): Voice | undefined {
    const voices = [...this.#voices.values()]
    return (
      voices.find((voice) => isSameNetwork(source, voice)) ??
      // A network of one address (/32), as some clouds make it: whoever is no loopback may be the neighbour.
      voices.find((voice) => isLoopback(voice.address) === isLoopback(source))
    )
  }

  /** At once, or together with all that ask meanwhile. */
  #answer(voice: Voice): void {
    if (voice.answer) return
    const waitMs = voice.answeredAt + answerMs - performance.now()
    const say = (): void => {
      voice.answer = undefined
      voice.answeredAt = performance.now()
      this.#say(voice, kinds.here)
    }
    if (waitMs <= 0) say()
    else voice.answer = setTimeout(say, waitMs).unref()
  }
}

const isLoopback = (address: string): boolean => address.startsWith('127.')

function isSameNetwork(source: string, { address, netmask }: Pick<Voice, 'address' | 'netmask'>): boolean {
  const mask = numberOf(netmask)
  return (numberOf(source) & mask) === (numberOf(address) & mask)
}

const numberOf = (address: string): number => address.split('.').reduce((sum, part) => (sum << 8) | Number(part), 0)

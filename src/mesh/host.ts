/**
 * The libp2p host of a member, as the protocol's Links (protocol/link.ts): TCP, TLS 1.3, yamux with small windows. The
 * only file that builds libp2p; settings are those that a lab showed to be needed with libp2p 3.3 (decisions/).
 */
import { createLibp2p, type Libp2p } from 'libp2p'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { GossipSubComponents } from '@libp2p/gossipsub'
import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { setImmediate as immediate } from 'node:timers/promises'
import { assert } from '#base/assert.ts'
import { concatBytes } from '#base/bytes.ts'
import { messageOf, Misconfigured, Unavailable } from '#base/errors.ts'
import type { Log } from '#base/log.ts'
import type { Address, ChunkForm, ChunkRun, FetchEnd, LinkEvents, LinkId, Links, OnChunk } from '#protocol/link.ts'
import { signingKey } from '#trust/keys.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { Discovery, type DiscoveryInit, type LanState } from './discovery.ts'
import { Gate } from './gate.ts'
import { Link, sever, temper } from './link.ts'
import { askerGone, type Server } from './serve-stream.ts'
import { SocketTls } from './socket-tls.ts'
import { healMs, hear, publish, topicsOf, type Topics } from './topics.ts'

export interface MeshInit {
  /** Ed25519 seed of the device, 32 bytes: its public key is the peer id. */
  readonly seed: Uint8Array
  readonly listen: readonly Address[]
  readonly topic: string
  /** LAN discovery; absent where it is switched off. `tag` are the 16 bytes that members of one site share. */
  readonly lan?: { readonly tag: Uint8Array; readonly port: number }
  /** A connection on which the other side opens no link within this is a stranger's; 10 s where it is not said. */
  readonly strangerMs?: number
  /** How often a neighbour is pinged, and how long it may take to answer; 120 s and 60-120 s where it is not said. */
  readonly ping?: { readonly everyMs: number; readonly limitMs: number }
  readonly log: Log
}

const linkProtocol = '/grapevine/link/1'
const fetchProtocol = '/grapevine/fetch/1'
const dialMs = 5_000
const strangerMs = 10_000
/**
 * Each side asks the other whether it lives: 550 bytes a minute on an idle line, every header included, for both together. More often
 * costs as many times that; what is waited for meanwhile has deadlines of its own. yamux would ask beside it (its keepalive is off).
 */
const pingMs = 120_000
const pongMsMin = 60_000
const pongMsMax = 120_000
/** Streams that one connection may hold, of all kinds and before they say of which: an honest neighbour has about 6. */
const streamsMax = 32
/** What libp2p may take to stop, after the links were closed. */
const stopMs = 1_200
/** 256 KiB, the least that yamux allows: on a thin line a larger window is only a longer queue. */
const windowBytes = 262_144

/** Opens the host. Misconfigured MESH_PORT_IN_USE or MESH_ADDRESS_INVALID; nothing is left open then. */
export async function startMesh(init: MeshInit, events: LinkEvents): Promise<Mesh> {
  let gate: Gate | undefined
  let topics: Topics | undefined
  let mesh: Mesh | undefined
  const listen = listenAddresses(init.listen)
  // With its public half: libp2p would compute that in JavaScript, for 20 ms.
  const privateKey = privateKeyFromRaw(concatBytes(init.seed, signingKey(init.seed).public))
  try {
    const node = await createLibp2p({
      privateKey,
      // Started once the handlers are there: whoever connects first must find them.
      start: false,
      addresses: { listen: [...listen] },
      transports: [tcp()],
      connectionEncrypters: [(components) => new SocketTls(components)],
      streamMuxers: [
        yamux({
          maxInboundStreams: streamsMax,
          enableKeepAlive: false,
          streamOptions: { initialStreamWindowSize: windowBytes, maxStreamWindowSize: windowBytes },
        }),
      ],
      connectionManager: {
        maxConnections: 2_000,
        inboundConnectionThreshold: 200,
        maxIncomingPendingConnections: 200,
        reconnectRetries: 0,
      },
      // The defaults kill healthy slow lines: a ping of 5 s behind a bulk transfer is no dead peer.
      connectionMonitor: {
        pingInterval: init.ping?.everyMs ?? pingMs,
        pingTimeout: { minTimeout: init.ping?.limitMs ?? pongMsMin, maxTimeout: init.ping?.limitMs ?? pongMsMax },
      },
      peerStore: { maxAddressAge: Number.POSITIVE_INFINITY, maxPeerAge: Number.POSITIVE_INFINITY },
      services: {
        topics: (components: GossipSubComponents) => {
          gate = new Gate(components.registrar)
          const made = topicsOf(components, gate, init.topic)
          topics = made
          // Not the service itself: it asks for identify, which tells strangers our addresses and protocols, and which the gate replaces.
          return { start: () => made.start?.(), stop: () => made.stop?.() }
        },
      },
    })
    assert(gate && topics, 'libp2p made the services')
    mesh = new Mesh(init, events, node, gate, topics)
    await mesh.open()
    return mesh
  } catch (error) {
    await mesh?.stop()
    throw startError(error, init.listen)
  }
}

export class Mesh implements Links {
  readonly #init: MeshInit
  readonly #events: LinkEvents
  readonly #node: Libp2p
  readonly #gate: Gate
  readonly #topics: Topics
  readonly #links = new Map<LinkId, Link>()
  readonly #byConnection = new Map<Connection, Link>()
  /** Connections that a dial of ours has taken. */
  readonly #dialled = new WeakSet<Connection>()
  /** Asks of neighbours that wait for an answer of ours, by our number. */
  readonly #asks = new Map<number, { readonly server: Server; readonly number: number }>()
  #discovery: Discovery | undefined
  #healer: NodeJS.Timeout | undefined
  #isStopped = false
  #nextLink = 1
  #nextAsk = 1

  constructor(init: MeshInit, events: LinkEvents, node: Libp2p, gate: Gate, topics: Topics) {
    this.#init = init
    this.#events = events
    this.#node = node
    this.#gate = gate
    this.#topics = topics
  }

  async open(): Promise<void> {
    const many = { maxInboundStreams: 4, maxOutboundStreams: 4 }
    await this.#node.handle(linkProtocol, (stream, connection) => this.#linkArrived(stream, connection), many)
    await this.#node.handle(fetchProtocol, (stream, connection) => this.#fetchOpened(stream, connection), many)
    this.#node.addEventListener('connection:open', ({ detail }) => this.#watch(detail))
    this.#node.addEventListener('connection:close', ({ detail }) => setImmediate(() => this.#gate.closed(detail)))
    await this.#node.start()
    hear(this.#topics, this.#init.topic, (peer, bytes) => {
      const link = [...this.#links.values()].find((known) => known.admitted && known.init.peer === peer.toString())
      return link ? this.#safely('gossip', 'ignore', () => this.#events.gossip(link.init.id, bytes)) : 'ignore'
    })
    this.#healer = setInterval(() => this.#heal(), healMs).unref()
    if (this.#init.lan) this.#discovery = await this.#startDiscovery(this.#init.lan)
  }

  get peer(): PeerId {
    return this.#node.peerId.toString() as PeerId
  }

  /** Where it really listens, each with `/p2p/<peer>`. */
  addresses(): Address[] {
    return this.#node.getMultiaddrs().map((address) => address.toString() as Address)
  }

  lanState(): readonly LanState[] {
    return this.#discovery?.state() ?? []
  }

  async dial(address: Address): Promise<LinkId> {
    let connection: Connection | undefined
    try {
      const signal = AbortSignal.timeout(dialMs)
      connection = await this.#connect(multiaddr(address), signal)
      const stream = await connection.newStream(linkProtocol, { signal })
      return this.#opened(stream, connection, 'out', address)
    } catch (error) {
      if (connection) sever(connection, 'no link was opened')
      throw new Unavailable('DIAL_FAILED', {
        message: `Nobody we know answers: ${messageOf(error)}.`,
        where: address,
        next: 'See whether the member runs there, and whether its port is open.',
        cause: error,
      })
    }
  }

  send(link: LinkId, bytes: Uint8Array): void {
    this.#links.get(link)?.send(bytes)
  }

  close(link: LinkId, reason: string): void {
    void this.#links.get(link)?.close(reason)
  }

  admit(id: LinkId): void {
    const link = this.#links.get(id)
    if (!link) return
    link.admitted = true
    this.#gate.admit(link.init.connection)
  }

  async publish(bytes: Uint8Array): Promise<number> {
    if (this.#isStopped) return 0
    return await publish(this.#topics, this.#init.topic, bytes)
  }

  async fetch(
    id: LinkId,
    run: ChunkRun,
    onChunk: OnChunk,
    signal: AbortSignal,
    sketch?: Uint8Array,
  ): Promise<FetchEnd> {
    return (await this.#links.get(id)?.fetch(run, onChunk, signal, sketch)) ?? 'failed'
  }

  async answer(ask: number, index: number, bytes: Uint8Array, form: ChunkForm = 'whole'): Promise<void> {
    const open = this.#asks.get(ask)
    if (!open) throw askerGone()
    await open.server.answer(open.number, index, bytes, form)
  }

  finish(ask: number, denied?: string): void {
    const open = this.#asks.get(ask)
    open?.server.finish(open.number, denied)
  }

  query(): void {
    this.#discovery?.query()
  }

  /** Ends all links and the host, in under 2 s. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#healer)
    this.#discovery?.stop()
    await Promise.all([...this.#links.values()].map((link) => link.close('STOPPING')))
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, stopMs)
    await Promise.race([Promise.resolve(this.#node.stop()).catch(() => {}), promise])
    clearTimeout(timer)
  }

  /** Who dialled opens the one link of a connection: a second one, or one the other way round, is no honest member's. */
  #linkArrived(stream: Stream, connection: Connection): void {
    if (connection.direction === 'outbound' || this.#byConnection.has(connection))
      stream.abort(new TypeError('one link a connection'))
    else this.#opened(stream, connection, 'in', connection.remoteAddr.toString())
  }

  /** A stream of ours was opened, by us or by the other side: from here on it is a link. */
  #opened(control: Stream, connection: Connection, direction: 'in' | 'out', address: string): LinkId {
    const id = this.#nextLink++ as LinkId
    const peer = connection.remotePeer.toString() as PeerId
    const link = new Link({
      id,
      peer,
      direction,
      address: address as Address,
      connection,
      control,
      openFetch: () => connection.newStream(fetchProtocol, { signal: AbortSignal.timeout(dialMs) }),
      message: (bytes) => this.#safely('message', undefined, () => this.#events.message(id, bytes)),
      down: (reason) => {
        this.#links.delete(id)
        this.#byConnection.delete(connection)
        this.#gate.gone(connection)
        this.#safely('link-down', undefined, () => this.#events.linkDown(id, reason))
      },
      serving: {
        enter: (server, number) => {
          this.#asks.set(this.#nextAsk, { server, number })
          return this.#nextAsk++
        },
        asked: (ask, run, sketch) => this.#safely('asked', undefined, () => this.#events.asked(id, ask, run, sketch)),
        left: (ask) => this.#asks.delete(ask),
      },
    })
    this.#links.set(id, link)
    this.#byConnection.set(connection, link)
    this.#safely('link-up', undefined, () => this.#events.linkUp(id, peer, direction, address as Address))
    link.start()
    return id
  }

  /** A connection of its own: libp2p joins dials to one peer that run at the same time, `force` or not. */
  async #connect(address: Multiaddr, signal: AbortSignal): Promise<Connection> {
    for (;;) {
      const connection = await this.#node.dial(address, { signal, force: true })
      if (!this.#dialled.has(connection)) {
        this.#dialled.add(connection)
        return connection
      }
      await immediate()
      signal.throwIfAborted()
    }
  }

  #fetchOpened(stream: Stream, connection: Connection): void {
    const link = this.#byConnection.get(connection)
    if (link) link.serve(stream)
    else stream.abort(new TypeError('no link'))
  }

  /** Whoever connects and opens no link is a stranger, and must not hold a place for ever. */
  #watch(connection: Connection): void {
    temper(connection)
    const timer = setTimeout(() => {
      if (!this.#byConnection.has(connection)) sever(connection, 'no link was opened')
    }, this.#init.strangerMs ?? strangerMs).unref()
    connection.addEventListener('close', () => clearTimeout(timer))
  }

  #heal(): void {
    for (const link of this.#links.values()) {
      const { connection } = link.init
      if (link.admitted && this.#topics.streamsOutbound?.has(connection.remotePeer.toString()) === false)
        this.#gate.offer(connection)
    }
  }

  async #startDiscovery(lan: { tag: Uint8Array; port: number }): Promise<Discovery> {
    const init: DiscoveryInit = {
      ...lan,
      peer: this.peer,
      addresses: () => this.addresses(),
      seen: (address, peer) => this.#safely('seen', undefined, () => this.#events.seen(address, peer)),
      log: this.#init.log,
    }
    const discovery = new Discovery(init)
    await discovery.start()
    return discovery
  }

  /** A listener that throws would end the process (libp2p 3.3): it is our mistake, and it is told, not thrown. */
  #safely<T>(what: string, otherwise: T, act: () => T): T {
    try {
      return act()
    } catch (error) {
      this.#init.log.error('mesh.handler-failed', { what, error, stack: (error as Error).stack })
      return otherwise
    }
  }
}

function listenAddresses(addresses: readonly Address[]): string[] {
  return addresses.map((address) => {
    try {
      return multiaddr(address).toString()
    } catch (error) {
      throw addressInvalid(messageOf(error), address, error)
    }
  })
}

/** libp2p tells what failed only in the text of its error. */
function startError(error: unknown, listening: readonly Address[]): unknown {
  const text = messageOf(error)
  const where = listening.join(', ')
  const reason = /\bE[A-Z]{4,}\b[^\n]*/.exec(text)?.[0] ?? 'TCP cannot listen on it'
  if (text.includes('EADDRINUSE'))
    return new Misconfigured('MESH_PORT_IN_USE', {
      message: `The port is in use: ${reason}.`,
      where,
      next: 'Stop what listens there, or name another address with --listen.',
      cause: error,
    })
  if (/EADDRNOTAVAIL|EACCES|EINVAL|UnsupportedListen/.test(text)) return addressInvalid(reason, where, error)
  return error
}

function addressInvalid(reason: string, where: string, cause: unknown): Misconfigured {
  return new Misconfigured('MESH_ADDRESS_INVALID', {
    message: `Nobody can listen there: ${reason}.`,
    where,
    next: 'Write /ip4/0.0.0.0/tcp/47100, or an address of this machine.',
    cause,
  })
}

/**
 * Keeps gossip from strangers (protocol.md §1): a registrar for gossipsub that shows it only admitted connections. Until then a peer's
 * gossip streams are held, and gossipsub does not learn that the peer exists. It only enforces: who is admitted is decided by the
 * protocol machine. (A peer score alone would still tell strangers the names of our topics.)
 */
import type { Connection, Stream, StreamHandler, StreamHandlerOptions, Topology } from '@libp2p/interface'
import type { GossipSubComponents } from '@libp2p/gossipsub'

type Registrar = GossipSubComponents['registrar']

/** Gossip streams held of one connection that is not admitted yet: both sides may be a moment apart, no more. */
const heldMax = 4

interface Held {
  readonly stream: Stream
  readonly handler: StreamHandler
}

export class Gate {
  readonly #inner: Registrar
  readonly #topologies = new Map<string, { readonly protocol: string; readonly topology: Topology }>()
  readonly #admitted = new Set<Connection>()
  readonly #held = new Map<Connection, Held[]>()
  #nextId = 1

  constructor(inner: Registrar) {
    this.#inner = inner
  }

  /** What gossipsub is given instead of the real registrar. */
  registrar(): Registrar {
    const inner = this.#inner
    return {
      getProtocols: () => inner.getProtocols(),
      getHandler: (protocol: string) => inner.getHandler(protocol),
      use: (protocol: string, middleware: never) => inner.use(protocol, middleware),
      unuse: (protocol: string) => inner.unuse(protocol),
      getMiddleware: (protocol: string) => inner.getMiddleware(protocol),
      handle: (protocol: string, handler: StreamHandler, options?: StreamHandlerOptions) =>
        inner.handle(protocol, (stream, connection) => this.#arrived(stream, connection, handler), options),
      unhandle: (protocol: string) => inner.unhandle(protocol),
      register: (protocol: string, topology: Topology) => {
        const id = `gate-${this.#nextId++}`
        this.#topologies.set(id, { protocol, topology })
        return Promise.resolve(id)
      },
      unregister: (id: string) => void this.#topologies.delete(id),
      getTopologies: (protocol: string) => this.#of(protocol),
    }
  }

  admit(connection: Connection): void {
    if (this.#admitted.has(connection)) return
    this.#admitted.add(connection)
    this.offer(connection)
    const held = this.#held.get(connection) ?? []
    this.#held.delete(connection)
    for (const { stream, handler } of held) {
      // Reset meanwhile: `resume` of a dead stream throws, and the machine that admits must never hear of that.
      if (stream.status !== 'open' || stream.readStatus !== 'paused') continue
      void handler(stream, connection)
      stream.resume()
    }
  }

  /** Shows a connection to gossipsub, which opens its stream on it; again where that one died. */
  offer(connection: Connection): void {
    for (const { topology } of this.#topologies.values()) void topology.onConnect?.(connection.remotePeer, connection)
  }

  isAdmitted(connection: Connection): boolean {
    return this.#admitted.has(connection)
  }

  /**
   * The link is down. Where it was the last one to this peer, gossipsub forgets the peer; where another is left, the peer stays: to
   * forget and show it again would lose its subscriptions, which it sends once a stream, and gossip would be dead in one direction.
   */
  gone(connection: Connection): void {
    this.#held.delete(connection)
    if (!this.#admitted.delete(connection)) return
    if (this.#otherOf(connection)) return
    for (const { topology } of this.#topologies.values()) void topology.onDisconnect?.(connection.remotePeer)
  }

  /** The connection is closed, and its gossip streams with it: they are opened again on another one to this peer. */
  closed(connection: Connection): void {
    this.gone(connection)
    const other = this.#otherOf(connection)
    if (other) this.offer(other)
  }

  #otherOf(connection: Connection): Connection | undefined {
    return [...this.#admitted].find((other) => other.remotePeer.equals(connection.remotePeer))
  }

  #arrived(stream: Stream, connection: Connection, handler: StreamHandler): void | Promise<void> {
    if (this.#admitted.has(connection)) return handler(stream, connection)
    const held = this.#held.get(connection) ?? []
    this.#held.set(connection, held)
    if (held.length >= heldMax) return stream.abort(new TypeError('not admitted'))
    // Paused, or what comes before admission would be lost.
    stream.pause()
    held.push({ stream, handler })
  }

  #of(protocol: string): Topology[] {
    return [...this.#topologies.values()].filter((known) => known.protocol === protocol).map(({ topology }) => topology)
  }
}

/**
 * One link: a secure connection, its control stream, and its fetch streams. Whatever breaks, it ends once and as a whole: a member never
 * keeps half a link.
 */
import type { Connection, Stream } from '@libp2p/interface'
import { assert } from '#base/assert.ts'
import type { Address, ChunkRun, FetchEnd, LinkId, OnChunk } from '#protocol/link.ts'
import { messageBytesMax } from '#protocol/params.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { Asker } from './fetch-stream.ts'
import { Server, type ServerInit } from './serve-stream.ts'
import { FrameSplitter, frameOf } from './frames.ts'

export interface LinkInit {
  readonly id: LinkId
  readonly peer: PeerId
  readonly direction: 'in' | 'out'
  readonly address: Address
  readonly connection: Connection
  readonly control: Stream
  readonly openFetch: () => Promise<Stream>
  readonly message: (bytes: Uint8Array) => void
  readonly down: (reason: string) => void
  readonly serving: Pick<ServerInit, 'enter' | 'asked' | 'left'>
}

/** A peer that does not read its messages loses the link before they fill our memory. */
const queuedBytesMax = 4_194_304
/** A closed link gets this long to send what was queued, such as the reason. */
const closeMs = 500
/** What came before the end of a stream is handed over by libp2p a moment later (its `unshift` waits for a timer). */
const handOverMs = 2
/** One is enough for an honest neighbour; a second replaces a broken one. */
const serversMax = 2

export class Link {
  readonly init: LinkInit
  admitted = false
  #ended = false
  #asker: Promise<Asker | undefined> | undefined
  readonly #servers = new Set<Server>()

  constructor(init: LinkInit) {
    this.init = init
    const { control } = init
    const splitter = new FrameSplitter(messageBytesMax)
    control.addEventListener('message', (event) => {
      const frames = splitter.push(event.data)
      if (!frames) return this.end('FRAME_TOO_LARGE')
      for (const frame of frames) if (!this.#ended) init.message(frame)
    })
    control.addEventListener('close', () => this.end('control stream closed'))
    control.addEventListener('remoteCloseWrite', () => this.#remoteEnded())
    init.connection.addEventListener('close', () => this.end('connection closed'))
  }

  /** Ends a link that ended before anybody listened; to be called once, after it was told. */
  start(): void {
    const { control, connection } = this.init
    if (control.status !== 'open' || connection.status !== 'open') this.end('connection closed')
    else if (control.remoteWriteStatus === 'closed') this.#remoteEnded()
  }

  send(bytes: Uint8Array): void {
    const { control } = this.init
    assert(bytes.byteLength <= messageBytesMax, `a message of ${bytes.byteLength} bytes is too large for a link`)
    if (this.#ended || control.status !== 'open' || control.writeStatus !== 'writable') return
    control.send(frameOf(bytes))
    if (control.writeBufferLength > queuedBytesMax) this.end('LINK_CONGESTED')
  }

  /**
   * Sends what is queued, then says that this was all, and leaves it to the other side to close: were we to close first, what we just
   * sent would be lost (@libp2p/tls 3.1 drops what it has not decrypted yet). The link is down for us at once;
   * resolves when the connection is closed, within 500 ms.
   */
  close(reason: string): Promise<void> {
    const { control, connection } = this.init
    if (this.#ended) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      sever(connection, reason)
      resolve()
    }, closeMs)
    connection.addEventListener('close', () => {
      clearTimeout(timer)
      resolve()
    })
    // Where the other side closes too, neither waits for the other.
    control.addEventListener('remoteCloseWrite', () => sever(connection, reason))
    control.close({ signal: AbortSignal.timeout(closeMs) }).catch(() => {})
    this.#down(reason)
    return promise
  }

  /** Ends it without ceremony: something broke, or the other side misbehaved. */
  end(reason: string): void {
    if (this.#ended) return
    this.#down(reason)
    sever(this.init.connection, reason)
  }

  async fetch(run: ChunkRun, onChunk: OnChunk, signal: AbortSignal, sketch?: Uint8Array): Promise<FetchEnd> {
    if (this.#ended || !this.admitted) return 'failed'
    const asker = await this.#openAsker()
    return (await asker?.fetch(run, onChunk, signal, sketch)) ?? 'failed'
  }

  /** The other side opened a fetch stream. */
  serve(stream: Stream): void {
    if (this.#ended || this.#servers.size >= serversMax) return stream.abort(new TypeError('too many fetch streams'))
    const server = new Server({
      ...this.init.serving,
      stream,
      standing: () => (this.#ended ? 'ended' : this.admitted ? 'admitted' : 'stranger'),
      breach: (what) => this.end(what),
    })
    this.#servers.add(server)
    stream.addEventListener('close', () => this.#servers.delete(server))
  }

  /** The stream that is open, or a new one; undefined where none can be opened. */
  #openAsker(): Promise<Asker | undefined> {
    if (this.#asker) return this.#asker
    const forget = (): void => {
      if (this.#asker === opening) this.#asker = undefined
    }
    const opening: Promise<Asker | undefined> = this.init.openFetch().then(
      (stream) => new Asker(stream, (what) => this.end(what), forget),
      () => {
        forget()
        return undefined
      },
    )
    this.#asker = opening
    return opening
  }

  /** The other side says no more: this is its way to close, once all it said was handed over. */
  #remoteEnded(): void {
    if (this.#ended) return
    if (this.init.control.readBufferLength === 0) this.end('closed by the other side')
    else setTimeout(() => this.#remoteEnded(), handOverMs)
  }

  #down(reason: string): void {
    this.#ended = true
    void this.#asker?.then((asker) => asker?.close())
    for (const server of this.#servers) server.close()
    this.init.down(reason)
  }
}

/** Ends a connection at once. */
export function sever(connection: Connection, reason: string): void {
  abortGently(connection, (error) => connection.abort(error), new TypeError(reason))
}

/**
 * For every new connection: whoever aborts it, nothing is thrown. libp2p's own monitor aborts one whose pings are not answered, from
 * a promise that nobody holds (3.3): one neighbour that froze would end this process, and with it those of all its neighbours.
 */
export function temper(connection: Connection): void {
  const abort = connection.abort.bind(connection)
  connection.abort = (error) => abortGently(connection, abort, error)
}

/**
 * yamux throws where the socket below it is closed already (8.0.3), as when a listener of a stream severs the connection that is being
 * aborted: then the rest of it is closed the polite way.
 */
function abortGently(connection: Connection, abort: (error: Error) => void, error: Error): void {
  try {
    abort(error)
  } catch {
    connection.close({ signal: AbortSignal.timeout(closeMs) }).catch(() => {})
  }
}

/**
 * One link: a secure connection, its control stream, and its fetch streams. Whatever breaks, it ends once and as a whole: a member never
 * keeps half a link.
 */
import type { Connection, Stream } from '@libp2p/interface'
import type { Address, ChunkRun, FetchEnd, LinkId } from '#protocol/link.ts'
import { messageBytesMax } from '#protocol/params.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { Asker, Server } from './fetch-stream.ts'
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
  readonly asked: (link: Link, run: ChunkRun, number: number, server: Server) => number
}

/** A peer that does not read its messages loses the link before they fill our memory. */
const queuedBytesMax = 4_194_304
/** A closed link gets this long to send what was queued, such as the reason. */
const closeMs = 500

export class Link {
  readonly init: LinkInit
  admitted = false
  #ended = false
  #asker: Promise<Asker> | undefined
  readonly #servers = new Set<Server>()

  constructor(init: LinkInit) {
    this.init = init
    const { control } = init
    const splitter = new FrameSplitter(messageBytesMax)
    control.addEventListener('message', (event) => {
      const frames = splitter.push(event.data.subarray())
      if (!frames) return this.end('FRAME_TOO_LARGE')
      for (const frame of frames) if (!this.#ended) init.message(frame)
    })
    control.addEventListener('close', () => this.end('control stream closed'))
    control.addEventListener('remoteCloseWrite', () => this.end('closed by the other side'))
    init.connection.addEventListener('close', () => this.end('connection closed'))
  }

  send(bytes: Uint8Array): void {
    const { control } = this.init
    if (this.#ended || control.status !== 'open') return
    control.send(frameOf(bytes))
    if (control.writeBufferLength > queuedBytesMax) this.end('LINK_CONGESTED')
  }

  /** Sends what is queued, then closes. The link is down for us at once. */
  close(reason: string): void {
    const { control, connection } = this.init
    if (this.#ended) return
    const timer = setTimeout(() => connection.abort(new TypeError(reason)), closeMs)
    control
      .close({ signal: AbortSignal.timeout(closeMs) })
      .catch(() => {})
      .then(() => connection.close({ signal: AbortSignal.timeout(closeMs) }))
      .catch(() => {})
      .finally(() => clearTimeout(timer))
    this.#down(reason)
  }

  /** Ends it without ceremony: something broke, or the other side misbehaved. */
  end(reason: string): void {
    if (this.#ended) return
    this.init.connection.abort(new TypeError(reason))
    this.#down(reason)
  }

  async fetch(
    run: ChunkRun,
    onChunk: (index: number, bytes: Uint8Array) => Promise<void>,
    signal: AbortSignal,
  ): Promise<FetchEnd> {
    if (this.#ended || !this.admitted) return 'failed'
    this.#asker ??= this.init.openFetch().then((stream) => new Asker(stream, (what) => this.end(what)))
    try {
      return await (await this.#asker).fetch(run, onChunk, signal)
    } catch {
      this.#asker = undefined
      return 'failed'
    }
  }

  /** The other side opened a fetch stream. */
  serve(stream: Stream): void {
    // One is enough for an honest neighbour; a second replaces a broken one.
    if (this.#servers.size >= 2) return stream.abort(new TypeError('too many fetch streams'))
    const server: Server = new Server(
      stream,
      (run, number) => this.init.asked(this, run, number, server),
      (what) => this.end(what),
      () => this.admitted,
    )
    this.#servers.add(server)
    stream.addEventListener('close', () => this.#servers.delete(server))
  }

  #down(reason: string): void {
    this.#ended = true
    void this.#asker?.then(
      (asker) => asker.close(),
      () => {},
    )
    this.init.down(reason)
  }
}

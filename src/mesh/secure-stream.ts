/**
 * What libp2p takes for a connection after the handshake: bytes in the clear on this side, TLS on the other. As @libp2p/tls 3.1 has it; ours, since
 * to load that one costs a process 30 ms and 4 MiB. It holds nothing back and decides nothing.
 */
import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import type { AbortOptions, MessageStream } from '@libp2p/interface'
import { AbstractMessageStream, type SendResult } from '@libp2p/utils'
import type { Uint8ArrayList } from 'uint8arraylist'

export class SecureStream extends AbstractMessageStream {
  readonly #raw: MessageStream
  readonly #socket: TLSSocket
  /** The end of the connection below, once the socket is closed. */
  #closing: Promise<void> | undefined

  constructor(raw: MessageStream, socket: TLSSocket) {
    super({
      log: raw.log,
      inactivityTimeout: raw.inactivityTimeout,
      maxReadBufferLength: raw.maxReadBufferLength,
      direction: raw.direction,
    })
    this.#raw = raw
    this.#socket = socket
    // Closed before this was made: nothing is left to take down.
    if (socket.closed) this.#closing = Promise.resolve()
    socket.on('data', (bytes: Buffer) => this.onData(bytes))
    socket.on('error', (error) => raw.abort(error))
    socket.on('close', () => {
      this.#closing = raw.close().catch((error: unknown) => raw.abort(error as Error))
    })
    socket.on('drain', () => this.safeDispatchEvent('drain'))
    raw.addEventListener('close', ({ error, local }) => {
      socket.destroy()
      // Why it closed is passed on, or each failure would look like a clean end.
      if (!error) this.onTransportClosed()
      else if (local) this.abort(error)
      else this.onRemoteReset()
    })
  }

  override async close(options?: AbortOptions): Promise<void> {
    if (!this.#closing) {
      this.#socket.destroySoon()
      // It tells its end once.
      await once(this.#socket, 'close', { signal: options?.signal })
    }
    await this.#closing
  }

  override sendPause(): void {
    this.#socket.pause()
  }

  override sendResume(): void {
    this.#socket.resume()
  }

  override sendReset(error: Error): void {
    // Its own reset knows TCP alone (Node 24: ERR_INVALID_HANDLE_TYPE).
    this.#socket.destroy()
    this.#raw.abort(error)
  }

  override sendData(data: Uint8ArrayList): SendResult {
    let sentBytes = 0
    let canSendMore = true
    for (const bytes of data) {
      sentBytes += bytes.byteLength
      canSendMore = this.#socket.write(bytes)
      if (!canSendMore) break
    }
    return { sentBytes, canSendMore }
  }
}

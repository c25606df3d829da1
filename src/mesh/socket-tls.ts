/**
 * TLS 1.3 with peer ids in the certificates, as libp2p specifies it and @libp2p/tls speaks it, but on the socket itself: there the bytes
 * go from the kernel through the cipher within Node, where @libp2p/tls carries them through streams of JavaScript at four times the cost
 * (decisions/0012). It must never accept a certificate that libp2p's own check does not.
 */
import { Socket } from 'node:net'
import { connect, createSecureContext, TLSSocket, type SecureContext } from 'node:tls'
import {
  UnexpectedPeerError,
  type ConnectionEncrypter,
  type MessageStream,
  type PrivateKey,
  type SecureConnectionOptions,
  type SecuredConnection,
  type StreamMuxerFactory,
  type Upgrader,
} from '@libp2p/interface'
import { assert } from '#base/assert.ts'
import { makeIdentity, peerOf } from './certificate.ts'
import { SecureStream } from './secure-stream.ts'

/** What libp2p gives us. */
interface Components {
  readonly privateKey: PrivateKey
  readonly upgrader: Upgrader
}

/** The protocol of a connection on which no muxer was agreed on in the handshake. */
const noMuxer = 'libp2p'

export class SocketTls implements ConnectionEncrypter {
  readonly protocol = '/tls/1.0.0'
  readonly #components: Components
  /** The certificate, made once a process and read once by OpenSSL. */
  #context: Promise<SecureContext> | undefined

  constructor(components: Components) {
    this.#components = components
  }

  secureInbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    return this.#secure(connection, true, options)
  }

  secureOutbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    return this.#secure(connection, false, options)
  }

  async #secure(
    connection: MessageStream,
    isServer: boolean,
    options: SecureConnectionOptions | undefined,
  ): Promise<SecuredConnection> {
    const muxers = this.#components.upgrader.getStreamMuxers()
    this.#context ??= contextOf(this.#components.privateKey)
    const secureContext = await this.#context
    const raw = takeSocket(connection)
    let muxer: StreamMuxerFactory | undefined
    const settings = {
      secureContext,
      // Self-signed: what counts is the peer id in it, which is checked below.
      rejectUnauthorized: false,
      ALPNProtocols: [...muxers.keys(), noMuxer],
    } as const
    const socket = isServer
      ? new TLSSocket(raw, {
          ...settings,
          isServer,
          requestCert: true,
          ALPNCallback: ({ protocols }) => protocols.find((protocol) => muxers.has(protocol) || protocol === noMuxer),
        })
      : connect({ ...settings, socket: raw })
    gatherWrites(socket)
    try {
      await secured(socket, options?.signal)
      const certificate = socket.getPeerX509Certificate()
      if (!certificate) throw new TypeError('the other side has no certificate')
      const remotePeer = await peerOf(certificate, Date.now())
      if (options?.remotePeer && !options.remotePeer.equals(remotePeer))
        throw new UnexpectedPeerError(`${remotePeer.toString()} answers, not ${options.remotePeer.toString()}`)
      muxer = muxers.get(socket.alpnProtocol || noMuxer)
      return { remotePeer, connection: new SecureStream(connection, socket), ...(muxer && { streamMuxer: muxer }) }
    } catch (error) {
      socket.destroy()
      connection.abort(error as Error)
      throw error
    }
  }
}

async function contextOf(device: PrivateKey): Promise<SecureContext> {
  return createSecureContext({
    ...(await makeIdentity(device, Date.now())),
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
  })
}

/**
 * The TCP socket below a connection, which from now on reads and writes nothing itself. What it had read already, such as the first
 * bytes of a handshake, is put back.
 */
function takeSocket(connection: MessageStream): Socket {
  const { socket } = connection as { socket?: unknown }
  assert(socket instanceof Socket, 'the transport is TCP, and its connections have their socket')
  const read: Uint8Array[] = []
  const collect = ({ data }: { data: Uint8Array | { subarray(): Uint8Array } }): number => read.push(data.subarray())
  connection.pause()
  connection.addEventListener('message', collect)
  connection.resume()
  connection.removeEventListener('message', collect)
  socket.removeAllListeners('data')
  socket.pause()
  for (const bytes of read.toReversed()) socket.unshift(bytes)
  return socket
}

/**
 * What is written within one turn of the event loop goes out as one write: a muxer sends its headers of 12 bytes apart, and each would
 * be a record of its own, and a packet.
 */
function gatherWrites(socket: TLSSocket): void {
  const write = socket.write.bind(socket)
  let isGathering = false
  const flush = (): void => {
    isGathering = false
    socket.uncork()
  }
  socket.write = (bytes: Uint8Array): boolean => {
    if (!isGathering) {
      isGathering = true
      socket.cork()
      setImmediate(flush)
    }
    return write(bytes)
  }
}

function secured(socket: TLSSocket, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const abort = (): void => reject(new TypeError('the handshake took too long'))
  socket.once('secure', resolve)
  // Also later errors must meet a listener, or they would end the process.
  socket.on('error', reject)
  socket.once('close', () => reject(new TypeError('closed within the handshake')))
  signal?.addEventListener('abort', abort)
  return promise.finally(() => signal?.removeEventListener('abort', abort))
}

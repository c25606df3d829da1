/**
 * Somebody on the wire who keeps no promise: plain libp2p that speaks what bytes a test likes on the protocols of a member, over a
 * connection that the test can look into and break.
 */
import { createLibp2p, type Libp2p } from 'libp2p'
import { gossipsub, type GossipSub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Connection, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { concatBytes } from '#base/bytes.ts'
import type { Address } from '#protocol/link.ts'

export const linkProtocol = '/grapevine/link/1'
export const fetchProtocol = '/grapevine/fetch/1'
export const gossipProtocol = '/meshsub/1.2.0'

export class Stranger {
  readonly node: Libp2p
  readonly topics: GossipSub
  /** Topics that somebody told this stranger of. */
  readonly topicsTold: string[] = []
  /** Messages that were gossiped to it. */
  readonly heard: string[] = []

  private constructor(node: Libp2p & { services: { topics: GossipSub } }) {
    this.node = node
    this.topics = node.services.topics
    this.topics.addEventListener('subscription-change', ({ detail }) => {
      for (const { topic } of detail.subscriptions) this.topicsTold.push(topic)
    })
    this.topics.addEventListener('gossipsub:message', ({ detail }) => {
      this.heard.push(new TextDecoder().decode(detail.msg.data))
    })
  }

  /** It subscribes to `topic`, as if it had guessed it. */
  static async start(topic: string): Promise<Stranger> {
    const node = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [tls()],
      streamMuxers: [yamux()],
      services: {
        identify: identify(),
        topics: gossipsub({
          globalSignaturePolicy: 'StrictNoSign',
          allowPublishToZeroTopicPeers: true,
          msgIdFn: (message) => message.data,
        }),
      },
    })
    const stranger = new Stranger(node)
    stranger.topics.subscribe(topic)
    return stranger
  }

  get address(): Address {
    return String(this.node.getMultiaddrs()[0]) as Address
  }

  connect(address: Address): Promise<Connection> {
    return this.node.dial(multiaddr(address), { force: true })
  }

  async stop(): Promise<void> {
    await this.node.stop()
  }
}

/** What arrives on a stream, joined. */
export function bytesOf(stream: Stream): () => Uint8Array {
  const pieces: Uint8Array[] = []
  stream.addEventListener('message', ({ data }) => void pieces.push(data.subarray().slice()))
  return () => concatBytes(...pieces)
}

/** The frame of an ask. */
export function askFrame(number: number, first: number, count: number): Uint8Array {
  const frame = new Uint8Array(4 + 43)
  const view = new DataView(frame.buffer)
  view.setUint32(0, 43)
  view.setUint8(4, 1)
  view.setUint32(5, number)
  view.setUint32(41, first)
  view.setUint16(45, count)
  return frame
}

/** The frame of a chunk, as a server sends it, or of a patch. */
export function chunkFrame(number: number, index: number, size: number, kind = 3): Uint8Array {
  const frame = new Uint8Array(4 + 9 + size)
  const view = new DataView(frame.buffer)
  view.setUint32(0, 9 + size)
  view.setUint8(4, kind)
  view.setUint32(5, number)
  view.setUint32(9, index)
  return frame
}

/**
 * Gossipsub on the one topic of a fleet. Messages prove themselves, so they carry no signature of the carrier; their id is the digest of
 * the whole message, or a neighbour could hush a good one by sending a bad copy first (trust.md §4). A healer offers connections again whose
 * gossip stream died: gossipsub itself never notices (seen with @libp2p/gossipsub 17.1.1).
 */
import { createHash } from 'node:crypto'
import { gossipsub, type GossipSub, type GossipSubComponents } from '@libp2p/gossipsub'
import type { PeerId } from '@libp2p/interface'
import { assert } from '#base/assert.ts'
import type { Verdict } from '#protocol/link.ts'
import { announcementBytesMax, siteLinksMax } from '#protocol/params.ts'
import type { Gate } from './gate.ts'

/** A heartbeat costs CPU on every member and bytes on every line; mesh repair within some seconds is soon enough for policy. */
const heartbeatMs = 5_000
export const healMs = 5_000
/** Beyond this a peer that does not read is dropped by gossipsub. */
const outboundBytesMax = 4_194_304

/** What the class has and its interface hides. */
export type Topics = GossipSub & {
  readonly streamsOutbound?: ReadonlyMap<string, unknown>
  start?(): Promise<void>
  stop?(): Promise<void>
}

export function topicsOf(components: GossipSubComponents, gate: Gate, topic: string): Topics {
  const make = gossipsub({
    globalSignaturePolicy: 'StrictNoSign',
    msgIdFn: (message) => createHash('sha256').update(message.data).digest().subarray(0, 20),
    allowedTopics: [topic],
    fallbackToFloodsub: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    heartbeatInterval: heartbeatMs,
    // A relay passes on at once to all who hang on it alone; with the default of 12, the others wait for a heartbeat or longer.
    Dhi: siteLinksMax,
    maxOutboundBufferSize: outboundBytesMax,
    maxInboundDataLength: 1_048_576,
    awaitRpcHandler: true,
    tagMeshPeers: false,
    scoreParams: {
      // A branch behind one NAT address is many members with one address.
      IPColocationFactorWeight: 0,
      topics: {
        [topic]: {
          topicWeight: 1,
          // One false message costs the place in the mesh, three cost being heard; half of it is forgotten after 70 s.
          invalidMessageDeliveriesWeight: -20,
          invalidMessageDeliveriesDecay: 0.99,
          // By default, presence pays for 13 false messages, and whoever leaves the mesh of a quiet topic is not heard for seconds.
          timeInMeshWeight: 0,
          firstMessageDeliveriesWeight: 0,
          meshMessageDeliveriesWeight: 0,
          meshFailurePenaltyWeight: 0,
        },
      },
    } as never,
  })
  // Named one by one: libp2p's components are a proxy that throws when it is spread.
  const { privateKey, peerId, peerStore, connectionManager, logger } = components
  return make({ privateKey, peerId, peerStore, connectionManager, logger, registrar: gate.registrar() })
}

/** Subscribes, and has every message judged before it is forwarded. */
export function hear(topics: Topics, topic: string, judge: (peer: PeerId, bytes: Uint8Array) => Verdict): void {
  topics.topicValidators.set(topic, (peer, message) => judge(peer, message.data) as never)
  topics.subscribe(topic)
}

/** How many neighbours it was handed to. */
export async function publish(topics: Topics, topic: string, bytes: Uint8Array): Promise<number> {
  assert(bytes.byteLength <= announcementBytesMax, `an announcement of ${bytes.byteLength} bytes is not pushed`)
  return (await topics.publish(topic, bytes)).recipients.length
}

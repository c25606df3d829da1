/** The libp2p peer id of an Ed25519 key, without libp2p: base58btc of the identity multihash of the protobuf key (libp2p specs, peer-ids, "Keys"). */
import { base58btc } from 'multiformats/bases/base58'
import { concatBytes, fromHex } from '#base/bytes.ts'

/** `12D3Koo…`: the text form of a peer id of an Ed25519 key. */
export type PeerId = string & { readonly __peer: true }

const prefix = fromHex('002408011220') ?? new Uint8Array()

/** The peer id of a raw public key of 32 bytes. */
export const peerIdOf = (publicKey: Uint8Array): PeerId =>
  base58btc.baseEncode(concatBytes(prefix, publicKey)) as PeerId

/** The raw public key inside a peer id; undefined for what is no peer id of an Ed25519 key. */
export function publicKeyOf(peer: string): Uint8Array | undefined {
  if (peer.length > 60 || !/^12D3Koo[1-9A-HJ-NP-Za-km-z]+$/.test(peer)) return undefined
  const bytes = base58btc.baseDecode(peer)
  if (bytes.byteLength !== prefix.byteLength + 32 || !prefix.every((byte, index) => bytes[index] === byte))
    return undefined
  return bytes.slice(prefix.byteLength)
}

/** What may be believed and dialled of the addresses that members tell: of themselves, and of others. Nothing here is proof of who is there. */
import type { PeerId } from '#trust/peer-id.ts'
import type { Address } from './link.ts'

/** Loopback addresses mean another machine elsewhere: they are used only where a member has no other. */
export function usable(addresses: readonly Address[]): readonly Address[] {
  const remote = addresses.filter((address) => !/^\/ip4\/127\.|^\/ip6\/::1\//.test(address))
  return remote.length > 0 ? remote : addresses
}

/** The address with the peer it must prove to be. */
export const withPeer = (address: Address, peer: PeerId): Address =>
  (address.includes('/p2p/') ? address : `${address}/p2p/${peer}`) as Address

/** Nobody speaks for the address of another. */
export const isOf = (address: Address, peer: PeerId): boolean =>
  !address.includes('/p2p/') || address.endsWith(`/p2p/${peer}`)

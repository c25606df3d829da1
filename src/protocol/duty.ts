/**
 * Whose part it is to fetch something from outside (protocol.md §5.2): rendezvous hashing over the live uplink members of a site
 * (Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998). Everybody computes the same from what they know;
 * where they know different members, one part is fetched twice, never none for long.
 */
import type { Digest } from '#base/digest.ts'
import type { PeerId } from '#trust/peer-id.ts'
import type { Role } from '#trust/membership.ts'

export interface UplinkMember {
  readonly peer: PeerId
  readonly role: Role
}

/** A relay draws four times and a volunteer once, so relays carry most of it. */
const draws: Readonly<Record<Role, number>> = { origin: 4, relay: 4, client: 1 }

/** Whether a member ranks first among others for a part of a content; among equals the higher peer id does. */
export function ranksFirst(
  member: UplinkMember,
  others: Iterable<UplinkMember>,
  content: Digest,
  part: number,
): boolean {
  const key = mix(Number.parseInt(content.slice(0, 8), 16) ^ mix(part + 1))
  const own = rank(member, key)
  for (const other of others) {
    const theirs = rank(other, key)
    if (theirs > own || (theirs === own && other.peer > member.peer)) return false
  }
  return true
}

/** Whether a site ranks first among others that trade with it for a part of a content (protocol.md §5.6). */
export function siteRanksFirst(site: string, others: Iterable<string>, content: Digest, part: number): boolean {
  const key = mix(Number.parseInt(content.slice(8, 16), 16) ^ mix(part + 1))
  const rankOf = (name: string): number => mix(seedOf(name, name.length) ^ key)
  const own = rankOf(site)
  for (const other of others) {
    const theirs = rankOf(other)
    if (theirs > own || (theirs === own && other > site)) return false
  }
  return true
}

function rank({ peer, role }: UplinkMember, key: number): number {
  const seed = seedOf(peer)
  let best = 0
  for (let draw = 1; draw <= draws[role]; draw++) best = Math.max(best, mix(seed ^ key ^ Math.imul(draw, 0x85ebca6b)))
  return best
}

/** The finaliser of MurmurHash3 (Appleby, public domain): every bit of the input moves half of the output. */
export function mix(value: number): number {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** FNV-1a over the last characters of a peer id, which differ between members. */
export function seedOf(text: string, last: number = 16): number {
  let hash = 0x811c9dc5
  for (let index = Math.max(0, text.length - last); index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash
}

/**
 * One line of the ledger (protocol.md §7): bytes down and up, how many of them came in vain and why, and by whom. Peers beyond a limit
 * are summed as `others`. It adds up what it is told, and is told it by the ledger alone.
 */

export interface Traffic {
  downBytes: number
  upBytes: number
}

/** Why bytes that came were of no use. */
export type DuplicateReason =
  /** The chunk was here already. */
  | 'already'
  /** It was not what its digest says. */
  | 'wrong'
  /** It came in time and could not be written, as on a full disk. */
  | 'unstored'
  /** Its holder fell silent, another took over, and both delivered (protocol.md §5.3). */
  | 'lease-expired'
  /** Two members of the site fetched it, each not knowing of the other. */
  | 'race'

export type Duplicates = Partial<Record<DuplicateReason, number>>

export interface PeerShare extends Traffic {
  duplicateBytes: number
}

/** An account as it is kept over a restart. */
export interface AccountState extends Traffic {
  readonly duplicates: Duplicates
  readonly peers: Readonly<Record<string, PeerShare>>
  readonly others: PeerShare
}

export class Account implements Traffic {
  downBytes = 0
  upBytes = 0
  readonly duplicates: Duplicates = {}
  readonly peers = new Map<string, PeerShare>()
  /** Peers beyond the limit, and those that nobody named. */
  readonly others: PeerShare = { downBytes: 0, upBytes: 0, duplicateBytes: 0 }
  readonly #peersMax: number

  constructor(peersMax: number) {
    this.#peersMax = peersMax
  }

  get duplicateBytes(): number {
    return Object.values(this.duplicates).reduce((sum, bytes) => sum + bytes, 0)
  }

  count(direction: 'down' | 'up', bytes: number, peer: string | undefined, reason?: DuplicateReason): void {
    const share = this.#shareOf(peer)
    add(this, direction, bytes)
    add(share, direction, bytes)
    if (reason === undefined) return
    share.duplicateBytes += bytes
    this.duplicates[reason] = (this.duplicates[reason] ?? 0) + bytes
  }

  /** Takes over what another account says; its peers become ours as far as there is room. */
  absorb({ downBytes, upBytes, duplicates, peers, others }: AccountState): void {
    this.downBytes += downBytes
    this.upBytes += upBytes
    for (const [reason, bytes] of Object.entries(duplicates) as [DuplicateReason, number][])
      this.duplicates[reason] = (this.duplicates[reason] ?? 0) + bytes
    for (const [peer, share] of Object.entries(peers)) merge(this.#shareOf(peer), share)
    merge(this.others, others)
  }

  state(): AccountState {
    const { downBytes, upBytes, duplicates, peers, others } = this
    return { downBytes, upBytes, duplicates: { ...duplicates }, peers: Object.fromEntries(peers), others }
  }

  #shareOf(peer: string | undefined): PeerShare {
    const known = peer === undefined ? this.others : this.peers.get(peer)
    if (known) return known
    if (peer === undefined || this.peers.size >= this.#peersMax) return this.others
    const share = { downBytes: 0, upBytes: 0, duplicateBytes: 0 }
    this.peers.set(peer, share)
    return share
  }
}

export function add(traffic: Traffic, direction: 'down' | 'up', bytes: number): void {
  if (direction === 'down') traffic.downBytes += bytes
  else traffic.upBytes += bytes
}

function merge(share: PeerShare, { downBytes, upBytes, duplicateBytes }: PeerShare): void {
  share.downBytes += downBytes
  share.upBytes += upBytes
  share.duplicateBytes += duplicateBytes
}

/**
 * Every byte that crosses the uplink, by content, cause and peer (protocol.md §7): stream payload with our own control messages, without
 * TLS, muxer and TCP. The accounts add up to `wan` exactly. Never larger than its limits: contents beyond them are summed as `older`.
 */
import type { Digest } from '#base/digest.ts'
import { Account, add, type AccountState, type DuplicateReason, type Traffic } from './account.ts'
import type { Neighbour } from './neighbour.ts'
import { ledgerContentsMax, ledgerPeersMax, peersPerContentMax } from './params.ts'
import { nameOf } from './wire.ts'

/** What a control message is for. */
export const controlKinds = ['hello', 'metadata', 'want-have', 'reports', 'gossip', 'other'] as const
export type ControlKind = (typeof controlKinds)[number]

/** Whom a peer id stands for, as far as its membership told. */
export interface LedgerPeer {
  readonly name: string
  readonly site: string
}

/** The ledger as it is kept over a restart: plain JSON. */
export interface LedgerState {
  readonly v: 1
  readonly neededBytes: number
  readonly lan: Traffic
  readonly control: Readonly<Record<ControlKind, AccountState>>
  /** The one that was longest without traffic first. */
  readonly contents: readonly (readonly [Digest, AccountState])[]
  readonly older: AccountState
  readonly olderContents: number
  readonly peers: readonly (readonly [string, LedgerPeer])[]
}

export class Ledger {
  readonly wan: Traffic = { downBytes: 0, upBytes: 0 }
  readonly lan: Traffic = { downBytes: 0, upBytes: 0 }
  /** Bytes of chunks that came, over the line or not, and were of use: what this member had to fetch. */
  neededBytes = 0
  readonly control: Readonly<Record<ControlKind, Account>> = {
    hello: new Account(ledgerPeersMax),
    metadata: new Account(ledgerPeersMax),
    'want-have': new Account(ledgerPeersMax),
    reports: new Account(ledgerPeersMax),
    gossip: new Account(ledgerPeersMax),
    other: new Account(ledgerPeersMax),
  }
  /** Contents that had to make room, as one. */
  older = new Account(0)
  olderContents = 0
  readonly peers = new Map<string, LedgerPeer>()
  /** The one that was longest without traffic comes first. */
  readonly #contents = new Map<Digest, Account>()

  /** Control messages and gossip on the line, both ways; also counted in `wan`. */
  get controlBytes(): number {
    return Object.values(this.control).reduce((sum, { downBytes, upBytes }) => sum + downBytes + upBytes, 0)
  }

  get duplicateBytes(): number {
    let sum = this.older.duplicateBytes
    for (const account of this.#contents.values()) sum += account.duplicateBytes
    return sum
  }

  gossip({ membership, inside, peer }: Neighbour, direction: 'down' | 'up', bytes: Uint8Array): void {
    this.#control(membership !== undefined && !inside, direction, bytes.byteLength, 'gossip', peer)
  }

  /** A message on a link; before a hello told where its other side is, it is only remembered with the link. */
  message(neighbour: Neighbour, direction: 'down' | 'up', bytes: Uint8Array): void {
    const { membership, inside, unplaced, peer } = neighbour
    if (membership) this.#control(!inside, direction, bytes.byteLength, kindOf(nameOf(bytes)), peer)
    else add(unplaced, direction, bytes.byteLength)
  }

  /** A hello told where the other side is: what was said before, hello and good-bye, is entered now. */
  placed({ inside, unplaced, peer, membership }: Neighbour): void {
    this.#control(!inside, 'down', unplaced.downBytes, 'hello', peer)
    this.#control(!inside, 'up', unplaced.upBytes, 'hello', peer)
    if (inside || !membership) return
    this.peers.delete(peer)
    this.peers.set(peer, { name: membership.name, site: membership.site })
    const [oldest] = this.peers.keys()
    if (this.peers.size > ledgerPeersMax && oldest !== undefined) this.peers.delete(oldest)
  }

  /** A chunk that came or went, over the line or inside the site. `reason`: why it was of no use. */
  chunk(
    outside: boolean,
    direction: 'down' | 'up',
    content: Digest,
    bytes: number,
    { peer, reason }: { readonly peer?: string | undefined; readonly reason?: DuplicateReason | undefined } = {},
  ): void {
    add(outside ? this.wan : this.lan, direction, bytes)
    if (direction === 'down' && reason === undefined) this.neededBytes += bytes
    if (outside) this.#account(content).count(direction, bytes, peer, reason)
  }

  /** A chunk that a neighbour was served; it may be gone by now, and is then taken for one of our site. */
  served(neighbour: Neighbour | undefined, content: Digest, bytes: number): void {
    const outside = neighbour?.membership !== undefined && !neighbour.inside
    this.chunk(outside, 'up', content, bytes, { peer: neighbour?.peer })
  }

  /** The contents that crossed the line, the one with the newest traffic last. */
  entries(): (readonly [Digest, Account])[] {
    return [...this.#contents]
  }

  state(): LedgerState {
    const { neededBytes, lan, control, older, olderContents, peers } = this
    const states = controlKinds.map((kind) => [kind, control[kind].state()] as const)
    return {
      v: 1,
      neededBytes,
      lan: { ...lan },
      control: Object.fromEntries(states) as Record<ControlKind, AccountState>,
      contents: this.entries().map(([content, account]) => [content, account.state()]),
      older: older.state(),
      olderContents,
      peers: [...peers],
    }
  }

  /** Adds what an earlier run counted; call it before anything is entered. */
  restore({ neededBytes, lan, control, contents, older, olderContents, peers }: LedgerState): void {
    this.neededBytes += neededBytes
    this.lan.downBytes += lan.downBytes
    this.lan.upBytes += lan.upBytes
    for (const kind of controlKinds) this.control[kind].absorb(this.#across(control[kind]))
    for (const [content, account] of contents) this.#account(content).absorb(this.#across(account))
    this.older.absorb(this.#across(older))
    this.olderContents += olderContents
    for (const [peer, known] of peers.slice(-ledgerPeersMax)) this.peers.set(peer, known)
  }

  /** The sums are made of the accounts, so that they can never differ. */
  #across(account: AccountState): AccountState {
    this.wan.downBytes += account.downBytes
    this.wan.upBytes += account.upBytes
    return account
  }

  #control(outside: boolean, direction: 'down' | 'up', bytes: number, kind: ControlKind, peer: string): void {
    add(outside ? this.wan : this.lan, direction, bytes)
    if (outside && bytes > 0) this.control[kind].count(direction, bytes, peer)
  }

  /** The account of a content, now the one with the newest traffic; makes room for a new one. */
  #account(content: Digest): Account {
    const account = this.#contents.get(content) ?? new Account(peersPerContentMax)
    this.#contents.delete(content)
    this.#contents.set(content, account)
    const [oldest] = this.#contents.entries()
    if (this.#contents.size > ledgerContentsMax && oldest) {
      this.#contents.delete(oldest[0])
      this.older.absorb(oldest[1].state())
      this.olderContents++
    }
    return account
  }
}

function kindOf(name: string | undefined): ControlKind {
  switch (name) {
    case 'hello':
    case 'ready':
    case 'bye':
      return 'hello'
    case 'head':
    case 'pack':
      return 'metadata'
    case 'want':
    case 'unwant':
    case 'have':
    case 'more':
      return 'want-have'
    case 'reports':
    case 'receipt':
      return 'reports'
    default:
      return 'other'
  }
}

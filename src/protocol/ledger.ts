/**
 * Every byte that crosses the uplink, by cause (protocol.md §7): stream payload with our own control messages, without TLS,
 * muxer and TCP. `needed` is what this member had to learn, however it came: contents, their lists, and signed metadata.
 */
import type { Digest } from '#base/digest.ts'
import type { Neighbour } from './neighbour.ts'

export interface Traffic {
  downBytes: number
  upBytes: number
}

/** One line of `grapevine why`. */
export interface LedgerEntry {
  readonly content: Digest
  downBytes: number
  upBytes: number
  duplicateBytes: number
}

export class Ledger {
  readonly wan: Traffic = { downBytes: 0, upBytes: 0 }
  readonly lan: Traffic = { downBytes: 0, upBytes: 0 }
  /** Control messages and gossip on the line, also counted in `wan`. */
  controlBytes = 0
  duplicateBytes = 0
  readonly #contents = new Map<Digest, LedgerEntry>()

  control(outside: boolean, direction: 'down' | 'up', bytes: number): void {
    count(outside ? this.wan : this.lan, direction, bytes)
    if (outside) this.controlBytes += bytes
  }

  /** A message on a link; before a hello told where its other side is, it is only remembered with the link. */
  message({ membership, inside, unplaced }: Neighbour, direction: 'down' | 'up', bytes: number): void {
    if (membership) this.control(!inside, direction, bytes)
    else count(unplaced, direction, bytes)
  }

  /** A hello told where the other side is: what was said before is entered now. */
  placed({ inside, unplaced }: Neighbour): void {
    this.control(!inside, 'down', unplaced.downBytes)
    this.control(!inside, 'up', unplaced.upBytes)
  }

  /** A chunk that came or went. `duplicate`: it was here already, or was wrong. */
  chunk(outside: boolean, direction: 'down' | 'up', content: Digest, bytes: number, duplicate: boolean = false): void {
    count(outside ? this.wan : this.lan, direction, bytes)
    if (!outside) return
    let entry = this.#contents.get(content)
    if (!entry) {
      entry = { content, downBytes: 0, upBytes: 0, duplicateBytes: 0 }
      this.#contents.set(content, entry)
    }
    count(entry, direction, bytes)
    if (!duplicate) return
    entry.duplicateBytes += bytes
    this.duplicateBytes += bytes
  }

  entries(): LedgerEntry[] {
    return [...this.#contents.values()]
  }
}

function count(traffic: Traffic, direction: 'down' | 'up', bytes: number): void {
  if (direction === 'down') traffic.downBytes += bytes
  else traffic.upBytes += bytes
}

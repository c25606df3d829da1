/**
 * How many bytes may be asked of a neighbour and not be here yet (protocol.md §4): on the LAN a fixed number, on a line what its
 * measured rate carries in a fraction of a second, so that control messages never wait long behind bulk.
 */
import { since, type Instant } from '#base/time.ts'
import type { LinkId } from './link.ts'
import { lanCreditBytes, wanCreditBytesMax, wanCreditBytesMin, wanCreditMs } from './params.ts'

/** A part of what was asked for, as it came. */
interface Measured {
  readonly link: LinkId
  readonly startedAt: Instant
  readonly arrivedBytes: number
}

export class Credit {
  /** Bytes a second that a link from outside was seen to carry. */
  readonly #rates = new Map<LinkId, number>()

  bytesOf({ link, inside }: { readonly link: LinkId; readonly inside: boolean }): number {
    if (inside) return lanCreditBytes
    const rate = this.#rates.get(link) ?? 0
    return Math.min(wanCreditBytesMax, Math.max(wanCreditBytesMin, (rate * wanCreditMs) / 1000))
  }

  /** An ask on a line has ended. */
  measure(now: Instant, { link, startedAt, arrivedBytes }: Measured): void {
    const rate = (arrivedBytes * 1000) / Math.max(1, since(startedAt, now))
    // Doubling at most: one burst out of a full buffer says little about the line.
    const before = this.#rates.get(link) ?? 0
    this.#rates.set(link, before === 0 ? rate : before * 0.5 + Math.min(rate, before * 4) * 0.5)
  }

  down(link: LinkId): void {
    this.#rates.delete(link)
  }
}

/**
 * Who wants to hear of which contents: what neighbours asked us to tell, also of contents that we do not know, and what we asked
 * them. Neither ever grows beyond `contentsPerLinkMax` a link, whatever a neighbour asks and however much we lack.
 */
import type { Digest } from '#base/digest.ts'
import type { LinkId } from './link.ts'
import { send, type Turn } from './neighbour.ts'
import { contentsPerLinkMax } from './params.ts'

export class Interests {
  readonly #theirs = new Map<LinkId, Set<Digest>>()
  readonly #ours = new Map<LinkId, Set<Digest>>()
  #isShort = false
  /** A place became free since something was left unasked. */
  #hasRoom = false

  /** A neighbour asks to hear of a content; false where it asked for too many. */
  heard(link: LinkId, digest: Digest): boolean {
    const theirs = this.#theirs.get(link) ?? new Set()
    this.#theirs.set(link, theirs)
    if (theirs.size >= contentsPerLinkMax && !theirs.has(digest)) return false
    theirs.add(digest)
    return true
  }

  unheard(link: LinkId, digest: Digest): void {
    this.#theirs.get(link)?.delete(digest)
  }

  /** Links whose other side asked to hear of a content. */
  *of(digest: Digest): Iterable<LinkId> {
    for (const [link, theirs] of this.#theirs) if (theirs.has(digest)) yield link
  }

  /** What the other side of a link asked to hear of. */
  at(link: LinkId): ReadonlySet<Digest> {
    return this.#theirs.get(link) ?? new Set()
  }

  /** Asks a neighbour to tell of contents, as far as it would listen; the rest is asked for when some have come. */
  ask(turn: Turn, link: LinkId, digests: Iterable<Digest>): void {
    const ours = this.#ours.get(link) ?? new Set()
    this.#ours.set(link, ours)
    const contents: Digest[] = []
    for (const digest of digests) {
      if (ours.has(digest)) continue
      if (ours.size >= contentsPerLinkMax) {
        this.#isShort = true
        break
      }
      ours.add(digest)
      contents.push(digest)
    }
    if (contents.length > 0) send(turn, link, { t: 'want', contents })
  }

  /** Asks anew: what a neighbour said of these is doubtful. */
  askAgain(turn: Turn, link: LinkId, digests: readonly Digest[]): void {
    for (const digest of digests) this.#ours.get(link)?.delete(digest)
    this.ask(turn, link, digests)
  }

  /** A content is here, or no longer wanted: whoever was asked need not tell any more. */
  done(turn: Turn, digest: Digest): void {
    for (const [link, ours] of this.#ours)
      if (ours.delete(digest)) {
        this.#hasRoom = true
        send(turn, link, { t: 'unwant', contents: [digest] })
      }
  }

  /** Whether something was left unasked for want of room, and there is room now; true once. Looked at after each chunk, so never in vain. */
  takeShortage(): boolean {
    if (!this.#isShort || !this.#hasRoom) return false
    this.#isShort = this.#hasRoom = false
    return true
  }

  down(link: LinkId): void {
    this.#theirs.delete(link)
    this.#ours.delete(link)
  }
}

/**
 * The newest signed head (protocol.md §2): judges what is announced, tells what is newer here, and brings a laggard up.
 * It never forwards or serves what the trusted set has not verified.
 */
import { after, earliest, instant, type Instant } from '#base/time.ts'
import { assert, unreachable } from '#base/assert.ts'
import { concatBytes } from '#base/bytes.ts'
import { Refused } from '#base/errors.ts'
import { decodePack, encodePack } from '#trust/pack-codec.ts'
import { releaseBytesMax } from '#trust/acceptable.ts'
import type { Absorbed, MetadataPack } from '#trust/metadata-pack.ts'
import type { LinkId, Verdict } from './link.ts'
import { send, type Neighbour, type Self, type Turn } from './neighbour.ts'
import { announcementBytesMax, askAgainMs, messageBytesMax, packBytesMax, packMs } from './params.ts'
import type { Pack } from './wire.ts'

/** Half a message: room for the map around the bytes. */
const partBytes = messageBytesMax / 2
assert(releaseBytesMax <= packBytesMax, 'whatever an origin signs can be told to a newcomer')

export class Head {
  readonly #self: Self
  /** Parts of packs that are on their way, one pack per link. */
  readonly #parts = new Map<LinkId, Uint8Array[]>()
  /** Links we asked for a pack, and when that is given up. */
  readonly #asked = new Map<LinkId, Instant>()
  /** What each link was told last, and when. */
  readonly #told = new Map<LinkId, { readonly at: Instant; readonly head: Heads }>()
  /** Neighbours that asked for what they were just told: they get it, but no sooner than an honest one would ask. */
  readonly #owed = new Map<LinkId, Neighbour>()
  /** When each link may be asked again. */
  readonly #notBefore = new Map<LinkId, Instant>()
  /** Bytes of metadata that were new to us: part of what this member needed (protocol.md §7). */
  neededBytes = 0

  constructor(self: Self) {
    this.#self = self
  }

  /** The validator of the topic. `unknown-signer` and `incomplete` are nobody's fault: the sender is asked for the rest. */
  gossip(turn: Turn, neighbour: Neighbour | undefined, bytes: Uint8Array): Verdict {
    const pack = readPack(bytes, announcementBytesMax)
    // No honest member announces a root (`TrustedSet.announcement`): each one costs signatures, and whoever lacks it asks.
    if ('code' in pack || pack.roots.length > 0) return 'reject'
    const absorbed = this.#absorb(turn, pack, bytes.byteLength)
    if (neighbour && absorbed.type === 'older') this.#answer(turn, neighbour)
    if (neighbour && asksForMore(absorbed)) this.ask(turn, neighbour)
    switch (absorbed.type) {
      case 'advanced':
        // Beside a timestamp that leads to nothing whole, nothing was verified: whoever passed it on would answer for it.
        return absorbed.complete || isTimestampAlone(pack) ? 'accept' : 'ignore'
      case 'same':
      case 'older':
      case 'unknown-signer':
      case 'incomplete':
      case 'equivocation':
        return 'ignore'
      case 'refused':
        return isBlameless(absorbed.code) ? 'ignore' : 'reject'
      default:
        return unreachable(absorbed)
    }
  }

  /** Metadata that was signed or imported here: absorbed and announced. What would be refused is our mistake, and changes nothing. */
  announce(turn: Turn, pack: MetadataPack): void {
    const absorbed = this.#self.set.absorb(pack, this.#self.wall.at(turn.now))
    assert(absorbed.type !== 'refused', `our own metadata was refused: ${JSON.stringify(absorbed)}`)
    this.#moved(turn, absorbed, 0)
    const bytes = encodePack(this.#self.set.announcement())
    // Too large to push: the timestamp alone tells that there is something, and everybody pulls it.
    const { timestamp } = this.#self.set.announcement()
    const small = bytes.byteLength <= announcementBytesMax || !timestamp
    turn.out({
      type: 'gossip',
      bytes: small ? bytes : encodePack({ roots: [], timestamp, roles: new Map(), documents: new Map() }),
    })
  }

  /** Two members that just met know each other's versions: who is ahead tells at once, so who is behind need not ask. */
  met(turn: Turn, neighbour: Neighbour): void {
    const ours = this.#self.set.versions()
    if (!neighbour.versions) return
    if (isNewer(ours, neighbour.versions)) this.tell(turn, neighbour)
    else if (isNewer(neighbour.versions, ours)) this.#asked.set(neighbour.link, after(turn.now, packMs))
  }

  /** Compares heads with a neighbour: who is behind is brought up by the other. */
  compare(turn: Turn, neighbour: Neighbour, ask: boolean): void {
    const theirs = neighbour.versions
    if (!theirs) return
    const ours = this.#self.set.versions()
    if (ask || isNewer(ours, theirs)) this.#answer(turn, neighbour)
    else if (isNewer(theirs, ours)) this.ask(turn, neighbour)
  }

  /** Gossip reaches who was there when it was sent; who was brought up later passes it on to the neighbours of its site itself. */
  spread(turn: Turn, neighbours: readonly Neighbour[]): void {
    const ours = this.#self.set.versions()
    for (const neighbour of neighbours)
      if (neighbour.versions && isNewer(ours, neighbour.versions)) this.tell(turn, neighbour)
  }

  /** Asks for what we lack, once at a time per link. Two members that cannot agree must not ask each other without a pause. */
  ask(turn: Turn, neighbour: Neighbour): void {
    if (this.#asked.has(neighbour.link)) return
    const notBefore = this.#notBefore.get(neighbour.link)
    if (notBefore !== undefined && notBefore > turn.now) return void this.#asked.set(neighbour.link, notBefore)
    this.#asked.set(neighbour.link, after(turn.now, packMs))
    this.#notBefore.set(neighbour.link, after(turn.now, askAgainMs))
    send(turn, neighbour.link, { t: 'head', versions: this.#self.set.versions(), ask: true })
  }

  /** Sends what a neighbour lacks, by the versions it told last. */
  tell(turn: Turn, neighbour: Neighbour): void {
    const { link, versions } = neighbour
    this.#owed.delete(link)
    if (!versions || !this.#self.set.complete) return
    const ours = this.#self.set.versions()
    this.#told.set(link, { at: turn.now, head: ours })
    const bytes = encodePack(this.#self.set.packSince(versions))
    if (bytes.byteLength > packBytesMax) {
      turn.out({ type: 'log', level: 'warn', event: 'head.too-large', fields: { bytes: bytes.byteLength } })
      return
    }
    const parts = Math.max(1, Math.ceil(bytes.byteLength / partBytes))
    for (let part = 0; part < parts; part++)
      send(turn, link, { t: 'pack', part, parts, bytes: bytes.subarray(part * partBytes, (part + 1) * partBytes) })
    // Not told twice: what we just sent is what it has, unless it says otherwise.
    neighbour.versions = ours
  }

  /** A message of a hundred bytes draws a whole pack: no second time within `askAgainMs` unless we have something newer by then. */
  #answer(turn: Turn, neighbour: Neighbour): void {
    const told = this.#told.get(neighbour.link)
    const isRepeated = told && after(told.at, askAgainMs) > turn.now && !isNewer(this.#self.set.versions(), told.head)
    if (isRepeated) this.#owed.set(neighbour.link, neighbour)
    else this.tell(turn, neighbour)
  }

  /** One part of a pack; what became of the whole once its last part is here, the code of what is wrong, or undefined while parts are missing. */
  pack(turn: Turn, neighbour: Neighbour, message: Pack): Absorbed | undefined {
    const parts = message.part === 0 ? [] : this.#parts.get(neighbour.link)
    const bytes = message.bytes.byteLength + (parts ?? []).reduce((sum, part) => sum + part.byteLength, 0)
    if (!parts || parts.length !== message.part || bytes > packBytesMax) {
      this.#parts.delete(neighbour.link)
      return {
        type: 'refused',
        code: 'PACK_INVALID',
        message: 'The parts of a pack came out of order, or are too many.',
      }
    }
    parts.push(message.bytes)
    if (parts.length < message.parts) {
      this.#parts.set(neighbour.link, parts)
      // On a thin line a large pack takes long: as long as it comes, nobody else is asked.
      if (this.#asked.has(neighbour.link)) this.#asked.set(neighbour.link, after(turn.now, packMs))
      return undefined
    }
    this.#parts.delete(neighbour.link)
    this.#asked.delete(neighbour.link)
    const pack = readPack(concatBytes(...parts), packBytesMax)
    return 'code' in pack ? pack : this.#absorb(turn, pack, bytes)
  }

  forget(link: LinkId): void {
    this.#parts.delete(link)
    this.#asked.delete(link)
    this.#notBefore.delete(link)
    this.#told.delete(link)
    this.#owed.delete(link)
  }

  /** Answers what is owed, and gives up asks that were not answered; their links are returned, so that another can be asked. */
  wake(turn: Turn): LinkId[] {
    for (const [link, neighbour] of this.#owed) if (this.#owedAt(link) <= turn.now) this.tell(turn, neighbour)
    const late = [...this.#asked].filter(([, until]) => until <= turn.now).map(([link]) => link)
    // The parts stay: what is late may still come, and is nobody's fault.
    for (const link of late) this.#asked.delete(link)
    return late
  }

  nextWake(): Instant | undefined {
    return earliest(...this.#asked.values(), ...[...this.#owed.keys()].map((link) => this.#owedAt(link)))
  }

  #owedAt(link: LinkId): Instant {
    return after(this.#told.get(link)?.at ?? instant(0), askAgainMs)
  }

  /** `bytes` is how many the pack came in. */
  #absorb(turn: Turn, pack: MetadataPack, bytes: number): Absorbed {
    const absorbed = this.#self.set.absorb(pack, this.#self.wall.at(turn.now))
    this.#moved(turn, absorbed, bytes)
    return absorbed
  }

  #moved(turn: Turn, absorbed: Absorbed, bytes: number): void {
    const { set } = this.#self
    if (absorbed.type === 'advanced') {
      this.neededBytes += bytes
      turn.out({ type: 'save-trust', bytes: encodePack(set.state()) })
      const { timestamp } = set.versions()
      const fields = { release: set.release, timestamp, complete: absorbed.complete }
      turn.out({ type: 'log', level: 'info', event: 'head.advanced', fields })
      if (absorbed.complete) turn.notify({ type: 'release' })
    } else if (absorbed.type === 'refused')
      turn.out({
        type: 'log',
        level: 'warn',
        event: 'head.refused',
        fields: { code: absorbed.code, text: absorbed.message },
      })
    else if (absorbed.type === 'equivocation')
      turn.out({ type: 'log', level: 'warn', event: 'head.equivocation', fields: { text: absorbed.message } })
  }
}

/** Expired metadata may be all that an honest member of a cut-off site has; or our own clock is wrong. */
export const isBlameless = (code: string): boolean => code === 'METADATA_EXPIRED'

/** The pack in these bytes, or what is wrong with them. */
function readPack(bytes: Uint8Array, bytesMax: number): MetadataPack | Extract<Absorbed, { type: 'refused' }> {
  try {
    return decodePack(bytes, bytesMax)
  } catch (error) {
    if (error instanceof Refused) return { type: 'refused', code: error.code, message: error.message }
    throw error
  }
}

/** The form in which a release is announced that is too large to push. */
const isTimestampAlone = (pack: MetadataPack): boolean =>
  pack.timestamp !== undefined && !pack.snapshot && pack.roles.size + pack.documents.size === 0

/** Whether what came shows that its sender has more than it sent. */
export function asksForMore(absorbed: Absorbed): boolean {
  return (
    absorbed.type === 'unknown-signer' ||
    absorbed.type === 'incomplete' ||
    (absorbed.type === 'advanced' && !absorbed.complete)
  )
}

interface Heads {
  readonly root: number
  readonly timestamp: number
}

/** The root first: a new one may have replaced a key of the timestamp, and then the older one's count means nothing (TUF 1.0.34 §5.3.11). */
const isNewer = (a: Heads, b: Heads): boolean => a.root > b.root || (a.root === b.root && a.timestamp > b.timestamp)

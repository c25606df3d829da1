/**
 * A made-up network that keeps the Link contract (protocol/link.ts): sites with a LAN each, joined by one thin uplink a site.
 * A transfer takes its place in the queue of every line it crosses, at the rate of the slowest; what was sent first arrives
 * first. Bytes of chunks are numbers here, so a fleet fits in memory.
 */
import { sha256, type Digest } from '#base/digest.ts'
import type { Address, ChunkRun, FetchEnd, LinkEvents, LinkId } from '#protocol/link.ts'
import type { PeerId } from '#trust/peer-id.ts'
import type { World } from './world.ts'

export interface SiteLine {
  /** Bits a second. */
  readonly downBps: number
  readonly upBps: number
  /** One way, microseconds. */
  readonly latencyUs: number
}

export interface NetworkNode {
  readonly peer: PeerId
  readonly address: Address
  readonly site: string
  readonly events: LinkEvents
}

/** A chunk on the wire: its size, and its bytes only where a test brings real ones. */
export interface Payload {
  readonly size: number
  /** Its bytes are not what they are called. */
  readonly isWrong?: boolean
  readonly bytes?: Uint8Array
}

interface Place extends NetworkNode {
  readonly number: number
  up: boolean
  readonly heard: Set<Digest>
  readonly links: Set<Link>
  readonly asks: Map<number, Ask>
  readonly lines: { readonly up: Line; readonly down: Line }
}

interface Link {
  readonly id: LinkId
  readonly ends: readonly [Place, Place]
  readonly admitted: [boolean, boolean]
  /** Whether each end was told that it is up, and not yet that it is down. */
  readonly up: [boolean, boolean]
  open: boolean
}

interface Ask {
  readonly link: Link
  readonly asker: 0 | 1
  readonly onChunk: (index: number, payload: Payload) => void
  readonly onEnd: (end: FetchEnd) => void
  ended: boolean
}

interface Line {
  busyUntilUs: number
}

const lanBps = 1_000_000_000
const lanLatencyUs = 300
/** A whole connection: TCP and TLS take three trips. */
const connectTrips = 3

export class Network {
  readonly #world: World
  readonly #sites: ReadonlyMap<string, SiteLine>
  readonly #places = new Map<Address, Place>()
  readonly #lans = new Map<string, Place[]>()
  readonly #links = new Map<LinkId, Link>()
  readonly #asks = new Map<number, Ask>()
  readonly #lines = new Map<string, Line>()
  /** Stream payload that crossed each site's uplink: chunks and control messages, as the ledger counts. */
  readonly uplinkBytes = new Map<string, { downBytes: number; upBytes: number }>()
  /** A fault: announcements are lost on the way, all of them. */
  losesGossip = false
  /** Sites whose line is dead. */
  readonly #cut = new Set<string>()
  #nextLink = 1
  #nextAsk = 1

  constructor(world: World, sites: ReadonlyMap<string, SiteLine>) {
    this.#world = world
    this.#sites = sites
  }

  /** A member enters the network; the number orders its events. */
  enter(node: NetworkNode): number {
    const place: Place = {
      ...node,
      number: this.#places.size + 1,
      up: true,
      heard: new Set(),
      links: new Set(),
      asks: new Map(),
      lines: { up: { busyUntilUs: 0 }, down: { busyUntilUs: 0 } },
    }
    this.#places.set(node.address, place)
    const lan = this.#lans.get(node.site) ?? []
    this.#lans.set(node.site, lan)
    lan.push(place)
    return place.number
  }

  /** The machine is switched off: its links end without a word. */
  leave(address: Address): void {
    const place = this.#places.get(address)
    if (!place) return
    place.up = false
    for (const link of place.links) this.#end(link, 'the other side is gone')
  }

  /** The line of a site breaks: links over it end, and nobody can be dialled. */
  cut(site: string): void {
    this.#cut.add(site)
    for (const link of this.#links.values()) if (this.#isCut(...link.ends)) this.#end(link, 'the line is dead')
  }

  mend(site: string): void {
    this.#cut.delete(site)
  }

  #isCut(a: Place, b: Place): boolean {
    return a.site !== b.site && (this.#cut.has(a.site) || this.#cut.has(b.site))
  }

  /** One of the two is called, `linked` once the dialler was told of the link. */
  dial(
    from: Address,
    address: Address,
    failed: (reason: string) => void,
    linked: (link: LinkId) => void = () => {},
  ): void {
    const a = this.#placeOf(from)
    const b = this.#places.get(plain(address))
    const latencyUs = b ? this.#latencyUs(a, b) : lanLatencyUs
    this.#after(latencyUs * connectTrips * 2, a, a, () => {
      if (!b?.up || !a.up || this.#isCut(a, b)) return failed('nobody answers')
      if (address.includes('/p2p/') && !address.endsWith(b.peer)) return failed('another peer answers')
      const id = this.#nextLink++ as LinkId
      const link: Link = { id, ends: [a, b], admitted: [false, false], up: [true, false], open: true }
      this.#links.set(id, link)
      for (const end of link.ends) end.links.add(link)
      a.events.linkUp(id, b.peer, 'out', address)
      linked(id)
      this.#after(latencyUs, a, b, () => {
        if (!link.open || !b.up) return
        link.up[1] = true
        b.events.linkUp(id, a.peer, 'in', a.address)
      })
    })
  }

  send(from: Address, id: LinkId, bytes: Uint8Array): void {
    const link = this.#links.get(id)
    if (!link) return
    const [a, b] = this.#sides(link, from)
    if (isUp(link, a)) this.#transfer(a, b, bytes.byteLength, () => isUp(link, b) && b.events.message(id, bytes))
  }

  close(from: Address, id: LinkId, reason: string): void {
    const link = this.#links.get(id)
    if (!link) return
    const [a, b] = this.#sides(link, from)
    if (!isUp(link, a)) return
    this.#downAt(link, a, reason)
    // What was sent before is still on its way: the end travels behind it.
    this.#transfer(a, b, 0, () => this.#end(link, 'closed by the other side'))
  }

  admit(from: Address, id: LinkId): void {
    const link = this.#links.get(id)
    if (link) link.admitted[link.ends[0].address === from ? 0 : 1] = true
  }

  /** Floods to every admitted neighbour; each forwards what it accepts. Returns how many were told: nobody, of what was told before. */
  publish(from: Address, bytes: Uint8Array): number {
    const place = this.#placeOf(from)
    const name = sha256(bytes)
    if (place.heard.has(name)) return 0
    place.heard.add(name)
    if (this.losesGossip) return 0
    return this.#flood(place, undefined, bytes, name)
  }

  /** Tells the LAN of a site who asks, and the asker who is there. */
  query(from: Address): void {
    const asker = this.#placeOf(from)
    for (const other of this.#lans.get(asker.site) ?? []) {
      if (other === asker || !other.up) continue
      this.#after(lanLatencyUs, asker, other, () => other.up && other.events.seen(addressOf(asker), asker.peer))
      this.#after(
        2 * lanLatencyUs,
        other,
        asker,
        () => asker.up && other.up && asker.events.seen(addressOf(other), other.peer),
      )
    }
  }

  fetch(
    from: Address,
    id: LinkId,
    run: ChunkRun,
    onChunk: (index: number, payload: Payload) => void,
    onEnd: (end: FetchEnd) => void,
  ): number {
    const link = this.#links.get(id)
    const number = this.#nextAsk++
    if (!link || !isUp(link, this.#placeOf(from))) {
      this.#after(0, this.#placeOf(from), this.#placeOf(from), () => onEnd('failed'))
      return number
    }
    const [a, b] = this.#sides(link, from)
    const asker = link.ends[0] === a ? 0 : 1
    const ask: Ask = { link, asker, onChunk, onEnd, ended: false }
    this.#asks.set(number, ask)
    a.asks.set(number, ask)
    this.#transfer(a, b, 48, () => {
      if (!isUp(link, b)) return
      if (link.admitted[asker === 0 ? 1 : 0] && link.admitted[asker]) b.events.asked(id, number, run)
      else this.finish(number, 'NOT_ADMITTED')
    })
    return number
  }

  /** No chunk comes any more; the end is told a moment later, never within this call. */
  cancel(number: number): void {
    const ask = this.#asks.get(number)
    if (!ask || ask.ended) return
    ask.ended = true
    const asker = ask.link.ends[ask.asker]
    this.#after(0, asker, asker, () => {
      this.#forget(number, ask)
      ask.onEnd('cancelled')
    })
  }

  /** One chunk of an ask; `sent` is called when there is room for the next, or false where the asker is gone. */
  answer(number: number, index: number, payload: Payload, sent: (isThere: boolean) => void): void {
    const ask = this.#asks.get(number)
    if (!ask || ask.ended) return sent(false)
    const [to, from] = ask.asker === 0 ? ask.link.ends : [ask.link.ends[1], ask.link.ends[0]]
    const leftUs = this.#transfer(from, to, payload.size, () => {
      if (!ask.ended && ask.link.open) ask.onChunk(index, payload)
    })
    this.#after(leftUs - this.#world.nowUs, from, from, () => sent(!ask.ended))
  }

  finish(number: number, denied?: string): void {
    const ask = this.#asks.get(number)
    if (!ask) return
    const [to, from] = ask.asker === 0 ? ask.link.ends : [ask.link.ends[1], ask.link.ends[0]]
    this.#transfer(from, to, 8, () => this.#finishAsk(number, ask, denied === undefined ? 'done' : 'denied'))
  }

  #flood(place: Place, except: LinkId | undefined, bytes: Uint8Array, name: Digest): number {
    let told = 0
    for (const link of place.links) {
      if (link.id === except || !isUp(link, place) || !link.admitted.every(Boolean)) continue
      const other = link.ends[0] === place ? link.ends[1] : link.ends[0]
      told++
      this.#transfer(place, other, bytes.byteLength, () => {
        if (!isUp(link, other) || other.heard.has(name)) return
        other.heard.add(name)
        if (other.events.gossip(link.id, bytes) === 'accept') this.#flood(other, link.id, bytes, name)
      })
    }
    return told
  }

  #finishAsk(number: number, ask: Ask, end: FetchEnd): void {
    if (ask.ended) return
    ask.ended = true
    this.#forget(number, ask)
    ask.onEnd(end)
  }

  #forget(number: number, ask: Ask): void {
    this.#asks.delete(number)
    ask.link.ends[ask.asker].asks.delete(number)
  }

  #end(link: Link, reason: string): void {
    if (!link.open) return
    for (const place of link.ends) this.#downAt(link, place, reason)
    link.open = false
    this.#links.delete(link.id)
    for (const end of link.ends) end.links.delete(link)
  }

  #downAt(link: Link, place: Place, reason: string): void {
    const isKnown = isUp(link, place)
    link.up[link.ends[0] === place ? 0 : 1] = false
    for (const [number, ask] of place.asks) if (ask.link === link) this.#finishAsk(number, ask, 'failed')
    if (isKnown && place.up) place.events.linkDown(link.id, reason)
  }

  /** Queues `size` bytes on every line between two members, each at its own rate (cut-through); returns when the last has passed them all. */
  #transfer(from: Place, to: Place, size: number, arrived: () => void): number {
    const lines = this.#linesBetween(from, to)
    let leftUs = this.#world.nowUs
    for (const { line, bps } of lines) {
      line.busyUntilUs = Math.max(this.#world.nowUs, line.busyUntilUs) + Math.ceil((size * 8 * 1_000_000) / bps)
      leftUs = Math.max(leftUs, line.busyUntilUs)
    }
    if (from.site !== to.site) {
      this.#counter(from.site).upBytes += size
      this.#counter(to.site).downBytes += size
    }
    this.#world.at(leftUs + this.#latencyUs(from, to), from.number, to.number, arrived)
    return leftUs
  }

  #linesBetween(from: Place, to: Place): { line: Line; bps: number }[] {
    const lines = [
      { line: from.lines.up, bps: lanBps },
      { line: to.lines.down, bps: lanBps },
    ]
    if (from.site === to.site) return lines
    const up = this.#sites.get(from.site)
    const down = this.#sites.get(to.site)
    if (up) lines.push({ line: this.#line(`up/${from.site}`), bps: up.upBps })
    if (down) lines.push({ line: this.#line(`down/${to.site}`), bps: down.downBps })
    return lines
  }

  #latencyUs(a: Place, b: Place): number {
    if (a.site === b.site) return lanLatencyUs
    return (this.#sites.get(a.site)?.latencyUs ?? 0) + (this.#sites.get(b.site)?.latencyUs ?? 0) + lanLatencyUs
  }

  #line(name: string): Line {
    const line = this.#lines.get(name) ?? { busyUntilUs: 0 }
    this.#lines.set(name, line)
    return line
  }

  #counter(site: string): { downBytes: number; upBytes: number } {
    const counter = this.uplinkBytes.get(site) ?? { downBytes: 0, upBytes: 0 }
    this.uplinkBytes.set(site, counter)
    return counter
  }

  #after(us: number, from: Place, to: Place, run: () => void): void {
    this.#world.at(this.#world.nowUs + us, from.number, to.number, run)
  }

  #placeOf(address: Address): Place {
    return this.#places.get(address) as Place
  }

  #sides(link: Link, from: Address): readonly [Place, Place] {
    return link.ends[0].address === from ? link.ends : [link.ends[1], link.ends[0]]
  }
}

/** Whether a place is at an end of the link, was told that it is up, and not yet that it is down. */
const isUp = ({ open, ends, up }: Link, place: Place): boolean =>
  open && up.some((told, at) => told && ends[at] === place)
const plain = (address: Address): Address => address.replace(/\/p2p\/.*$/, '') as Address
const addressOf = (place: Place): Address => `${place.address}/p2p/${place.peer}` as Address

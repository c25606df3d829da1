/**
 * The view over all devices, from what they reported: newest report per device, counted once. A device is listed from its
 * first hello or report on. Never trusts a number it can derive.
 */
import { canonicalJson } from '#base/canonical-json.ts'
import { isFields, own, type Fields } from '#base/guard.ts'
import { instant, type Instant } from '#base/time.ts'
import type { Finding, Repair } from '#facts/finding.ts'
import type { Facts } from '#facts/inventory.ts'
import type { MonitorReport } from '#facts/monitor.ts'
import type { Pause } from '#facts/pause.ts'
import type { BundleReport, Report } from '#facts/report.ts'
import type { Membership } from '#trust/membership.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { TokenUses, type TokenUse } from './token-use.ts'

export interface Device {
  readonly peer: PeerId
  readonly name: string
  readonly site: string
  readonly role: string
  readonly labels: Readonly<Record<string, string>>
  /** By which it joined. */
  readonly token: Membership['token']
  /** By the origin's clock. */
  readonly firstSeen: Instant
  readonly lastSeen: Instant
  readonly lastReport: Instant | undefined
  readonly seq: number
  readonly release: number
  readonly bundles: readonly BundleReport[]
  readonly drift: readonly Finding[]
  readonly repaired: readonly Repair[]
  readonly monitors: readonly MonitorReport[]
  readonly pauses: readonly Pause[]
  /** When it said that it leaves the fleet, by the origin's clock; undefined for a member. */
  readonly left: Instant | undefined
  readonly facts: Facts | undefined
  /** Number of the report that brought the facts. */
  readonly factsSeq: number
}

/** More devices than this are not listed: a stolen token must not fill the origin's disk. */
const devicesMax = 200_000

export class Fleet {
  readonly #devices = new Map<PeerId, Device>()
  readonly #tokens = new TokenUses()
  #exceeded: TokenUse[] = []

  /** From what was kept; entries that are not understood are left out. */
  static restore(entries: readonly unknown[]): Fleet {
    const fleet = new Fleet()
    for (const entry of entries) {
      const device = isFields(entry) ? deviceOf(entry) : undefined
      if (!device) continue
      fleet.#tokens.moved(fleet.#devices.get(device.peer)?.token, device.token)
      fleet.#devices.set(device.peer, device)
    }
    return fleet
  }

  /** A device said hello: the entry that is to be kept, or undefined where nothing changed that matters. */
  greeted(membership: Membership, now: Instant): Device | undefined {
    const known = this.#devices.get(membership.peer)
    if (membership.role === 'origin' || (!known && this.#devices.size >= devicesMax)) return undefined
    const device = this.#merge(membership, now, {})
    return known && whoIs(known) === whoIs(device) ? undefined : device
  }

  /** A report; the entry that is to be kept, or undefined where this number was counted before. */
  reported(membership: Membership, seq: number, report: Report, now: Instant): Device | undefined {
    const known = this.#devices.get(membership.peer)
    if (!known && this.#devices.size >= devicesMax) return undefined
    // Two reports may take two ways, and the later number arrive first: the facts come only once, so they are taken all the same.
    const facts = report.facts && seq > (known?.factsSeq ?? 0) ? { facts: report.facts, factsSeq: seq } : undefined
    if (known && seq <= known.seq) return facts && this.#merge(membership, now, facts)
    return this.#merge(membership, now, {
      lastReport: now,
      seq,
      release: report.release,
      bundles: report.bundles,
      drift: report.drift,
      repaired: report.repaired ?? [],
      monitors: report.monitors ?? [],
      pauses: report.pauses ?? [],
      left: report.left === true ? now : undefined,
      ...facts,
    })
  }

  list(): Device[] {
    return [...this.#devices.values()].sort(
      (a, b) => order(a.site, b.site) || order(a.name, b.name) || order(a.peer, b.peer),
    )
  }

  /** How many devices each token brought. */
  tokenUses(): TokenUse[] {
    return this.#tokens.list()
  }

  /** Tokens that brought one device too many since this was asked last; each is told once. */
  takeExceeded(): TokenUse[] {
    const exceeded = this.#exceeded
    this.#exceeded = []
    return exceeded
  }

  #merge(membership: Membership, now: Instant, news: Partial<Device>): Device {
    const { peer, name, site, role, labels, token } = membership
    const known = this.#devices.get(peer)
    const device: Device = {
      firstSeen: now,
      lastReport: undefined,
      seq: 0,
      release: 0,
      bundles: [],
      drift: [],
      repaired: [],
      monitors: [],
      pauses: [],
      left: undefined,
      facts: undefined,
      factsSeq: 0,
      ...known,
      peer,
      name,
      site,
      role,
      labels,
      token,
      lastSeen: now,
      ...news,
    }
    const exceeded = this.#tokens.moved(known?.token, token)
    if (exceeded) this.#exceeded.push(exceeded)
    this.#devices.set(peer, device)
    return device
  }
}

/** What a membership says of a device, and a report does not. */
const whoIs = ({ name, site, role, labels, token }: Device): string =>
  canonicalJson({ name, site, role, labels, ...(token && { token }) })

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function deviceOf(entry: Fields): Device | undefined {
  if (typeof own(entry, 'peer') !== 'string' || typeof own(entry, 'seq') !== 'number') return undefined
  // Our own notes, written by `Fleet`; JSON leaves out what was undefined.
  const device = entry as unknown as Device
  return {
    ...device,
    factsSeq: device.factsSeq ?? 0,
    repaired: device.repaired ?? [],
    monitors: device.monitors ?? [],
    pauses: device.pauses ?? [],
    left: device.left === undefined ? undefined : instant(device.left),
    token: device.token,
    lastReport: device.lastReport === undefined ? undefined : instant(device.lastReport),
  }
}

/**
 * The view over all devices, from what they reported: newest report per device, counted once. A device is listed from its
 * first hello or report on. Never trusts a number it can derive.
 */
import { canonicalJson } from '#base/canonical-json.ts'
import { isFields, own, type Fields } from '#base/guard.ts'
import { instant, type Instant } from '#base/time.ts'
import type { Finding, Repair } from '#facts/finding.ts'
import type { InventoryPart, PackagePart } from '#facts/inventory-part.ts'
import type { Facts } from '#facts/inventory.ts'
import type { MonitorReport } from '#facts/monitor.ts'
import type { Pause } from '#facts/pause.ts'
import type { BundleReport, Freshness, Report } from '#facts/report.ts'
import type { Digest } from '#base/digest.ts'
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
  /** Number of the report that brought bundles and drift; later ones said that they are as they were. */
  readonly stateSeq: number
  readonly trust: Freshness | undefined
  /** What the machine is made of; undefined until it was told. */
  readonly machine: Facts | undefined
  /** Its list of packages, which is kept elsewhere; undefined until the whole list came. */
  readonly packages: KnownPackages | undefined
  /** Number of the report that brought the newest part of the inventory; 0 where the origin needs it anew. */
  readonly inventorySeq: number
  /** Of its membership; undefined in entries of an older program. */
  readonly issuer: string | undefined
  readonly expires: Instant | undefined
}

export interface KnownPackages {
  readonly digest: Digest
  /** Of the list that the newest changes began with; a report that was on its way meanwhile may build on it, too. */
  readonly base: Digest | undefined
  readonly count: number
  /** By the origin's clock. */
  readonly at: Instant
}

export interface Received {
  readonly seq: number
  readonly report: Report
  readonly inventory: InventoryPart | undefined
}

export interface Reported {
  /** The entry that is to be kept; undefined where nothing of the report was new. */
  readonly device: Device | undefined
  /** A part of the list of packages, to be kept. */
  readonly part: PackagePart | undefined
  /** The report builds on what is not known here: the device is to say all anew. */
  readonly anew: boolean
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

  /** A report. Each number is counted once. */
  reported(membership: Membership, { seq, report, inventory }: Received, now: Instant): Reported {
    const known = this.#devices.get(membership.peer)
    if (!known && this.#devices.size >= devicesMax) return { device: undefined, part: undefined, anew: false }
    // Two reports may take two ways, and the later number arrive first: facts and inventory come only once, so they are taken all the same.
    const facts = report.facts && seq > (known?.factsSeq ?? 0) ? { facts: report.facts, factsSeq: seq } : undefined
    const parts = inventory && seq > (known?.inventorySeq ?? 0) ? partsOf(known, seq, inventory, now) : undefined
    const isNew = seq > (known?.seq ?? 0)
    const news = { ...(isNew && newsOf(seq, report, now)), ...facts, ...parts }
    const device = Object.keys(news).length > 0 ? this.#merge(membership, now, news) : undefined
    const isMissing = inventory !== undefined && parts === undefined && seq > (known?.inventorySeq ?? 0)
    return { device, part: parts && inventory?.packages, anew: isMissing || (isNew && isBehind(device, report)) }
  }

  /** The membership that a device reported with last; undefined for one that is not known. */
  memberOf(peer: PeerId): Membership | undefined {
    const device = this.#devices.get(peer)
    if (device?.issuer === undefined || device.expires === undefined) return undefined
    const { name, site, role, labels, token, issuer, expires } = device
    return { peer, name, site, role: role as Membership['role'], labels, token, issuer, expires }
  }

  /** The list of packages of a device could not be kept: it is asked for anew. The entry that is to be kept. */
  lostPackages(peer: PeerId): Device | undefined {
    const known = this.#devices.get(peer)
    if (!known) return undefined
    const device = { ...known, packages: undefined, inventorySeq: 0 }
    this.#devices.set(peer, device)
    return device
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
    const { peer, name, site, role, labels, token, issuer, expires } = membership
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
      stateSeq: 0,
      trust: undefined,
      machine: undefined,
      packages: undefined,
      inventorySeq: 0,
      ...known,
      peer,
      name,
      site,
      role,
      labels,
      token,
      issuer,
      expires,
      lastSeen: now,
      ...news,
    }
    const exceeded = this.#tokens.moved(known?.token, token)
    if (exceeded) this.#exceeded.push(exceeded)
    this.#devices.set(peer, device)
    return device
  }
}

/** What the newest report says of itself; what it says is as it was stays. */
function newsOf(seq: number, report: Report, now: Instant): Partial<Device> {
  return {
    lastReport: now,
    seq,
    release: report.release,
    ...(report.trust && { trust: report.trust }),
    ...(!report.same && {
      stateSeq: seq,
      bundles: report.bundles,
      drift: report.drift,
      repaired: report.repaired ?? [],
      monitors: report.monitors ?? [],
      pauses: report.pauses ?? [],
      left: report.left === true ? now : undefined,
    }),
  }
}

/** What a part brings; undefined where it changes a list that is not here. */
function partsOf(
  known: Device | undefined,
  inventorySeq: number,
  { packages, machine }: InventoryPart,
  at: Instant,
): Partial<Device> | undefined {
  const list = known?.packages
  const isOfHere =
    packages?.base === undefined || (list !== undefined && [list.digest, list.base].includes(packages.base))
  if (!isOfHere) return undefined
  return {
    inventorySeq,
    ...(machine && { machine }),
    ...(packages && { packages: { digest: packages.digest, base: packages.base, count: packages.count, at } }),
  }
}

/** Whether a report says that nothing changed since one that never came. */
const isBehind = (device: Device | undefined, { same }: Report): boolean =>
  same !== undefined &&
  (device === undefined ||
    device.stateSeq < same.state ||
    device.factsSeq < same.facts ||
    device.inventorySeq < same.inventory)

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
    stateSeq: device.stateSeq ?? device.seq,
    inventorySeq: device.inventorySeq ?? 0,
    token: device.token,
    lastReport: device.lastReport === undefined ? undefined : instant(device.lastReport),
  }
}

/** The state of a member as documents for the CLI, for scripts and for monitoring (docs/operate.md): built from the machine, never kept. */
import { instant, toTimestamp, type Instant } from '#base/time.ts'
import type { BundleReport, BundleState } from '#facts/report.ts'
import type { Member } from '#member/member.ts'
import { documentOf, pausesOf, type PauseDocument } from './pause.ts'
import type { Budget } from '#protocol/budget.ts'
import {
  findingDocument,
  monitorDocument,
  repairDocument,
  type FindingDocument,
  type MonitorDocument,
  type RepairDocument,
} from './finding-document.ts'

interface TrafficDocument {
  readonly downBytes: number
  readonly upBytes: number
}

export interface StatusDocument {
  readonly peerId: string
  readonly name: string
  readonly fleet: string
  readonly role: string
  readonly site: string
  /** A daemon answered; without one the folder was read. */
  readonly running: boolean
  readonly release: number
  readonly addresses: readonly string[]
  readonly uplink: { readonly acting: boolean; readonly reach: boolean }
  readonly peers: readonly {
    readonly peerId: string
    readonly name: string
    readonly role: string
    readonly site: string
    readonly inside: boolean
    readonly address: string
    readonly direction: 'in' | 'out'
  }[]
  readonly bundles: readonly {
    readonly name: string
    readonly version: number
    readonly state: BundleState
    readonly prepared: boolean
    readonly reason: string | null
    readonly windowOpens: string | null
    readonly windowCloses: string | null
    /** Since when it is not meant for this member any more; null while it is. */
    readonly withdrawnAt: string | null
    readonly urgent: boolean
    /** Windows that passed without it being applied; null: none since this version is known. */
    readonly missed: { readonly count: number; readonly closed: string; readonly reason: string } | null
  }[]
  /** What differs from the applied bundles, as the last looks found it. */
  readonly drift: readonly FindingDocument[]
  /** What differed within the last week and was mended. */
  readonly repaired: readonly RepairDocument[]
  readonly monitors: readonly MonitorDocument[]
  /** What somebody at this machine wants left alone for a while. */
  readonly pauses: readonly PauseDocument[]
  readonly contents: { readonly complete: number; readonly partial: number }
  readonly wan: TrafficDocument & {
    readonly neededBytes: number
    readonly duplicateBytes: number
    readonly controlBytes: number
    /** Bytes down for every byte needed; null where nothing was needed, as at the origin, or counted, as without a daemon. */
    readonly factor: number | null
    /** The limits of now and until when they hold; null: none, for ever. */
    readonly budget: {
      readonly downBytesPerSecond: number | null
      readonly upBytesPerSecond: number | null
      readonly until: string | null
    }
  }
  readonly lan: TrafficDocument
  /** Reports that wait for the origin's receipt, our own and carried ones. */
  readonly outbox: number
}

export interface FleetDocument {
  readonly release: number
  readonly devices: readonly {
    readonly peerId: string
    readonly name: string
    readonly site: string
    readonly role: string
    readonly labels: Readonly<Record<string, string>>
    /** Id of the token it joined with; null where an issuer enrolled it. */
    readonly token: string | null
    readonly release: number
    readonly firstSeen: string
    readonly lastSeen: string
    readonly lastReport: string | null
    readonly bundles: readonly BundleReport[]
    readonly drift: readonly FindingDocument[]
    readonly repaired: readonly RepairDocument[]
    readonly monitors: readonly MonitorDocument[]
    /** When it left the fleet; null for a member. */
    readonly left: string | null
    readonly pauses: readonly PauseDocument[]
    /** How fresh the metadata is that it verified last, when it reported. */
    readonly trust: { readonly version: number; readonly signedAt: string } | null
    /** Null: unknown until the device tells all of it. */
    readonly inventory: { readonly packages: number; readonly changedAt: string } | null
  }[]
}

export interface StatusOf {
  readonly member: Member
  readonly running: boolean
  readonly addresses: readonly string[]
  readonly fleet: string
  /** Reports in the outbox. */
  readonly outbox: number
  /** What the store holds. */
  readonly contents: readonly { readonly complete: boolean }[]
  readonly budget: Budget
  readonly now: Instant
}

const timestamp = (time: Instant | undefined): string | null => (time === undefined ? null : toTimestamp(time))

export function statusDocument({
  member,
  running,
  addresses,
  fleet,
  outbox,
  contents: held,
  budget,
  now,
}: StatusOf): StatusDocument {
  const { protocol, agent } = member
  const watched = agent?.watched(now)
  const { membership, peer, set } = protocol.self
  const complete = held.filter((holding) => holding.complete).length
  const { neededBytes, ledger } = protocol
  const { wan, lan, duplicateBytes, controlBytes } = ledger
  return {
    peerId: peer,
    name: membership.name,
    fleet,
    role: membership.role,
    site: membership.site,
    running,
    release: set.release,
    addresses,
    uplink: protocol.standing,
    peers: protocol.neighbours.list().map((neighbour) => ({
      peerId: neighbour.peer,
      name: neighbour.membership?.name ?? '',
      role: neighbour.membership?.role ?? '',
      site: neighbour.membership?.site ?? '',
      inside: neighbour.inside,
      address: neighbour.address,
      direction: neighbour.direction,
    })),
    bundles: (agent?.status() ?? []).map((bundle) => ({
      name: bundle.name,
      version: bundle.version,
      state: bundle.state,
      prepared: bundle.prepared,
      reason: bundle.reason ?? null,
      windowOpens: timestamp(bundle.windowOpens),
      windowCloses: timestamp(bundle.windowCloses),
      withdrawnAt: timestamp(bundle.withdrawnAt),
      urgent: bundle.urgent ?? false,
      missed: bundle.missed ? { ...bundle.missed, closed: toTimestamp(instant(bundle.missed.closed)) } : null,
    })),
    drift: (watched?.drift ?? []).map(findingDocument),
    repaired: (watched?.repaired ?? []).map(repairDocument),
    monitors: (watched?.monitors ?? []).map(monitorDocument),
    pauses: pausesOf(agent),
    contents: { complete, partial: held.length - complete },
    wan: {
      ...wan,
      neededBytes,
      duplicateBytes,
      controlBytes,
      factor: running ? factorOf(wan.downBytes, neededBytes) : null,
      budget: {
        downBytesPerSecond: budget.wanDown ?? null,
        upBytesPerSecond: budget.wanUp ?? null,
        until: timestamp(budget.until),
      },
    },
    lan: { ...lan },
    outbox,
  }
}

/** Bytes down for every byte needed, to four places; null where nothing was needed. */
export const factorOf = (downBytes: number, neededBytes: number): number | null =>
  neededBytes === 0 ? null : Number((downBytes / neededBytes).toFixed(4))

export function fleetDocument(member: Member): FleetDocument {
  return {
    release: member.protocol.self.set.release,
    devices: (member.intake?.fleet.list() ?? []).map((device) => ({
      peerId: device.peer,
      name: device.name,
      site: device.site,
      role: device.role,
      labels: device.labels,
      token: device.token?.id ?? null,
      release: device.release,
      firstSeen: toTimestamp(device.firstSeen),
      lastSeen: toTimestamp(device.lastSeen),
      lastReport: timestamp(device.lastReport),
      bundles: device.bundles,
      drift: device.drift.map(findingDocument),
      repaired: device.repaired.map(repairDocument),
      monitors: device.monitors.map(monitorDocument),
      left: timestamp(device.left),
      pauses: device.pauses.map(documentOf),
      trust: device.trust
        ? { version: device.trust.version, signedAt: new Date(device.trust.signedAt).toISOString() }
        : null,
      inventory: device.packages
        ? { packages: device.packages.count, changedAt: toTimestamp(device.packages.at) }
        : null,
    })),
  }
}

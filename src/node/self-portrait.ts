/** What this member says of itself to the origin, and what that takes on the line: the document of `grapevine facts`. */
import { instant, toTimestamp } from '#base/time.ts'
import { installedPackages } from '#engines/installed-packages.ts'
import { machineOf } from '#engines/machine.ts'
import { Told } from '#agent/told.ts'
import type { Inventory } from '#facts/inventory-part.ts'
import type { Facts } from '#facts/inventory.ts'
import { noPackages, packagesOf } from '#facts/packages.ts'
import { encodeReport } from '#facts/report.ts'
import { packReport } from '#origin/report-body.ts'
import { sealedBytes } from '#trust/seal.ts'
import { factsHere } from './device-facts.ts'
import { rowsOf, type PackageRow } from './fleet-device.ts'
import type { Session } from './session.ts'

export interface FactsDocument {
  readonly name: string
  readonly site: string
  readonly role: string
  readonly labels: Readonly<Record<string, string>>
  readonly facts: Facts
  /** Null where it could not be found out. */
  readonly machine: Facts | null
  readonly packages: readonly PackageRow[]
  /** The last report, and whether the origin said that it has it. */
  readonly reported: { readonly number: number; readonly at: string | null; readonly received: boolean }
  /** The last report that brought facts or inventory; 0: none is received yet, or all has to be told anew. */
  readonly told: { readonly facts: number; readonly inventory: number; readonly underWay: boolean }
  /** Sealed bytes: of a report that tells all of this for the first time, and of one on a day without news. */
  readonly bytes: { readonly first: number; readonly quiet: number }
}

export async function takeInventory(): Promise<Inventory> {
  const machine = await machineOf()
  return { machine, packages: (await installedPackages()) ?? noPackages }
}

export async function factsDocument(session: Session): Promise<FactsDocument> {
  const { membership, certificate } = session.member.protocol.self
  const agent = session.member.agent
  // Without a daemon, and at the origin, nobody has looked yet.
  const facts = agent?.reporting.facts ?? (await factsHere(session.config))
  const inventory = agent?.reporting.inventory ?? (await takeInventory())
  const { seq, at, told } = session.journal
  return {
    name: membership.name,
    site: membership.site,
    role: membership.role,
    labels: membership.labels,
    facts,
    machine: inventory.machine,
    packages: rowsOf(packagesOf(inventory.packages)),
    reported: {
      number: seq,
      at: at === undefined ? null : toTimestamp(instant(at)),
      received: seq > 0 && told.receivedSeq >= seq,
    },
    told: { ...told.seqs, underWay: told.tellingSeq > 0 },
    bytes: { first: firstBytes(certificate, facts, inventory), quiet: quietBytes() },
  }
}

/** Of all reports that the first telling takes: a long list goes in several. */
function firstBytes(certificate: Uint8Array, facts: Facts, inventory: Inventory): number {
  const told = new Told()
  let bytes = 0
  for (let seq = 1; ; seq++) {
    const news = told.next(seq, facts, inventory)
    if (!news) return bytes
    const report = encodeReport({ ...empty, seq, ...(news.facts && { facts }) })
    bytes += sealedBytes(packReport({ membership: certificate, report, inventory: news.inventory }).byteLength)
    told.received(seq)
  }
}

function quietBytes(): number {
  const many = Number.MAX_SAFE_INTEGER
  const same = { state: many, facts: many, inventory: many }
  const report = encodeReport({ ...empty, seq: many, same, trust: { version: many, signedAt: empty.at } })
  return sealedBytes(packReport({ report }).byteLength)
}

const empty = { v: 1, seq: 1, at: 1_800_000_000_000, release: 1, bundles: [], drift: [] } as const

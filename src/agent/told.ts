/**
 * What the origin was told that is not said in each report: facts, the machine, the list of packages. It never takes anything for told before
 * the receipt came, so every difference begins with what the origin has for good: a report that is lost or overtaken breaks no chain. State:
 *
 *   has        what a receipt stands for           telling ── received ──▶ has
 *   telling    what the newest such report said    has ── anew ──▶ nothing: all is told again
 */
import { canonicalJson } from '#base/canonical-json.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { utf8 } from '#base/bytes.ts'
import { GuardFailed, isFields, own, type Fields } from '#base/guard.ts'
import { compress } from '#content/compress.ts'
import { encodeInventoryPart, type Inventory, type InventoryPart } from '#facts/inventory-part.ts'
import type { Facts } from '#facts/inventory.ts'
import {
  changesAt,
  changesBetween,
  columnsOf,
  noPackages,
  packagesDigest,
  packagesOf,
  withChanges,
  type PackageChanges,
  type PackageColumns,
} from '#facts/packages.ts'

/** One compressed part: with a report and its seal it fits 36 KiB. A longer list is told in several reports, each after the receipt for the one before. */
export const inventoryPackedBytesMax = 32_768

export type ToldEntry =
  /** A report that tells something. `packages` are changes to those told before it, received or not. */
  | {
      readonly type: 'telling'
      readonly seq: number
      readonly said: Digests
      readonly goal: Digests
      readonly packages?: PackageColumns
    }
  | { readonly type: 'received'; readonly seq: number }
  | { readonly type: 'anew' }
  /** All that was received. */
  | { readonly type: 'told'; readonly has: Digests; readonly seqs: Seqs; readonly packages?: PackageColumns }

interface Digests {
  readonly facts?: Digest
  readonly machine?: Digest
  readonly packages?: Digest
}

/** Numbers of the reports that told them last. */
interface Seqs {
  readonly facts: number
  readonly inventory: number
}

interface State {
  readonly digests: Digests
  /** The list of packages. */
  readonly list: string
}

interface Telling extends State {
  readonly seq: number
  /** All there is to tell: more than the list so far, where one report cannot carry it. */
  readonly goal: Digests
}

/** What a report is to tell. */
export interface News {
  readonly facts?: Facts
  readonly inventory?: Uint8Array
  /** To be journaled before the report is sent. */
  readonly entry: ToldEntry
}

const nothing: State = { digests: {}, list: noPackages }

export class Told {
  #has = nothing
  #seqs: Seqs = { facts: 0, inventory: 0 }
  #telling: Telling | undefined
  #receivedSeq = 0

  /** Number of the newest report that the origin has. */
  get receivedSeq(): number {
    return this.#receivedSeq
  }

  /** Number of the report that tells what is not received yet; 0 where everything was. */
  get tellingSeq(): number {
    return this.#telling?.seq ?? 0
  }

  get seqs(): Seqs {
    return this.#seqs
  }

  /**
   * What report `seq` is to tell; undefined where that is on its way or known. All that has no receipt is told together, so
   * that this report stands for the one before. After a restart nothing is told before the inventory was taken, since what is on its way may be part of it.
   */
  next(seq: number, facts: Facts, inventory: Inventory | undefined): News | undefined {
    const latest = this.#telling?.goal ?? this.#has.digests
    const { machine: toldMachine, packages: toldPackages } = this.#has.digests
    if (!inventory && (latest.machine !== toldMachine || latest.packages !== toldPackages)) return undefined
    const goal = {
      ...latest,
      facts: digestOf(facts),
      ...(inventory && { machine: digestOf(inventory.machine), packages: packagesDigest(inventory.packages) }),
    }
    if (isSame(goal, latest)) return undefined
    const has = this.#has.digests
    const machine = inventory && goal.machine !== has.machine ? inventory.machine : undefined
    const { changes, list, packed } = this.#pack(machine, inventory?.packages)
    const said = { ...goal, ...(inventory && { packages: packagesDigest(list) }) }
    const before = this.#telling?.list ?? this.#has.list
    const entry: ToldEntry = {
      type: 'telling',
      seq,
      said,
      goal,
      ...(changes && { packages: columnsOf(changesBetween(before, list)) }),
    }
    this.#telling = { seq, digests: said, goal, list }
    return { ...(goal.facts !== has.facts && { facts }), ...(packed && { inventory: packed }), entry }
  }

  /** The origin has report `seq`. Whether there is more to tell now. */
  received(seq: number): boolean {
    this.#receivedSeq = Math.max(this.#receivedSeq, seq)
    const telling = this.#telling
    if (telling?.seq !== seq) return false
    const { facts, machine, packages } = this.#has.digests
    const { digests } = telling
    this.#seqs = {
      facts: digests.facts === facts ? this.#seqs.facts : seq,
      inventory: digests.machine === machine && digests.packages === packages ? this.#seqs.inventory : seq,
    }
    this.#has = { digests, list: telling.list }
    this.#telling = undefined
    return !isSame(digests, telling.goal)
  }

  /** The origin lacks something: it is told everything again. */
  forget(): void {
    this.#has = nothing
    this.#seqs = { facts: 0, inventory: 0 }
    this.#telling = undefined
  }

  /** What was on its way may be lost: it is told once more. */
  again(): void {
    this.#telling = undefined
  }

  /** The fewest entries that say the same. */
  entries(): ToldEntry[] {
    const has = this.#has.digests
    const list = columnsOf(packagesOf(this.#has.list))
    const telling = this.#telling
    return [
      { type: 'received', seq: this.#receivedSeq },
      { type: 'told', has, seqs: this.#seqs, ...(has.packages && { packages: list }) },
      ...(telling
        ? [
            {
              type: 'telling' as const,
              seq: telling.seq,
              said: telling.digests,
              goal: telling.goal,
              packages: columnsOf(changesBetween(this.#has.list, telling.list)),
            },
          ]
        : []),
    ]
  }

  /** An entry of our own journal, at a restart. What does not fit is told again. */
  replay(entry: Fields): void {
    try {
      this.#replay(entry as unknown as ToldEntry)
    } catch (error) {
      if (!(error instanceof GuardFailed)) throw error
      this.forget()
    }
  }

  #replay(entry: ToldEntry): void {
    if (entry.type === 'received') this.received(entry.seq)
    else if (entry.type === 'anew') this.forget()
    else if (entry.type === 'told') {
      this.#has = { digests: entry.has, list: listAfter(noPackages, entry) }
      this.#seqs = entry.seqs
    } else if (entry.type === 'telling') {
      const list = listAfter(this.#telling?.list ?? this.#has.list, entry)
      this.#telling = { seq: entry.seq, digests: entry.said, goal: entry.goal, list }
    }
  }

  /** The part on the inventory, with as many changes as it holds, and the list they lead to. */
  #pack(
    machine: Facts | undefined,
    wanted: string | undefined,
  ): { changes?: PackageChanges; list: string; packed?: Uint8Array } {
    const has = this.#has
    const isTold = has.digests.packages !== undefined
    const all = wanted === undefined || (isTold && wanted === has.list) ? undefined : changesBetween(has.list, wanted)
    if (!all) return { list: has.list, ...(machine && { packed: pack({ machine }) }) }
    for (let count = all.size; ; count = Math.floor(count * 0.8)) {
      const changes = new Map([...all].slice(0, count))
      const list = count === all.size ? (wanted ?? '') : withChanges(has.list, changes)
      const packages = {
        ...(isTold && has.digests.packages && { base: has.digests.packages }),
        digest: packagesDigest(list),
        count: packagesOf(list).size,
        changes,
      }
      const packed = pack({ packages, ...(machine && { machine }) })
      if (packed.byteLength <= inventoryPackedBytesMax || count <= 1) return { changes, list, packed }
    }
  }
}

const pack = (part: InventoryPart): Uint8Array => compress(encodeInventoryPart(part))
const digestOf = (facts: Facts): Digest => sha256(utf8(canonicalJson(facts, 'lax')))
const isSame = (a: Digests, b: Digests): boolean =>
  a.facts === b.facts && a.machine === b.machine && a.packages === b.packages

function listAfter(list: string, { packages }: { readonly packages?: PackageColumns }): string {
  return isFields(packages) && own(packages, 'arch') !== undefined
    ? withChanges(list, changesAt(packages, 'packages'))
    : list
}

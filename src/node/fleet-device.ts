/** What one device consists of, as the origin knows it: the part of `grapevine fleet DEVICE` that the list of all devices leaves out. */
import type { Facts } from '#facts/inventory.ts'
import { PackageBook } from './package-book.ts'
import type { Session } from './session.ts'

export interface PackageRow {
  readonly name: string
  readonly arch: string
  /** Several with a space between, as of a kernel. */
  readonly version: string
}

export interface DeviceDocument {
  readonly facts: Facts | null
  readonly machine: Facts | null
  /** Null where the whole list has not come, or is to come anew. */
  readonly packages: readonly PackageRow[] | null
}

export async function fleetDevice(session: Session, args: Readonly<Record<string, unknown>>): Promise<DeviceDocument> {
  session.originPart()
  const device = session.member.intake?.fleet.list().find(({ peer }) => peer === args['peerId'])
  // What came a moment ago is being written.
  await session.written()
  const known = device?.packages
  const packages = device && known && (await new PackageBook(session.home.index).read(device.peer, known.digest))
  return {
    facts: device?.facts ?? null,
    machine: device?.machine ?? null,
    packages: packages ? rowsOf(packages) : null,
  }
}

export const rowsOf = (packages: ReadonlyMap<string, string>): PackageRow[] =>
  [...packages].map(([key, version]) => {
    const end = key.lastIndexOf(':')
    return { name: key.slice(0, end), arch: key.slice(end + 1), version }
  })

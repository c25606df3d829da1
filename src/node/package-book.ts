/** The lists of packages of all devices at the origin, one note a device: none is in memory but while it changes or somebody asks for it. */
import type { Digest } from '#base/digest.ts'
import type { Catalog } from '#disk/catalog.ts'
import { Turns } from '#disk/turns.ts'
import type { PackagePart } from '#facts/inventory-part.ts'
import { packagesOf } from '#facts/packages.ts'
import { keptPackages, takenIn } from '#origin/kept-inventory.ts'
import type { PeerId } from '#trust/peer-id.ts'

export class PackageBook {
  readonly #index: Catalog
  readonly #turns = new Turns<PeerId>()

  constructor(index: Catalog) {
    this.#index = index
  }

  /** Joins a part with what is kept of a device; false where it does not fit, and nothing is changed then. */
  async save(peer: PeerId, part: PackagePart): Promise<boolean> {
    return this.#turns.take(peer, async () => {
      const kept = takenIn(await this.#index.getNote(keyOf(peer)), part)
      if (kept) await this.#index.putNote(keyOf(peer), kept)
      return kept !== undefined
    })
  }

  /** The packages of a device, if they are the ones with this digest. */
  async read(peer: PeerId, digest: Digest): Promise<ReadonlyMap<string, string> | undefined> {
    const list = keptPackages(await this.#index.getNote(keyOf(peer)), digest)
    return list === undefined ? undefined : packagesOf(list)
  }
}

const keyOf = (peer: PeerId): string => `packages/${peer}`

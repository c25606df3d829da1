/**
 * Policy folders for the test bed: one package of random bytes, which nothing compresses, and small files where a scenario wants some.
 * A revision changes a package in places and inserts bytes, as a rebuilt archive does.
 */
import { createCipheriv, createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '#base/random.ts'
import type { BundlePlan } from '../scenario.ts'

export interface Revision {
  /** Share of the bytes that change. */
  readonly changed: number
  readonly places: number
  readonly inserted: number
}

const packagePath = (folder: string, plan: BundlePlan): string => join(folder, 'packages', `${plan.id}.bin`)

/** Writes the first version of a bundle. */
export function writePolicy(folder: string, plan: BundlePlan, random: Random): void {
  mkdirSync(join(folder, 'packages'), { recursive: true })
  writeFileSync(packagePath(folder, plan), bytesFrom(random, plan.size))
  const files = plan.files ?? { count: 0, size: 0 }
  mkdirSync(join(folder, 'files'), { recursive: true })
  for (let index = 0; index < files.count; index++)
    writeFileSync(join(folder, 'files', `${String(index).padStart(4, '0')}.bin`), bytesFrom(random, files.size))
  // Applied below a scratch folder.
  writeFileSync(join(folder, 'policy.yaml'), `policy: ${plan.id}\nresources:\n  - directory: { path: /nowhere }\n`)
}

/** Makes the next version of it; the bytes that are new. */
export function revise(
  folder: string,
  plan: BundlePlan,
  { changed, places, inserted }: Revision,
  random: Random,
): number {
  const before = readFileSync(packagePath(folder, plan))
  const each = Math.floor((before.byteLength * changed) / places)
  const step = Math.floor(before.byteLength / places)
  for (let place = 0; place < places; place++) {
    const at = place * step + random.below(Math.max(1, step - each))
    before.set(bytesFrom(random, each), at)
  }
  const at = random.below(before.byteLength)
  writeFileSync(
    packagePath(folder, plan),
    Buffer.concat([before.subarray(0, at), bytesFrom(random, inserted), before.subarray(at)]),
  )
  return each * places + inserted
}

/** Bytes that look random, quickly and the same for the same seed. */
function bytesFrom(random: Random, length: number): Buffer {
  const key = createHash('sha256').update(String(random.uint32())).update(String(random.uint32())).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
}

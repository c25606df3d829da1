/**
 * The trust state at rest, so that a release that was seen once is never forgotten (trust.md §7). Two slots, `state-a` and `state-b`,
 * are written in turn; a torn one leaves the other, so that rollback is still refused. Both bad is an alarm, never a first start.
 * What the bytes mean is known to the room `trust` alone.
 *
 * A slot, big-endian:
 *
 *   0    4   "GVT1"
 *   4    8   counter: the higher of two valid slots is the newer
 *   12  32   SHA-256 of counter and state
 *   44   –   state
 */
import { join } from 'node:path'
import { concatBytes, fromHex, textOf } from '#base/bytes.ts'
import { Hasher, type Digest } from '#base/digest.ts'
import { Misconfigured } from '#base/errors.ts'
import { readIfThere, writeAtomic } from './atomic.ts'

const magic = 'GVT1'
const headBytes = 44
const slots = ['state-a', 'state-b'] as const

/** Keeps a state durably in the slot that is not the newest. The errors of `systemError`: the state before is intact then. */
export async function saveTrust(folder: string, state: Uint8Array): Promise<void> {
  const [a, b] = await readSlots(folder)
  const newest = newestOf([a, b])
  const counter = (newest?.counter ?? 0n) + 1n
  const name = newest === undefined || newest !== a ? slots[0] : slots[1]
  await writeAtomic(join(folder, name), encodeSlot(counter, state), 0o600)
}

/** The newest state that is whole; undefined where none was ever saved. Misconfigured `TRUST_STATE_DAMAGED`; nothing is changed then. */
export async function loadTrust(folder: string): Promise<Uint8Array | undefined> {
  const found = await readSlots(folder)
  const newest = newestOf(found)
  if (newest) return newest.state
  if (found.every((slot) => slot === 'none')) return undefined
  throw new Misconfigured('TRUST_STATE_DAMAGED', {
    message:
      'What this member knows of its fleet is damaged, in both copies. It does not start anew by itself, since it could then be given an old release.',
    where: folder,
    next: 'Restore the folder from a backup, or make the home anew and join with a new token.',
  })
}

interface Slot {
  readonly counter: bigint
  readonly state: Uint8Array
}

type Found = Slot | 'none' | 'damaged'

async function readSlots(folder: string): Promise<[Found, Found]> {
  return [await readSlot(join(folder, slots[0])), await readSlot(join(folder, slots[1]))]
}

async function readSlot(path: string): Promise<Found> {
  const bytes = await readIfThere(path)
  if (!bytes) return 'none'
  if (bytes.byteLength < headBytes || textOf(bytes.subarray(0, 4)) !== magic) return 'damaged'
  const counter = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(4)
  const state = bytes.slice(headBytes)
  return Buffer.compare(encodeSlot(counter, state), bytes) === 0 ? { counter, state } : 'damaged'
}

const newestOf = (found: readonly Found[]): Slot | undefined =>
  found
    .filter((slot) => typeof slot === 'object')
    .reduce<Slot | undefined>((best, slot) => (best && best.counter > slot.counter ? best : slot), undefined)

function encodeSlot(counter: bigint, state: Uint8Array): Uint8Array {
  const number = new Uint8Array(8)
  new DataView(number.buffer).setBigUint64(0, counter)
  const digest: Digest = new Hasher().update(number).update(state).digest()
  return concatBytes(new TextEncoder().encode(magic), number, fromHex(digest) ?? new Uint8Array(), state)
}

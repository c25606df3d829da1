/**
 * A pack of metadata as bytes: for gossip, for sync and for disk. Says nothing of whether the files are true.
 *
 *   0   4  "GVP1"
 *   4   …  entries, until the bytes end:
 *          0      1  kind: 1 root, 2 timestamp, 3 snapshot, 4 role, 5 document
 *          1      1  n, length of the name; 0 for kinds 1-3
 *          2      n  name, printable ASCII
 *          2+n    4  length of the file, big endian, 1 to 1,048,576
 *          6+n    …  the file, as it was signed
 *
 * Kinds ascend; roots keep their order; names of one kind ascend and are unique: a pack has one spelling.
 */
import { assert } from '#base/assert.ts'
import { concatBytes, textOf, utf8 } from '#base/bytes.ts'
import { Refused } from '#base/errors.ts'
import type { MetadataPack } from './metadata-pack.ts'

const magic = utf8('GVP1')
const kinds = { root: 1, timestamp: 2, snapshot: 3, role: 4, document: 5 } as const
const namePattern = /^[\x21-\x7e]{1,200}$/
export const fileLengthMax = 1_048_576
const rootsMax = 1024
const namedMax = 128

export function encodePack(pack: MetadataPack): Uint8Array {
  const named = (kind: number, files: ReadonlyMap<string, Uint8Array>): Uint8Array[] =>
    [...files]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, bytes]) => {
        assert(namePattern.test(name), `a file cannot be called ${name}`)
        return entry(kind, name, bytes)
      })
  return concatBytes(
    magic,
    ...pack.roots.map((bytes) => entry(kinds.root, '', bytes)),
    ...(pack.timestamp ? [entry(kinds.timestamp, '', pack.timestamp)] : []),
    ...(pack.snapshot ? [entry(kinds.snapshot, '', pack.snapshot)] : []),
    ...named(kinds.role, pack.roles),
    ...named(kinds.document, pack.documents),
  )
}

/** The pack, its files copied out of `bytes`. Throws Refused PACK_INVALID. */
export function decodePack(bytes: Uint8Array, bytesMax: number): MetadataPack {
  if (bytes.byteLength > bytesMax) throw invalid(`it has more than ${bytesMax} bytes`)
  if (!magic.every((byte, at) => bytes[at] === byte)) throw invalid('it does not begin as one')
  const roots: Uint8Array[] = []
  const roles = new Map<string, Uint8Array>()
  const documents = new Map<string, Uint8Array>()
  let timestamp: Uint8Array | undefined
  let snapshot: Uint8Array | undefined
  let before = { kind: 0, name: '' }
  for (const { kind, name, file } of entriesOf(bytes)) {
    const follows = kind > before.kind || (kind === before.kind && (kind === kinds.root || name > before.name))
    if (!follows) throw invalid('its files are out of order')
    before = { kind, name }
    if (kind === kinds.root) roots.push(file)
    else if (kind === kinds.timestamp) timestamp = file
    else if (kind === kinds.snapshot) snapshot = file
    else (kind === kinds.role ? roles : documents).set(name, file)
    if (roots.length > rootsMax || roles.size > namedMax || documents.size > namedMax) throw invalid('too many files')
  }
  return { roots, ...(timestamp && { timestamp }), ...(snapshot && { snapshot }), roles, documents }
}

function entry(kind: number, name: string, bytes: Uint8Array): Uint8Array {
  assert(bytes.byteLength > 0 && bytes.byteLength <= fileLengthMax, `${name} has ${bytes.byteLength} bytes`)
  const head = new Uint8Array(6 + name.length)
  head.set([kind, name.length])
  head.set(utf8(name), 2)
  new DataView(head.buffer).setUint32(2 + name.length, bytes.byteLength)
  return concatBytes(head, bytes)
}

function* entriesOf(bytes: Uint8Array): Generator<{ kind: number; name: string; file: Uint8Array }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = magic.byteLength
  while (at < bytes.byteLength) {
    const kind = view.getUint8(at)
    const start = at + 6 + (bytes[at + 1] ?? 0)
    if (start > bytes.byteLength) throw invalid('it ends within an entry')
    const name = textOf(bytes.subarray(at + 2, start - 4)) ?? ''
    const end = start + view.getUint32(start - 4)
    const isNamed = kind === kinds.role || kind === kinds.document
    if (kind < kinds.root || kind > kinds.document || (isNamed ? !namePattern.test(name) : start !== at + 6))
      throw invalid('an entry has no valid kind or name')
    if (end === start || end - start > fileLengthMax) throw invalid('a file has no valid length')
    if (end > bytes.byteLength) throw invalid('it ends within a file')
    // Copied: a file that is kept must not keep the whole message alive.
    yield { kind, name, file: new Uint8Array(bytes.subarray(start, end)) }
    at = end
  }
}

const invalid = (what: string): Refused =>
  new Refused('PACK_INVALID', { message: `This is no pack of metadata: ${what}.` })

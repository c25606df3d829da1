/**
 * A torrent file (BEP 3) of a folder: what BitTorrent clients need to copy it. For the rivals of the test bed; Grapevine has no use for
 * one.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

type Value = number | string | Uint8Array | readonly Value[] | { readonly [key: string]: Value }

const pieceBytes = 131_072

/** The torrent file of these files of a folder, in this order; whoever copies it gets them below a folder `name`. */
export function torrentOf(
  folder: string,
  { name, files, tracker }: { readonly name: string; readonly files: readonly string[]; readonly tracker: string },
): Uint8Array {
  const contents = files.map((file) => readFileSync(join(folder, file)))
  const all = Buffer.concat(contents)
  const pieces = Array.from({ length: Math.ceil(all.byteLength / pieceBytes) }, (_, index) =>
    createHash('sha1')
      .update(all.subarray(index * pieceBytes, (index + 1) * pieceBytes))
      .digest(),
  )
  const info = {
    files: files.map((file, index) => ({ length: contents[index]?.byteLength ?? 0, path: file.split('/') })),
    name,
    'piece length': pieceBytes,
    pieces: Buffer.concat(pieces),
  }
  return bencode({ announce: tracker, info })
}

/** Whole numbers as `i1e`, bytes as `1:a`, lists as `l…e`, maps as `d…e` with their keys sorted. */
export function bencode(value: Value): Uint8Array {
  if (typeof value === 'number') return Buffer.from(`i${value}e`)
  if (typeof value === 'string') return bencode(Buffer.from(value))
  if (value instanceof Uint8Array) return Buffer.concat([Buffer.from(`${value.byteLength}:`), value])
  if (isList(value)) return Buffer.concat([Buffer.from('l'), ...value.map(bencode), Buffer.from('e')])
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Buffer.concat([
    Buffer.from('d'),
    ...entries.flatMap(([key, each]) => [bencode(key), bencode(each)]),
    Buffer.from('e'),
  ])
}

const isList = (value: readonly Value[] | object): value is readonly Value[] => Array.isArray(value)

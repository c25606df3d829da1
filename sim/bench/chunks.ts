/**
 * What a new version costs the line by length of chunk, and with patches by length of block (decision 0007): an archive with some changes,
 * a package index with new entries, and a tar of text. Nothing is sent: bytes of new chunks, lists, patches and sketches are counted. Run
 * it with `npm run bench -- chunks`.
 */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { concatBytes, toHex, utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { Random } from '#base/random.ts'
import { ChunkList, encodeChunkList, type ChunkEntry } from '#content/chunk-list.ts'
import { Chunker, type Cuts } from '#content/chunker.ts'
import { listEntryBytes } from '#content/content-ref.ts'
import { Kinship } from '#content/kinship.ts'
import { OlderBytes, Sketch } from '#content/patch.ts'

interface Case {
  readonly name: string
  readonly before: Uint8Array
  readonly after: Uint8Array
}

interface CutContent {
  readonly bytes: Uint8Array
  readonly entries: readonly ChunkEntry[]
  readonly list: ChunkList
}

/** Two commits of this program, whose sources are the text. */
const commits = ['498e22b', '34809fb'] as const
/** What is asked for at once over the line, roughly: the credit of an 8 Mbit/s line. */
const runBytes = 262_144

const cutsOf = (average: number): Cuts => ({ min: average / 4, average, max: Math.min(65_536, average * 4) })

function cutContent(bytes: Uint8Array, cuts: Cuts): CutContent {
  const chunker = new Chunker(cuts)
  const chunks = chunker.push(bytes)
  const rest = chunker.end()
  const entries = [...chunks, ...(rest ? [rest] : [])].map((chunk) => ({
    digest: sha256(chunk),
    length: chunk.byteLength,
  }))
  const listBytes = encodeChunkList(entries)
  const ref = {
    digest: sha256(bytes),
    length: bytes.byteLength,
    list: { digest: sha256(listBytes), length: listBytes.byteLength },
  }
  return { bytes, entries, list: ChunkList.decode(listBytes, ref) }
}

const newEntries = (before: readonly ChunkEntry[], after: readonly ChunkEntry[]): ChunkEntry[] => {
  const known = new Set(before.map(({ digest }) => digest))
  return after.filter(({ digest }) => !known.has(digest))
}

const sumOf = (entries: readonly ChunkEntry[]): number => entries.reduce((sum, { length }) => sum + length, 0)

/** A list cut between entries where a digest says so: the least it costs over lengths of pieces, its own list included. */
function cutListBytes(before: readonly ChunkEntry[], after: readonly ChunkEntry[]): number {
  const pieces = (entries: readonly ChunkEntry[], average: number): ChunkEntry[] => {
    const found: ChunkEntry[] = []
    let start = 0
    for (const [index, { digest }] of entries.entries()) {
      const isCut = Number.parseInt(digest.slice(0, 4), 16) % average === 0 && index - start >= average / 4
      if (!isCut && index - start < 4 * average && index < entries.length - 1) continue
      const bytes = encodeChunkList(entries.slice(start, index + 1))
      found.push({ digest: sha256(bytes), length: bytes.byteLength })
      start = index + 1
    }
    return found
  }
  const costs = [8, 16, 32, 64].map((average) => {
    const [old, now] = [pieces(before, average), pieces(after, average)]
    return sumOf(newEntries(old, now)) + now.length * listEntryBytes
  })
  return Math.min(after.length * listEntryBytes, ...costs)
}

function plain({ before, after }: Case, average: number): string {
  const [old, now] = [cutContent(before, cutsOf(average)), cutContent(after, cutsOf(average))]
  const fresh = newEntries(old.entries, now.entries)
  const listBytes = now.entries.length * listEntryBytes
  const cutList = cutListBytes(old.entries, now.entries)
  const share = ((100 * listBytes) / after.byteLength).toFixed(2)
  return `${now.entries.length} chunks, list ${listBytes} (${share} % of a first fetch); new: ${fresh.length} chunks of ${sumOf(fresh)} bytes, with the list ${sumOf(fresh) + listBytes}, with a list that is cut ${sumOf(fresh) + cutList}`
}

/** As a member fetches: runs of missing chunks, each asked for with a sketch of what stood in its place. */
function patched({ before, after }: Case, average: number, blockAverage: number): string {
  const [old, now] = [cutContent(before, cutsOf(average)), cutContent(after, cutsOf(average))]
  const blocks: Cuts = { min: blockAverage / 4, average: blockAverage, max: blockAverage * 4 }
  const places = new Map(old.entries.map(({ digest }, index) => [digest, index]))
  const kin = new Kinship()
  const missing = new Set<number>()
  for (const [index, { digest }] of now.entries.entries()) {
    const from = places.get(digest)
    if (from === undefined) missing.add(index)
    else kin.found(index, { content: 'before' as Digest, index: from })
  }
  let [down, up, asks] = [0, 0, 0]
  const startedAt = performance.now()
  for (let first = 0; first < now.list.size; first++) {
    if (!missing.has(first)) continue
    let count = 1
    while (missing.has(first + count) && now.list.offsetAt(first + count) - now.list.offsetAt(first) < runBytes) count++
    asks++
    const place = kin.around({ first, count }, now.list, old.list)
    const older = place && new OlderBytes(old.bytes.slice(place.start, place.end), blocks)
    const sketch = older && new Sketch(older.sketch, blocks)
    up += older?.sketch.byteLength ?? 0
    for (let index = first; index < first + count; index++) {
      const chunk = now.bytes.subarray(now.list.offsetAt(index), now.list.offsetAt(index + 1))
      const patch = sketch?.patchFor(chunk)
      if (patch && older && toHex(older.apply(patch)) !== toHex(chunk)) throw new TypeError('a patch made other bytes')
      down += (patch ?? chunk).byteLength
    }
    first += count - 1
  }
  const listBytes = now.list.size * listEntryBytes
  const ms = (performance.now() - startedAt).toFixed(0)
  return `${asks} asks, sketches ${up} up, patches and chunks ${down} down, with the list ${down + listBytes}; ${ms} ms of CPU on both sides`
}

function made(label: string, length: number): Uint8Array {
  const random = new Random(label)
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at + 4 <= length; at += 4) view.setUint32(at, random.uint32())
  return bytes
}

/** 16 MiB that do not compress: five places of 67 kB changed, 9 kB inserted; 344,440 bytes are new. */
function archive(): Case {
  const before = made('archive', 16_722_927)
  const changed = before.slice()
  for (let place = 0; place < 5; place++) changed.set(made(`change ${place}`, 67_088), 1_500_000 + place * 3_100_000)
  const after = concatBytes(changed.subarray(0, 8_000_003), made('insertion', 9_000), changed.subarray(8_000_003))
  return { name: 'archive, 344,440 bytes new', before, after }
}

/** 16 MB of package entries, of which one in 160 has a new version, size and digests: about 20 kB. */
function index(): Case {
  const random = new Random('index')
  const word = (): string => toHex(utf8(String(random.below(1e9)))).slice(0, 4 + random.below(12))
  const entry = (at: number): string => {
    const depends = Array.from({ length: 2 + random.below(12) }, word).join(', ')
    const description = Array.from({ length: 20 + random.below(60) }, word).join(' ')
    return `Package: ${word()}-${at}\nVersion: 1.${random.below(99)}-${random.below(9)}\nDepends: ${depends}\nDescription: ${description}\n${sums(`${at}`)}`
  }
  const sums = (of: string): string =>
    `Size: ${of.length * 1e5 + of.charCodeAt(0)}\nMD5sum: ${sha256(utf8(of)).slice(0, 32)}\nSHA256: ${sha256(utf8(of))}\n`
  const entries = Array.from({ length: 18_000 }, (_, at) => entry(at))
  const next = entries.map((text, at) =>
    at % 160 === 7
      ? `${text
          .replace(/Version: .*/, `Version: 2.0-${at}`)
          .split('Size:')[0]
          ?.trimEnd()}\n${sums(`new ${at}`)}`
      : text,
  )
  const [before, after] = [utf8(entries.join('\n')), utf8(next.join('\n'))]
  return { name: 'package index, 113 of 18,000 entries new', before, after }
}

function text(): Case {
  const cwd = fileURLToPath(new URL('../..', import.meta.url))
  const tar = (commit: string): Uint8Array =>
    new Uint8Array(execFileSync('git', ['archive', '--format=tar', commit], { cwd, maxBuffer: 1e9 }))
  return { name: `tar of text, ${commits.join(' to ')}`, before: tar(commits[0]), after: tar(commits[1]) }
}

/** Prints, for each kind of content, what its next version costs by length of chunk, with and without patches. */
export function chunks(): Promise<void> {
  for (const one of [archive(), index(), text()]) {
    console.log(`\n${one.name} (${one.after.byteLength} bytes)`)
    for (const average of [2_048, 4_096, 8_192, 16_384, 32_768])
      console.log(`  chunks of ${average}: ${plain(one, average)}`)
    for (const average of [16_384, 32_768])
      for (const block of [256, 512, 1_024, 2_048])
        console.log(`  chunks of ${average}, patches by blocks of ${block}: ${patched(one, average, block)}`)
  }
  return Promise.resolve()
}

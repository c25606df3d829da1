/**
 * The small documents that admission needs, targets of the role `mesh` (trust.md §6): canonical JSON, bound by digest.
 *
 *   mesh/issuers.json      { "issuers": [ { "kid", "pub" } … ], "v": 1 }           who may issue memberships and tokens
 *   mesh/revocations.json  { "issuers": [kid …], "peers": [peer …], "tokens": [id …], "v": 1 }
 *   mesh/origin.json       { "boxes": [ { "kid", "pub" } … ], "peers": [peer …], "v": 1 }   where reports go
 */
import { fromHex, toHex, utf8 } from '#base/bytes.ts'
import { canonicalJson } from '#base/canonical-json.ts'
import { fieldsAt, GuardFailed, listAt, onlyKeys, own, textAt, wholeAt, type Fields } from '#base/guard.ts'
import { keyLength, kidOf } from './keys.ts'
import { publicKeyOf, type PeerId } from './peer-id.ts'
import { readDocument } from './roles.ts'

export interface NamedKey {
  readonly kid: string
  /** 32 bytes. */
  readonly public: Uint8Array
}

export interface Revocations {
  readonly issuers: ReadonlySet<string>
  readonly peers: ReadonlySet<string>
  /** Ids of tokens: every membership made with one is void. */
  readonly tokens: ReadonlySet<string>
}

export interface MeshDocuments {
  readonly issuers: readonly NamedKey[]
  readonly revocations: Revocations
  readonly origin: { readonly peers: readonly PeerId[]; readonly boxes: readonly NamedKey[] }
}

const issuersPath = 'mesh/issuers.json'
const revocationsPath = 'mesh/revocations.json'
const originPath = 'mesh/origin.json'
export const documentPaths = [issuersPath, originPath, revocationsPath] as const

const keysMax = 32
const revokedMax = 10_000

export const noDocuments: MeshDocuments = {
  issuers: [],
  revocations: { issuers: new Set(), peers: new Set(), tokens: new Set() },
  origin: { peers: [], boxes: [] },
}

/** The bytes of all three, by path. */
export function encodeDocuments(documents: MeshDocuments): ReadonlyMap<string, Uint8Array> {
  const keys = (list: readonly NamedKey[]): object[] => list.map(({ kid, public: key }) => ({ kid, pub: toHex(key) }))
  const { issuers, revocations, origin } = documents
  const json = (value: object): Uint8Array => utf8(canonicalJson({ v: 1, ...value }))
  return new Map([
    [issuersPath, json({ issuers: keys(issuers) })],
    [originPath, json({ peers: origin.peers, boxes: keys(origin.boxes) })],
    [
      revocationsPath,
      json({
        issuers: [...revocations.issuers].toSorted(),
        peers: [...revocations.peers].toSorted(),
        tokens: [...revocations.tokens].toSorted(),
      }),
    ],
  ])
}

/** What the documents say; an absent one says nothing. Refused METADATA_MALFORMED. */
export function readDocuments(documents: ReadonlyMap<string, Uint8Array>): MeshDocuments {
  const read = <T>(path: string, otherwise: T, reader: (fields: Fields) => T): T => {
    const bytes = documents.get(path)
    return bytes ? readDocument(bytes, path, reader) : otherwise
  }
  return {
    issuers: read(issuersPath, noDocuments.issuers, (fields) => {
      known(fields, ['issuers'])
      return keysAt(own(fields, 'issuers'), 'issuers')
    }),
    revocations: read(revocationsPath, noDocuments.revocations, (fields) => {
      known(fields, ['issuers', 'peers', 'tokens'])
      return {
        issuers: wordsAt(own(fields, 'issuers'), 'issuers'),
        peers: wordsAt(own(fields, 'peers'), 'peers'),
        tokens: wordsAt(own(fields, 'tokens'), 'tokens'),
      }
    }),
    origin: read(originPath, noDocuments.origin, (fields) => {
      known(fields, ['boxes', 'peers'])
      const peers = [...wordsAt(own(fields, 'peers'), 'peers')]
      if (!peers.every((peer) => publicKeyOf(peer))) throw new GuardFailed('peers', 'peer ids of Ed25519 keys')
      return { peers: peers as PeerId[], boxes: keysAt(own(fields, 'boxes'), 'boxes') }
    }),
  }
}

function known(fields: Fields, members: readonly string[]): void {
  onlyKeys(fields, 'document', ['v', ...members])
  wholeAt(own(fields, 'v'), 'v', 1, 1)
}

function keysAt(value: unknown, path: string): NamedKey[] {
  return listAt(value, path, keysMax).map((item, index) => {
    const at = `${path}.${index}`
    const fields = fieldsAt(item, at)
    onlyKeys(fields, at, ['kid', 'pub'])
    const key = fromHex(textAt(own(fields, 'pub'), `${at}.pub`, 2 * keyLength))
    if (key?.byteLength !== keyLength || own(fields, 'kid') !== kidOf(key))
      throw new GuardFailed(at, 'a key and the kid of it')
    return { kid: kidOf(key), public: key }
  })
}

function wordsAt(value: unknown, path: string): ReadonlySet<string> {
  return new Set(listAt(value, path, revokedMax).map((item) => textAt(item, path, 64, /^\w+$/)))
}

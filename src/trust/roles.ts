/**
 * Reads the four kinds of signed metadata (TUF 1.0.34 §4.2-§4.6) in the strict form of the mesh. Nothing here decides what is
 * newer or trusted: that is `trusted-set.ts`.
 *
 * In this order, so that a stranger's bytes cost little: size cap → UTF-8 → JSON → envelope shape → canonical check
 * (`openEnvelope`) → signature (the caller, `threshold.ts`) → meaning (`readRoot`, `readTimestamp`, …). A file must equal
 * the canonical spelling of its envelope byte for byte, signatures sorted by keyid; a lax reader for repositories made
 * elsewhere would differ in `openEnvelope` alone.
 */
import { fromHex, textOf, utf8 } from '#base/bytes.ts'
import { canonicalJson, NotCanonical } from '#base/canonical-json.ts'
import { isDigest, sha256, type Digest } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import { fieldsAt, GuardFailed, isFields, listAt, onlyKeys, own, textAt, wholeAt, type Fields } from '#base/guard.ts'
import { fromDate, type Instant } from '#base/time.ts'
import { signatureLength } from './keys.ts'
import { readDelegations, readKeys, readRoleKeys, roleNamePattern, targetPathPattern } from './delegation.ts'
import type { Delegation } from './delegation.ts'
import type { RoleKeys, SignedBytes } from './threshold.ts'

/** Largest files in the mesh; a target role also obeys the length that the snapshot lists. */
const fileBytesMax = { root: 32_768, timestamp: 4096, snapshot: 262_144, targets: 1_048_576 } as const
export type FileType = keyof typeof fileBytesMax

const signaturesMax = 16
const rolesListedMax = 64
const pathLengthMax = 200
export const fleetNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/

export interface Envelope extends SignedBytes {
  readonly type: FileType
  /** Parsed, and not to be believed before its signatures are verified. */
  readonly signed: Fields
}

/** What another file says of a file: all three must hold. */
export interface FileMeta {
  readonly version: number
  readonly length: number
  readonly digest: Digest
}

interface Common {
  readonly version: number
  readonly expires: Instant
}

export interface Root extends Common {
  readonly type: 'root'
  readonly roles: Readonly<Record<FileType, RoleKeys>>
  /** The signed extra member `x-fleet`. */
  readonly fleet: string | undefined
}

export interface Timestamp extends Common {
  readonly type: 'timestamp'
  readonly snapshot: FileMeta
  /** The signed extra member `x-issued`: when the origin was last known to be alive (trust.md §5). */
  readonly issued: Instant | undefined
}

export interface Snapshot extends Common {
  readonly type: 'snapshot'
  /** By role, `targets` and the delegated ones. */
  readonly meta: ReadonlyMap<string, FileMeta>
}

export interface Target {
  readonly length: number
  readonly digest: Digest
  readonly custom: Fields | undefined
}

export interface Targets extends Common {
  readonly type: 'targets'
  readonly targets: ReadonlyMap<string, Target>
  readonly delegations: readonly Delegation[]
}

/** The envelope of a file. Throws Refused METADATA_TOO_LARGE, METADATA_MALFORMED or METADATA_NOT_CANONICAL. */
export function openEnvelope(bytes: Uint8Array, type: FileType, where: string): Envelope {
  const bytesMax = fileBytesMax[type]
  if (bytes.byteLength > bytesMax)
    throw new Refused('METADATA_TOO_LARGE', { message: `${where} has more than ${bytesMax} bytes.`, where })
  const text = textOf(bytes)
  return guarded(where, () => {
    const envelope = fieldsAt(text === undefined ? undefined : parsed(text), 'file')
    onlyKeys(envelope, 'file', ['signatures', 'signed'])
    const signed = fieldsAt(own(envelope, 'signed'), 'signed')
    const signatures = readSignatures(own(envelope, 'signatures'))
    const spelled = canonicalJson(signed)
    const list = canonicalJson(own(envelope, 'signatures'))
    if (`{"signatures":${list},"signed":${spelled}}` !== text)
      throw new Refused('METADATA_NOT_CANONICAL', { message: `${where} is not in its one canonical spelling.`, where })
    if (own(signed, '_type') !== type) throw new GuardFailed('signed._type', type)
    return { type, signed, bytes: utf8(spelled), signatures }
  })
}

/** Meaning of a verified root. Throws Refused METADATA_MALFORMED, as all readers below. */
export function readRoot({ signed }: Envelope, where: string): Root {
  return guarded(where, () => {
    const keys = readKeys(own(signed, 'keys'), 'keys')
    const roles = fieldsAt(own(signed, 'roles'), 'roles')
    if (own(signed, 'consistent_snapshot') !== true) throw new GuardFailed('consistent_snapshot', 'true')
    const roleOf = (name: FileType): RoleKeys =>
      readRoleKeys(fieldsAt(own(roles, name), `roles.${name}`), keys, `roles.${name}`)
    const fleet = own(signed, 'x-fleet')
    return {
      type: 'root',
      ...readCommon(signed),
      roles: {
        root: roleOf('root'),
        timestamp: roleOf('timestamp'),
        snapshot: roleOf('snapshot'),
        targets: roleOf('targets'),
      },
      fleet: fleet === undefined ? undefined : textAt(fleet, 'x-fleet', 63, fleetNamePattern),
    }
  })
}

export function readTimestamp({ signed }: Envelope, where: string): Timestamp {
  return guarded(where, () => {
    const meta = fieldsAt(own(signed, 'meta'), 'meta')
    onlyKeys(meta, 'meta', ['snapshot.json'])
    const issued = own(signed, 'x-issued')
    return {
      type: 'timestamp',
      ...readCommon(signed),
      snapshot: readFileMeta(own(meta, 'snapshot.json'), 'meta.snapshot.json', fileBytesMax.snapshot),
      issued: issued === undefined ? undefined : readDate(issued, 'x-issued'),
    }
  })
}

export function readSnapshot({ signed }: Envelope, where: string): Snapshot {
  return guarded(where, () => {
    const entries = Object.entries(fieldsAt(own(signed, 'meta'), 'meta'))
    if (entries.length > rolesListedMax) throw new GuardFailed('meta', `at most ${rolesListedMax} roles`)
    const meta = new Map(
      entries.map(([file, item]) => {
        const role = file.endsWith('.json') ? file.slice(0, -'.json'.length) : ''
        if (!roleNamePattern.test(role)) throw new GuardFailed(`meta.${file}`, 'the file of a role')
        return [role, readFileMeta(item, `meta.${file}`, fileBytesMax.targets)]
      }),
    )
    if (!meta.has('targets')) throw new GuardFailed('meta', 'targets.json')
    return { type: 'snapshot', ...readCommon(signed), meta }
  })
}

export function readTargets({ signed }: Envelope, where: string): Targets {
  return guarded(where, () => {
    const targets = Object.entries(fieldsAt(own(signed, 'targets'), 'targets')).map(
      ([path, item]): [string, Target] => {
        const at = `targets.${path}`
        const fields = fieldsAt(item, at)
        const custom = own(fields, 'custom')
        return [
          textAt(path, at, pathLengthMax, targetPathPattern),
          {
            length: wholeAt(own(fields, 'length'), `${at}.length`, 0),
            digest: readHashes(own(fields, 'hashes'), `${at}.hashes`),
            custom: custom === undefined ? undefined : fieldsAt(custom, `${at}.custom`),
          },
        ]
      },
    )
    const delegations = own(signed, 'delegations')
    return {
      type: 'targets',
      ...readCommon(signed),
      targets: new Map(targets),
      delegations: delegations === undefined ? [] : readDelegations(delegations),
    }
  })
}

/** A member document of canonical JSON (`mesh/issuers.json`, …), whose digest was verified. Throws Refused METADATA_MALFORMED. */
export function readDocument<T>(bytes: Uint8Array, where: string, read: (fields: Fields) => T): T {
  const text = textOf(bytes)
  return guarded(where, () => read(fieldsAt(text === undefined ? undefined : parsed(text), 'document')))
}

/** Throws Refused METADATA_HASH unless the bytes are the ones that another signed file lists. */
export function checkListed(bytes: Uint8Array, listed: { length: number; digest: Digest }, where: string): void {
  if (!isListed(bytes, listed))
    throw new Refused('METADATA_HASH', { message: `${where} is not the file that the signed set lists.`, where })
}

export const isListed = (bytes: Uint8Array, listed: { length: number; digest: Digest }): boolean =>
  bytes.byteLength === listed.length && sha256(bytes) === listed.digest

function readSignatures(value: unknown): ReadonlyMap<string, Uint8Array> {
  const signatures = new Map<string, Uint8Array>()
  let last = ''
  for (const [index, item] of listAt(value, 'signatures', signaturesMax).entries()) {
    const at = `signatures.${index}`
    const fields = fieldsAt(item, at)
    onlyKeys(fields, at, ['keyid', 'sig'])
    const keyid = own(fields, 'keyid')
    const signature = fromHex(textAt(own(fields, 'sig'), `${at}.sig`, 2 * signatureLength))
    // Sorted and unique in one check: a keyid that comes twice must not count twice (TUF 1.0.34 §4.2).
    if (!isDigest(keyid) || keyid <= last) throw new GuardFailed(`${at}.keyid`, 'keyids in order, each once')
    if (signature?.byteLength !== signatureLength) throw new GuardFailed(`${at}.sig`, `${signatureLength} bytes as hex`)
    last = keyid
    signatures.set(keyid, signature)
  }
  return signatures
}

function readCommon(signed: Fields): Common {
  textAt(own(signed, 'spec_version'), 'spec_version', 16, /^1\.\d+(\.\d+)?$/)
  return {
    version: wholeAt(own(signed, 'version'), 'version', 1),
    expires: readDate(own(signed, 'expires'), 'expires'),
  }
}

function readFileMeta(value: unknown, at: string, lengthMax: number): FileMeta {
  const fields = fieldsAt(value, at)
  return {
    version: wholeAt(own(fields, 'version'), `${at}.version`, 1),
    length: wholeAt(own(fields, 'length'), `${at}.length`, 1, lengthMax),
    digest: readHashes(own(fields, 'hashes'), `${at}.hashes`),
  }
}

function readHashes(value: unknown, at: string): Digest {
  const hashes = fieldsAt(value, at)
  onlyKeys(hashes, at, ['sha256'])
  const digest = own(hashes, 'sha256')
  if (!isDigest(digest)) throw new GuardFailed(`${at}.sha256`, '64 hex digits')
  return digest
}

function readDate(value: unknown, at: string): Instant {
  const date = fromDate(textAt(value, at, 20))
  if (date === undefined) throw new GuardFailed(at, 'a date like 2026-01-31T00:00:00Z')
  return date
}

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return isFields(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Turns what the guards found into the sender's error. */
function guarded<T>(where: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof GuardFailed)
      throw new Refused('METADATA_MALFORMED', { message: `${where} is no valid metadata: ${error.message}.`, where })
    if (error instanceof NotCanonical)
      throw new Refused('METADATA_NOT_CANONICAL', {
        message: `${where} has no canonical form: ${error.message}.`,
        where,
      })
    throw error
  }
}

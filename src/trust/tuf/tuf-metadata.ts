/**
 * Reads the signed metadata of any TUF repository (TUF 1.0.34 §4), as `roles.ts` reads that of the mesh: here every spelling, key and
 * delegation is allowed that TUF allows. In the same order: size, UTF-8, JSON, envelope; then the signature, which the caller checks;
 * then the meaning. Nothing here decides what is newer or trusted.
 */
import { textOf, utf8 } from '#base/bytes.ts'
import { canonicalJson, NotCanonical } from '#base/canonical-json.ts'
import { Refused } from '#base/errors.ts'
import { fieldsAt, GuardFailed, isFields, listAt, own, textAt, wholeAt, type Fields } from '#base/guard.ts'
import { fromDate, type Instant } from '#base/time.ts'
import { readForeignDelegations, type ForeignDelegation } from './tuf-delegation.ts'
import { readForeignKeys, readForeignRole, type ForeignRole } from './tuf-keys.ts'

export type TopRole = 'root' | 'timestamp' | 'snapshot' | 'targets'

const signaturesMax = 256
const entriesMax = 100_000

/** A file whose signatures are still to be verified; `signed` is not to be believed before. */
export interface OpenFile {
  readonly signed: Fields
  /** Canonical JSON of `signed`: what the signatures cover. */
  readonly bytes: Uint8Array
  /** Hex, by keyid. */
  readonly signatures: ReadonlyMap<string, string>
}

/** What another file says of a file. */
export interface ForeignMeta {
  readonly version: number
  readonly length: number | undefined
  /** Hex digests by the name of their algorithm; undefined where none are listed. */
  readonly hashes: ReadonlyMap<string, string> | undefined
}

interface Common {
  readonly version: number
  readonly expires: Instant
}
export interface ForeignRoot extends Common {
  readonly roles: Readonly<Record<TopRole, ForeignRole>>
  readonly isConsistent: boolean
}
export interface ForeignTimestamp extends Common {
  readonly snapshot: ForeignMeta
}
export interface ForeignSnapshot extends Common {
  /** By file name: `targets.json`, `team.json`. */
  readonly meta: ReadonlyMap<string, ForeignMeta>
}
export interface ForeignTarget {
  readonly length: number
  readonly hashes: ReadonlyMap<string, string>
}
export interface ForeignTargets extends Common {
  readonly targets: ReadonlyMap<string, ForeignTarget>
  readonly delegations: readonly ForeignDelegation[]
}

/** Opens a file of at most `bytesMax`. Throws Refused METADATA_TOO_LARGE or METADATA_MALFORMED. */
export function openForeign(bytes: Uint8Array, type: TopRole, bytesMax: number, where: string): OpenFile {
  if (bytes.byteLength > bytesMax)
    throw new Refused('METADATA_TOO_LARGE', { message: `${where} has more than ${bytesMax} bytes.`, where })
  return guarded(where, () => {
    const envelope = fieldsAt(parsed(bytes), 'file')
    const signed = fieldsAt(own(envelope, 'signed'), 'signed')
    const signatures = new Map<string, string>()
    for (const item of listAt(own(envelope, 'signatures'), 'signatures', signaturesMax)) {
      const fields = fieldsAt(item, 'signatures')
      const keyid = textAt(own(fields, 'keyid'), 'signatures.keyid', 1024)
      if (signatures.has(keyid)) throw new GuardFailed('signatures', 'one signature a key')
      signatures.set(keyid, textAt(own(fields, 'sig'), 'signatures.sig', 16_384))
    }
    if (own(signed, '_type') !== type) throw new GuardFailed('signed._type', type)
    return { signed, bytes: utf8(canonicalJson(signed, 'lax')), signatures }
  })
}

/** The meaning of a root. Throws Refused METADATA_MALFORMED, as all readers below. */
export function readForeignRoot({ signed }: OpenFile, where: string): ForeignRoot {
  return guarded(where, () => {
    const keys = readForeignKeys(own(signed, 'keys'), 'keys')
    const roles = fieldsAt(own(signed, 'roles'), 'roles')
    const consistent = own(signed, 'consistent_snapshot')
    if (consistent !== undefined && typeof consistent !== 'boolean')
      throw new GuardFailed('consistent_snapshot', 'true or false')
    const roleOf = (name: TopRole): ForeignRole =>
      readForeignRole(fieldsAt(own(roles, name), `roles.${name}`), keys, `roles.${name}`)
    return {
      ...readCommon(signed),
      roles: {
        root: roleOf('root'),
        timestamp: roleOf('timestamp'),
        snapshot: roleOf('snapshot'),
        targets: roleOf('targets'),
      },
      isConsistent: consistent === true,
    }
  })
}

export function readForeignTimestamp({ signed }: OpenFile, where: string): ForeignTimestamp {
  return guarded(where, () => {
    const meta = readMeta(signed)
    const snapshot = meta.get('snapshot.json')
    if (!snapshot || meta.size !== 1) throw new GuardFailed('meta', 'snapshot.json and nothing else')
    return { ...readCommon(signed), snapshot }
  })
}

export function readForeignSnapshot({ signed }: OpenFile, where: string): ForeignSnapshot {
  return guarded(where, () => ({ ...readCommon(signed), meta: readMeta(signed) }))
}

export function readForeignTargets({ signed }: OpenFile, where: string): ForeignTargets {
  return guarded(where, () => {
    const entries = Object.entries(fieldsAt(own(signed, 'targets'), 'targets'))
    if (entries.length > entriesMax) throw new GuardFailed('targets', `at most ${entriesMax}`)
    const targets = entries.map(([path, item]): [string, ForeignTarget] => {
      const fields = fieldsAt(item, `targets.${path}`)
      const length = wholeAt(own(fields, 'length'), `targets.${path}.length`, 0)
      return [path, { length, hashes: readHashes(own(fields, 'hashes'), `targets.${path}.hashes`) }]
    })
    const delegations = own(signed, 'delegations')
    return {
      ...readCommon(signed),
      targets: new Map(targets),
      delegations: delegations === undefined ? [] : readForeignDelegations(delegations),
    }
  })
}

function readMeta(signed: Fields): ReadonlyMap<string, ForeignMeta> {
  const entries = Object.entries(fieldsAt(own(signed, 'meta'), 'meta'))
  if (entries.length > entriesMax) throw new GuardFailed('meta', `at most ${entriesMax} files`)
  return new Map(
    entries.map(([name, item]) => {
      const fields = fieldsAt(item, `meta.${name}`)
      const [length, hashes] = [own(fields, 'length'), own(fields, 'hashes')]
      return [
        name,
        {
          version: wholeAt(own(fields, 'version'), `meta.${name}.version`, 1),
          length: length === undefined ? undefined : wholeAt(length, `meta.${name}.length`, 0),
          hashes: hashes === undefined ? undefined : readHashes(hashes, `meta.${name}.hashes`),
        },
      ]
    }),
  )
}

function readHashes(value: unknown, at: string): ReadonlyMap<string, string> {
  const entries = Object.entries(fieldsAt(value, at))
  if (entries.length === 0 || entries.length > 16) throw new GuardFailed(at, '1 to 16 digests')
  return new Map(
    entries.map(([name, hex]) => [name, textAt(hex, `${at}.${name}`, 256, /^[0-9a-fA-F]+$/).toLowerCase()]),
  )
}

function readCommon(signed: Fields): Common {
  textAt(own(signed, 'spec_version'), 'spec_version', 32, /^1(\.\d+)+$/)
  const expires = fromDate(textAt(own(signed, 'expires'), 'expires', 20))
  if (expires === undefined) throw new GuardFailed('expires', 'a date like 2026-01-31T00:00:00Z')
  return { version: wholeAt(own(signed, 'version'), 'version', 1), expires }
}

function parsed(bytes: Uint8Array): unknown {
  const text = textOf(bytes)
  if (text === undefined) return undefined
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
    // Deeper than the stack is no better formed than deeper than the limit.
    if (error instanceof GuardFailed || error instanceof NotCanonical)
      throw new Refused('METADATA_MALFORMED', { message: `${where} is no valid metadata: ${error.message}.`, where })
    throw error
  }
}

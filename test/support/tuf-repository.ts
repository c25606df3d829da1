/** A TUF repository in memory, of the plainest kind, that a test bends: each file can be changed before and after it is signed. */
import { createHash, generateKeyPairSync, sign as nodeSign, type KeyObject } from 'node:crypto'
import nacl from 'tweetnacl'
import { textOf, toHex, utf8 } from '#base/bytes.ts'
import { canonicalJson } from '#base/canonical-json.ts'
import { sha256 } from '#base/digest.ts'
import { codeOf } from '#base/errors.ts'
import { after, day, instant, toDate, type Instant } from '#base/time.ts'
import { refreshTuf, type TufSteps } from '#trust/tuf/tuf-update.ts'
import type { TrustedMetadata } from '#trust/tuf/trusted-metadata.ts'

export const now = instant(Date.UTC(2026, 10, 24))

/** A key of any kind that TUF knows. */
export interface Pen {
  readonly keyid: string
  readonly key: Record<string, unknown>
  readonly sign: (bytes: Uint8Array) => string
}

export function pen(label: string): Pen {
  const pair = nacl.sign.keyPair.fromSeed(new Uint8Array(createHash('sha256').update(label).digest()))
  const key = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: toHex(pair.publicKey) } }
  return penOf(key, (bytes) => toHex(nacl.sign.detached(bytes, pair.secretKey)))
}

export function ecdsaPen(): Pen {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return penOf(pemKey('ecdsa', 'ecdsa-sha2-nistp256', publicKey), (bytes) =>
    nodeSign('sha256', bytes, privateKey).toString('hex'),
  )
}

export function rsaPen(modulusLength = 2048): Pen {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength })
  // 6 is RSA_PKCS1_PSS_PADDING.
  return penOf(pemKey('rsa', 'rsassa-pss-sha256', publicKey), (bytes) =>
    nodeSign('sha256', bytes, { key: privateKey, padding: 6, saltLength: 32 }).toString('hex'),
  )
}

export const penOf = (key: Record<string, unknown>, sign: (bytes: Uint8Array) => string): Pen => ({
  keyid: sha256(utf8(canonicalJson(key, 'lax'))),
  key,
  sign,
})

const pemKey = (keytype: string, scheme: string, key: KeyObject): Record<string, unknown> => ({
  keytype,
  scheme,
  keyval: { public: key.export({ type: 'spki', format: 'pem' }).toString() },
})

type Signed = Record<string, unknown>
export interface File {
  signed: Signed
  signatures: { keyid: string; sig: string }[]
}

export interface Role {
  pens: Pen[]
  threshold: number
  version: number
  expires: Instant
}

export interface Delegated extends Role {
  name: string
  parent: string
  terminating?: boolean
  paths?: string[]
  path_hash_prefixes?: string[]
  targets: Record<string, Uint8Array>
}

/** What a test may do to the files of the next publication. */
export interface Bends {
  /** Before signing, by role. */
  readonly signed?: Readonly<Record<string, (signed: Signed) => void>>
  /** After signing. */
  readonly file?: Readonly<Record<string, (file: File) => void>>
  /** The bytes as served. */
  readonly bytes?: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>>
}

export class TufRepository {
  readonly roles: Record<'root' | 'timestamp' | 'snapshot' | 'targets', Role>
  readonly delegated: Delegated[] = []
  readonly targets: Record<string, Uint8Array> = { 'dir/file.txt': utf8('hello') }
  readonly served = new Map<string, Uint8Array>()
  readonly requests: string[] = []
  #rootSigners: Pen[] = []

  constructor() {
    const role = (name: string): Role => ({
      pens: [pen(name)],
      threshold: 1,
      version: 1,
      expires: after(now, 30 * day),
    })
    this.roles = {
      root: role('root'),
      timestamp: role('timestamp'),
      snapshot: role('snapshot'),
      targets: role('targets'),
    }
    this.publishRoot()
    this.publish()
  }

  delegate(name: string, more: Partial<Delegated> = {}): Delegated {
    const role: Delegated = {
      name,
      parent: 'targets',
      pens: [pen(name)],
      threshold: 1,
      version: 1,
      expires: after(now, 30 * day),
      targets: {},
      ...(more.path_hash_prefixes ? {} : { paths: ['*'] }),
      ...more,
    }
    this.delegated.push(role)
    return role
  }

  /** Signs the root as it stands, by its keys and by those of the root before. */
  publishRoot(
    bends: Bends = {},
    signers: readonly Pen[] = [...this.roles.root.pens, ...this.#rootSigners],
  ): Uint8Array {
    const { root } = this.roles
    const signed = {
      ...this.#common('root', root),
      consistent_snapshot: true,
      keys: Object.fromEntries(
        Object.values(this.roles).flatMap(({ pens }) => pens.map(({ keyid, key }) => [keyid, key])),
      ),
      roles: Object.fromEntries(
        Object.entries(this.roles).map(([name, { pens, threshold }]) => [
          name,
          { keyids: pens.map(({ keyid }) => keyid), threshold },
        ]),
      ),
    }
    this.#rootSigners = [...root.pens]
    return this.#serve(`${root.version}.root.json`, 'root', signed, signers, bends)
  }

  /** Signs and serves everything below the root as it stands. */
  publish(bends: Bends = {}): void {
    const files = new Map<string, Uint8Array>()
    for (const role of this.delegated.toReversed())
      files.set(
        role.name,
        this.#serve(
          `${role.version}.${encodeURIComponent(role.name)}.json`,
          role.name,
          { ...this.#common('targets', role), ...this.#targetsOf(role.name, role.targets) },
          role.pens,
          bends,
        ),
      )
    const { targets, snapshot, timestamp } = this.roles
    const top = { ...this.#common('targets', targets), ...this.#targetsOf('targets', this.targets) }
    files.set('targets', this.#serve(`${targets.version}.targets.json`, 'targets', top, targets.pens, bends))
    const versions: [string, number][] = [
      ['targets', targets.version],
      ...this.delegated.map(({ name, version }): [string, number] => [name, version]),
    ]
    const meta = versions.map(([name, version]) => [`${name}.json`, metaOf(version, files.get(name))])
    const list = { ...this.#common('snapshot', snapshot), meta: Object.fromEntries(meta) }
    const bytes = this.#serve(`${snapshot.version}.snapshot.json`, 'snapshot', list, snapshot.pens, bends)
    const head = {
      ...this.#common('timestamp', timestamp),
      meta: { 'snapshot.json': metaOf(snapshot.version, bytes) },
    }
    this.#serve('timestamp.json', 'timestamp', head, timestamp.pens, bends)
  }

  /** One version more of the three that every change touches, then `publish`. */
  next(bends: Bends = {}): void {
    for (const name of ['targets', 'snapshot', 'timestamp'] as const) this.roles[name].version++
    this.publish(bends)
  }

  #targetsOf(parent: string, targets: Record<string, Uint8Array>): Signed {
    const children = this.delegated.filter((role) => role.parent === parent)
    return {
      targets: Object.fromEntries(
        Object.entries(targets).map(([path, bytes]) => [
          path,
          { length: bytes.byteLength, hashes: { sha256: sha256(bytes) } },
        ]),
      ),
      ...(children.length > 0 && {
        delegations: {
          keys: Object.fromEntries(children.flatMap(({ pens }) => pens.map(({ keyid, key }) => [keyid, key]))),
          roles: children.map(({ name, pens, threshold, terminating, paths, path_hash_prefixes }) => ({
            name,
            keyids: pens.map(({ keyid }) => keyid),
            threshold,
            terminating: terminating ?? false,
            ...(paths && { paths }),
            ...(path_hash_prefixes && { path_hash_prefixes }),
          })),
        },
      }),
    }
  }

  #common(type: string, { version, expires }: Role): Signed {
    return { _type: type, spec_version: '1.0.31', version, expires: toDate(expires) }
  }

  #serve(name: string, role: string, signed: Signed, signers: readonly Pen[], bends: Bends): Uint8Array {
    bends.signed?.[role]?.(signed)
    const covered = utf8(canonicalJson(signed, 'lax'))
    const byKeyid = new Map(signers.map((signer) => [signer.keyid, signer]))
    const file: File = {
      signed,
      signatures: [...byKeyid.values()].map(({ keyid, sign }) => ({ keyid, sig: sign(covered) })),
    }
    bends.file?.[role]?.(file)
    const plain = utf8(JSON.stringify(file))
    const bytes = bends.bytes?.[role]?.(plain) ?? plain
    this.served.set(name, bytes)
    return bytes
  }
}

const metaOf = (version: number, bytes: Uint8Array = new Uint8Array()): Signed => ({
  version,
  length: bytes.byteLength,
  hashes: { sha256: sha256(bytes) },
})

/** A client of a repository, with its folder. */
export class TufReader {
  readonly folder = new Map<string, Uint8Array>()
  readonly #repository: TufRepository
  now = now

  constructor(repository: TufRepository) {
    this.#repository = repository
    this.folder.set('root.json', repository.served.get('1.root.json') ?? new Uint8Array())
  }

  refresh(): TrustedMetadata {
    return this.drive(refreshTuf(this.folder.get('root.json') ?? new Uint8Array(), this.now))
  }

  drive<T>(steps: TufSteps<T>): T {
    const { served, requests } = this.#repository
    let next = steps.next()
    while (!next.done) {
      const step = next.value
      if (step.type === 'fetch') requests.push(step.name)
      if (step.type === 'keep') this.folder.set(step.name, step.bytes)
      if (step.type === 'drop') this.folder.delete(step.name)
      if (step.type === 'fetch') next = steps.next(served.get(step.name))
      else next = steps.next(step.type === 'load' ? this.folder.get(step.name) : undefined)
    }
    return next.value
  }
}

/** The code of what it throws, or `accepted`. */
export const codeFrom = (act: () => unknown): string => {
  try {
    act()
    return 'accepted'
  } catch (error) {
    return codeOf(error) ?? `threw ${String(error)}`
  }
}
/** Versions in a client's folder, NaN where there is no file. */
export const versionsIn = (reader: TufReader): Record<string, number> =>
  Object.fromEntries(
    ['root', 'timestamp', 'snapshot', 'targets'].map((name) => {
      const file = JSON.parse(textOf(reader.folder.get(`${name}.json`) ?? utf8('{"signed":{}}')) ?? '') as File
      return [name, Number(file.signed['version'])]
    }),
  )
/** Replaces the signatures of a file by those of other pens. */
export const signAgain = (file: File, ...pens: Pen[]): void => {
  file.signatures = pens.map(({ keyid, sign }) => ({ keyid, sig: sign(utf8(canonicalJson(file.signed, 'lax'))) }))
}
